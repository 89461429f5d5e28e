package relpred.client;

import java.time.ZonedDateTime;
import java.util.Map;

/**
 * What the last sync left out: a node, or an edge.
 *
 * @param againAt when it is tried again; null when it is not any more
 */
public record SyncFailure(String item, String step, String error, long tries, ZonedDateTime againAt) {
    static SyncFailure of(Map<String, Object> row) {
        return new SyncFailure(
                Json.text(row, "item"),
                Json.text(row, "step"),
                Json.text(row, "error"),
                Json.whole(row, "tries"),
                Json.timeOrNull(row, "again_at"));
    }
}
