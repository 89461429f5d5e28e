package relpred.procedures;

import java.lang.reflect.Array;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.neo4j.graphdb.Label;
import org.neo4j.graphdb.Node;
import org.neo4j.graphdb.Relationship;
import relpred.client.Described;

/** Nodes as the caller's transaction sees them, in words for a service that does not. */
final class Descriptions {
    private static final int MOST_EDGES = 1_000;
    private static final int LONGEST_TEXT = 100_000;

    private Descriptions() {}

    static Described of(Node node) {
        var labels = StreamSupport.stream(node.getLabels().spliterator(), false)
                .map(Label::name)
                .toList();
        try (var relationships = node.getRelationships()) {
            var edges = relationships.stream()
                    .limit(MOST_EDGES)
                    .map(edge -> edge(node, edge))
                    .toList();
            return new Described(node.getElementId(), labels, properties(node), edges);
        }
    }

    private static Described.Edge edge(Node node, Relationship edge) {
        return new Described.Edge(
                edge.getType().name(),
                edge.getOtherNode(node).getElementId(),
                edge.getStartNode().equals(node));
    }

    private static Map<String, Object> properties(Node node) {
        var found = new LinkedHashMap<String, Object>();
        node.getAllProperties().forEach((name, value) -> plain(value).ifPresent(told -> found.put(name, told)));
        return found;
    }

    /** Strings, numbers, truth values, and lists of them; a text says nothing of what a point or a time is. */
    private static Optional<Object> plain(Object value) {
        if (value instanceof String text) {
            return Optional.of(text.length() <= LONGEST_TEXT ? text : text.substring(0, LONGEST_TEXT));
        }
        if (value instanceof Double number && !Double.isFinite(number)) {
            return Optional.empty();
        }
        if (value instanceof Number || value instanceof Boolean) {
            return Optional.of(value);
        }
        if (!value.getClass().isArray()) {
            return Optional.empty();
        }
        List<Object> parts = IntStream.range(0, Array.getLength(value))
                .mapToObj(place -> plain(Array.get(value, place)))
                .flatMap(Optional::stream)
                .toList();
        return Optional.of(parts);
    }
}
