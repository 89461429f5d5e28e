package relpred.procedures;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.StreamSupport;
import org.neo4j.graphdb.Label;
import org.neo4j.graphdb.Node;
import org.neo4j.graphdb.NotFoundException;

/** What the caller's transaction sees of nodes that tells which they are, so that the service need not look. */
final class Keys {
    private static final int LONGEST = 1_000;

    private Keys() {}

    /** Labels and key properties of each node by its element id; nothing of a node that is deleted. */
    static Map<String, Map<String, Object>> of(List<Node> nodes, List<String> properties) {
        var found = new HashMap<String, Map<String, Object>>();
        if (!properties.isEmpty()) {
            nodes.forEach(node -> of(node, properties).ifPresent(seen -> found.put(node.getElementId(), seen)));
        }
        return found;
    }

    private static Optional<Map<String, Object>> of(Node node, List<String> properties) {
        try {
            var keys = new HashMap<String, Object>();
            for (String name : properties) {
                Object value = node.getProperty(name, null);
                if (told(value)) {
                    keys.put(name, value);
                }
            }
            var labels = StreamSupport.stream(node.getLabels().spliterator(), false)
                    .map(Label::name)
                    .toList();
            return Optional.of(Map.of("labels", labels, "keys", keys));
        } catch (NotFoundException deleted) {
            return Optional.empty();
        }
    }

    /** Others have no one spelling; the service reads them itself. */
    private static boolean told(Object value) {
        return value instanceof Long
                || value instanceof Boolean
                || value instanceof String text && text.length() <= LONGEST;
    }
}
