package relpred.client;

import java.util.Map;
import java.util.TreeMap;

/**
 * What taking a run back did, or would do.
 *
 * @param run the run that the undo itself is
 * @param skipped how many edges were left out, by the reason
 */
public record Undone(
        String run,
        long created,
        long updated,
        long removed,
        long unchanged,
        Map<String, Object> skipped,
        double seconds,
        boolean dryRun) {
    static Undone of(Map<String, Object> row) {
        return new Undone(
                Json.text(row, "run"),
                Json.whole(row, "created"),
                Json.whole(row, "updated"),
                Json.whole(row, "removed"),
                Json.whole(row, "unchanged"),
                skipped(row.get("skipped")),
                Json.number(row, "seconds"),
                Json.flag(row, "dry_run"));
    }

    private static Map<String, Object> skipped(Object counts) {
        if (!(counts instanceof Map<?, ?> map)) {
            throw Json.unreadable("the field skipped is not an object");
        }
        var found = new TreeMap<String, Object>();
        map.forEach((reason, count) -> {
            if (!(count instanceof Number number)) {
                throw Json.unreadable("the field skipped holds something else than counts");
            }
            found.put(reason.toString(), number.longValue());
        });
        return found;
    }
}
