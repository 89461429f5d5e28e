package relpred.client;

import java.util.List;
import java.util.Map;

/**
 * A piece of the evidence for a triple: a kind of it, or a rule that fired.
 *
 * @param share of the kind in the score; null of a rule
 * @param pattern Cypher that finds the paths of a rule between h and t; null of a kind, as are support and confidence
 * @param bindings some of these paths, as the element ids of their nodes
 * @param score of the triple, like probability and model, the same in all rows
 */
public record Clue(
        String kind,
        Double share,
        String explanation,
        String pattern,
        List<List<String>> bindings,
        Long support,
        Double confidence,
        double score,
        double probability,
        String model) {
    static Clue of(Map<String, Object> row) {
        return new Clue(
                Json.text(row, "kind"),
                Json.numberOrNull(row, "share"),
                Json.text(row, "explanation"),
                Json.textOrNull(row, "pattern"),
                Json.paths(row, "bindings"),
                row.get("support") == null ? null : Json.whole(row, "support"),
                Json.numberOrNull(row, "confidence"),
                Json.number(row, "score"),
                Json.number(row, "probability"),
                Json.textOrNull(row, "model"));
    }
}
