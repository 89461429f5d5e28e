package relpred.client;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A triple by its nodes and its type.
 *
 * @param relation the type, with the prefix of predicted edges or without it
 * @param key the key of the edge that the triple was read off
 */
public record TripleName(End head, String relation, End tail, Optional<String> key) {
    /** A node, by its element id in the graph or by its entity id. */
    public record End(String kind, String id) {
        public static End element(String id) {
            return new End("element_id", id);
        }

        public static End entity(String id) {
            return new End("id", id);
        }
    }

    Map<String, Object> parts() {
        var parts = new LinkedHashMap<String, Object>();
        parts.put("head", Map.of(head.kind(), head.id()));
        parts.put("relation", relation);
        parts.put("tail", Map.of(tail.kind(), tail.id()));
        key.ifPresent(known -> parts.put("key", known));
        return parts;
    }
}
