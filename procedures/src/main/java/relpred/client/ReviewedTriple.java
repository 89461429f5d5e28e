package relpred.client;

import java.time.ZonedDateTime;
import java.util.Map;

/**
 * A triple that waits for a decision, or what was decided about it; null is what is not known of it.
 *
 * @param head the entity id of the node, as reviewing names it everywhere
 * @param state pending, accepted, rejected, or withdrawn
 */
public record ReviewedTriple(
        String head,
        String relation,
        String tail,
        String headName,
        String tailName,
        String state,
        Double probability,
        String evidence,
        String model,
        String run,
        String reason,
        String note,
        String by,
        ZonedDateTime at) {
    static ReviewedTriple of(Map<String, Object> row) {
        return new ReviewedTriple(
                Json.text(row, "head"),
                Json.text(row, "relation"),
                Json.text(row, "tail"),
                Json.textOrNull(row, "head_name"),
                Json.textOrNull(row, "tail_name"),
                Json.text(row, "state"),
                Json.numberOrNull(row, "probability"),
                Json.textOrNull(row, "evidence"),
                Json.textOrNull(row, "model"),
                Json.textOrNull(row, "run"),
                Json.textOrNull(row, "reason"),
                Json.textOrNull(row, "note"),
                Json.textOrNull(row, "by"),
                Json.timeOrNull(row, "at"));
    }
}
