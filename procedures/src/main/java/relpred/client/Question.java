package relpred.client;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Triples with one part left out, or whole ones that are to be judged. Nodes are named by their element id. */
public final class Question {
    private static final String JUDGING = "score";
    private static final String ELEMENT_ID = "element_id";

    private final String route;
    private final Map<String, Object> parts;
    private final int number;

    private Question(String route, Map<String, Object> parts, int number) {
        this.route = route;
        this.parts = parts;
        this.number = number;
    }

    public static Question relations(String head, String tail) {
        return new Question("relations", Map.of("head", node(head), "tail", node(tail)), 1);
    }

    public static Question tails(String head, String relation) {
        return new Question("tails", Map.of("head", node(head), "relation", relation), 1);
    }

    public static Question heads(String relation, String tail) {
        return new Question("heads", Map.of("relation", relation, "tail", node(tail)), 1);
    }

    /** One question about each head; the answers come one after the other. */
    public static Question tails(List<String> heads, String relation) {
        return new Question("tails", Map.of("heads", nodes(heads), "relation", relation), heads.size());
    }

    /** One question about each tail; the answers come one after the other. */
    public static Question heads(String relation, List<String> tails) {
        return new Question("heads", Map.of("relation", relation, "tails", nodes(tails)), tails.size());
    }

    /** Whole triples; the answers come in the same order, one for each. */
    public static Question triples(List<TripleName> triples) {
        var parts = triples.stream().map(TripleName::parts).toList();
        return new Question(JUDGING, Map.of("triples", parts), triples.size());
    }

    /** The same, with what can be told of nodes that the service cannot see: see {@link Described}. */
    public Question describing(List<Described> nodes) {
        var more = new LinkedHashMap<>(parts);
        more.put("described", nodes.stream().map(Described::body).toList());
        return new Question(route, more, number);
    }

    /** The same, with what the caller sees of nodes, by element id: with that the service need not look them up. */
    public Question seeing(Map<String, Map<String, Object>> nodes) {
        var more = new LinkedHashMap<>(parts);
        more.replaceAll((name, part) -> seeing(part, nodes));
        return new Question(route, more, number);
    }

    private static Object seeing(Object part, Map<String, Map<String, Object>> nodes) {
        if (part instanceof List<?> several) {
            return several.stream().map(one -> seeing(one, nodes)).toList();
        }
        if (part instanceof Map<?, ?> node && nodes.containsKey(node.get(ELEMENT_ID))) {
            return Map.of(ELEMENT_ID, node.get(ELEMENT_ID), "seen", nodes.get(node.get(ELEMENT_ID)));
        }
        return part;
    }

    /** About how many nodes, pairs or triples it asks. */
    public int number() {
        return number;
    }

    private static List<Map<String, Object>> nodes(List<String> elementIds) {
        return elementIds.stream().map(Question::node).toList();
    }

    private static Map<String, Object> node(String elementId) {
        return Map.of(ELEMENT_ID, elementId);
    }

    Errand errand(Limits limits) {
        var body = new LinkedHashMap<>(parts);
        if (!route.equals(JUDGING)) {
            body.put("top_k", limits.topK());
            body.put("min_probability", limits.minProbability());
        }
        limits.nameModel(body);
        return new Errand("/v1/" + route, body, Effect.NONE);
    }

    /** What asking it would cost. */
    Errand estimate(Limits limits) {
        var body = new LinkedHashMap<String, Object>();
        body.put("question", route);
        body.put("number", number);
        if (parts.get("relation") instanceof String relation) {
            body.put("relation", relation);
        }
        limits.nameModel(body);
        return new Errand("/v1/estimate", body, Effect.NONE);
    }
}
