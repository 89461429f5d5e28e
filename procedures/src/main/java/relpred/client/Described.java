package relpred.client;

import java.util.List;
import java.util.Map;

/**
 * A node that a transaction has made and not committed: nobody else can see it, so all is told of it.
 *
 * @param properties strings, numbers, truth values, and lists of them
 */
public record Described(String elementId, List<String> labels, Map<String, Object> properties, List<Edge> edges) {
    /**
     * A relationship of it.
     *
     * @param other the element id of the other node
     * @param outgoing whether the described node is its head
     */
    public record Edge(String relation, String other, boolean outgoing) {}

    Map<String, Object> body() {
        var told = edges.stream()
                .map(edge ->
                        Map.of("relation", edge.relation(), "other", edge.other(), "outgoing", edge.outgoing()))
                .toList();
        return Map.of("element_id", elementId, "labels", labels, "properties", properties, "edges", told);
    }
}
