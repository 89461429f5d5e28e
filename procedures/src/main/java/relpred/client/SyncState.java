package relpred.client;

import java.time.ZonedDateTime;
import java.util.Map;

/**
 * How the daemon is. What it did not say is null.
 *
 * @param problem what is wrong with it; null when it is well
 * @param lagSeconds how old a change may be that predictions do not show yet
 * @param pending nodes that wait for the next sync
 * @param failing nodes and edges that the last sync left out
 * @param model the live one
 * @param trainingShare how much of the stage of its training is done, from 0 to 1
 * @param lastSync figures
 */
public record SyncState(
        String state,
        String problem,
        Double lagSeconds,
        long pending,
        long failing,
        String model,
        String pausedBy,
        String training,
        double trainingShare,
        String trainingResult,
        ZonedDateTime syncedAt,
        Map<String, Object> lastSync,
        ZonedDateTime nextSync,
        ZonedDateTime nextRefresh,
        ZonedDateTime nextRetrain,
        String errorCode,
        String errorHint,
        long failuresInARow,
        String host,
        ZonedDateTime beatAt) {
    static SyncState of(Map<String, Object> row) {
        return new SyncState(
                Json.text(row, "state"),
                Json.textOrNull(row, "problem"),
                Json.numberOrNull(row, "lag_seconds"),
                Json.whole(row, "pending"),
                Json.whole(row, "failing"),
                Json.textOrNull(row, "model"),
                Json.textOrNull(row, "paused_by"),
                Json.textOrNull(row, "training"),
                Json.number(row, "training_share"),
                Json.textOrNull(row, "training_result"),
                Json.timeOrNull(row, "synced_at"),
                Json.object(row, "last_sync"),
                Json.timeOrNull(row, "next_sync"),
                Json.timeOrNull(row, "next_refresh"),
                Json.timeOrNull(row, "next_retrain"),
                Json.textOrNull(row, "error_code"),
                Json.textOrNull(row, "error_hint"),
                Json.whole(row, "failures_in_a_row"),
                Json.textOrNull(row, "host"),
                Json.timeOrNull(row, "beat_at"));
    }
}
