package relpred.client;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A triple with one part left out: the target. Nodes are named by their element id. */
public final class Question {
    private final String route;
    private final Map<String, Object> parts;

    private Question(String route, Map<String, Object> parts) {
        this.route = route;
        this.parts = parts;
    }

    public static Question relations(String head, String tail) {
        return new Question("relations", Map.of("head", node(head), "tail", node(tail)));
    }

    public static Question tails(String head, String relation) {
        return new Question("tails", Map.of("head", node(head), "relation", relation));
    }

    public static Question heads(String relation, String tail) {
        return new Question("heads", Map.of("relation", relation, "tail", node(tail)));
    }

    /** One question about each head; the answers come one after the other. */
    public static Question tails(List<String> heads, String relation) {
        return new Question("tails", Map.of("heads", nodes(heads), "relation", relation));
    }

    /** One question about each tail; the answers come one after the other. */
    public static Question heads(String relation, List<String> tails) {
        return new Question("heads", Map.of("relation", relation, "tails", nodes(tails)));
    }

    private static List<Map<String, Object>> nodes(List<String> elementIds) {
        return elementIds.stream().map(Question::node).toList();
    }

    private static Map<String, Object> node(String elementId) {
        return Map.of("element_id", elementId);
    }

    Errand errand(Limits limits) {
        var body = new LinkedHashMap<>(parts);
        body.put("top_k", limits.topK());
        body.put("min_probability", limits.minProbability());
        return new Errand("/v1/" + route, body, Effect.NONE);
    }
}
