package relpred.procedures;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.neo4j.graphdb.Node;
import org.neo4j.graphdb.NotFoundException;
import org.neo4j.graphdb.Relationship;
import relpred.client.TripleName;
import relpred.client.TripleName.End;
import relpred.client.Words;

/** What queries hand over, in the words of the client. */
final class Arguments {
    private static final List<String> PARTS = List.of("head", "relation", "tail");

    private Arguments() {}

    static <T> T given(String argument, T value) {
        if (value == null) {
            throw new IllegalArgumentException("The argument " + argument + " is null. Did its MATCH find anything?");
        }
        return value;
    }

    /** Whether several nodes are asked about, and not one. */
    static boolean several(Object value) {
        return value instanceof List<?>;
    }

    /** The nodes of a list by their element ids, each once, in order; or the one node. */
    static Map<String, Node> nodes(String argument, Object value) {
        var found = new LinkedHashMap<String, Node>();
        for (Object one : given(argument, value) instanceof List<?> list ? list : List.of(value)) {
            if (!(given(argument, one) instanceof Node node)) {
                throw new IllegalArgumentException(
                        "The argument " + argument + " is neither a node nor a list of nodes.");
            }
            found.put(node.getElementId(), node);
        }
        return found;
    }

    /**
     * A triple of nodes that is to be judged.
     *
     * @param relation the type, with the prefix of predicted edges or without it
     */
    record Given(Node head, String relation, Node tail) {
        TripleName name() {
            return new TripleName(
                    End.element(head.getElementId()), relation, End.element(tail.getElementId()), Optional.empty());
        }
    }

    /** Maps of head, relation and tail, and relationships, in the order given. */
    static List<Given> triples(List<Object> values) {
        return given("triples", values).stream().map(Arguments::ofNodes).toList();
    }

    private static Given ofNodes(Object value) {
        if (given("triples", value) instanceof Relationship edge) {
            return new Given(edge.getStartNode(), edge.getType().name(), edge.getEndNode());
        }
        if (!(value instanceof Map<?, ?> map)) {
            throw new IllegalArgumentException("The argument triples holds neither maps nor relationships. Give maps"
                    + " {head: a, relation: 'TYPE', tail: b} of nodes and a type.");
        }
        onlyParts("triples", map);
        if (map.get("head") instanceof Node head
                && map.get("relation") instanceof String relation
                && map.get("tail") instanceof Node tail) {
            return new Given(head, relation, tail);
        }
        throw new IllegalArgumentException("The argument triples holds a map without head and tail, which are nodes,"
                + " and relation, which is a string. Did its MATCH find them?");
    }

    private static void onlyParts(String argument, Map<?, ?> map) {
        for (Object key : map.keySet()) {
            if (!PARTS.contains(key)) {
                throw new IllegalArgumentException("The argument " + argument + " has the unknown key " + key + ". "
                        + Words.didYouMean(String.valueOf(key), PARTS));
            }
        }
    }

    /** A predicted edge, a relationship that came of accepting one, or a map of head, relation and tail. */
    static TripleName triple(Object value) {
        if (given("triple", value) instanceof Relationship edge) {
            return edge(edge);
        }
        if (!(value instanceof Map<?, ?> map)) {
            throw new IllegalArgumentException("The argument triple is neither a relationship nor a map. Give a"
                    + " predicted edge, or a map {head: ..., relation: '...', tail: ...}.");
        }
        onlyParts("triple", map);
        if (map.get("relation") instanceof String relation) {
            return new TripleName(end("head", map), relation, end("tail", map), Optional.empty());
        }
        throw new IllegalArgumentException("The argument triple lacks relation: the relationship type, a string.");
    }

    private static TripleName edge(Relationship edge) {
        try {
            String key = Stream.of("key", "relpredKey")
                    .map(name -> edge.getProperty(name, null))
                    .filter(String.class::isInstance)
                    .map(String.class::cast)
                    .findFirst()
                    .orElseThrow(() -> new IllegalArgumentException(
                            "The relationship is neither a predicted edge nor one that came of accepting it: it has"
                                    + " no key. Name the triple by a map {head: ..., relation: '...', tail: ...}."));
            return new TripleName(
                    End.element(edge.getStartNode().getElementId()),
                    edge.getType().name(),
                    End.element(edge.getEndNode().getElementId()),
                    Optional.of(key));
        } catch (NotFoundException gone) {
            throw new IllegalArgumentException("The relationship is not there any more: somebody decided about it, or a"
                    + " publication removed it. relpred.review.list shows what waits.");
        }
    }

    /** Nodes, or the entity ids by which reviewing names them. */
    private static End end(String part, Map<?, ?> map) {
        Object value = map.get(part);
        if (value instanceof Node node) {
            return End.element(node.getElementId());
        }
        if (value instanceof String id && !id.isEmpty()) {
            return End.entity(id);
        }
        throw new IllegalArgumentException("The argument triple has no " + part
                + " that names a node. Give the node, or its id as relpred.review.list shows it.");
    }
}
