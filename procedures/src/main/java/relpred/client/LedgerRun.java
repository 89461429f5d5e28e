package relpred.client;

import java.time.ZonedDateTime;
import java.util.Map;

/**
 * One publication.
 *
 * @param finishedAt null while it goes on, and of one that was killed
 * @param reason the code of the error that ended it; empty when none did
 */
public record LedgerRun(
        String run,
        String kind,
        String model,
        String status,
        ZonedDateTime startedAt,
        ZonedDateTime finishedAt,
        long created,
        long updated,
        long removed,
        long unchanged,
        String reason) {
    static LedgerRun of(Map<String, Object> row) {
        return new LedgerRun(
                Json.text(row, "run"),
                Json.text(row, "kind"),
                Json.text(row, "model"),
                Json.text(row, "status"),
                Json.timeOrNull(row, "started_at"),
                Json.timeOrNull(row, "finished_at"),
                Json.whole(row, "created"),
                Json.whole(row, "updated"),
                Json.whole(row, "removed"),
                Json.whole(row, "unchanged"),
                Json.text(row, "reason"));
    }
}
