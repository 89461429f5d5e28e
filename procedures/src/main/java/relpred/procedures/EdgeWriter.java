package relpred.procedures;

import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.neo4j.graphdb.Direction;
import org.neo4j.graphdb.Label;
import org.neo4j.graphdb.Node;
import org.neo4j.graphdb.Relationship;
import org.neo4j.graphdb.RelationshipType;
import org.neo4j.graphdb.Transaction;
import org.neo4j.procedure.TerminationGuard;
import relpred.client.Prediction;
import relpred.client.ServiceException;

/**
 * Writes answers as the predicted edges that a publication would make of them, in the transaction of the caller. The
 * service says key and type of each, so that there is one definition of both.
 */
final class EdgeWriter {
    /** Edges of one call: their ends stay locked until the caller's transaction ends. */
    static final int MOST = 1_000;
    /** Of each edge. */
    static final int PROPERTIES = 8;

    private static final Label DECISION = Label.label("RelpredDecision");
    private static final Pattern NAME = Pattern.compile("[a-z0-9-]+");

    private final Transaction transaction;
    private final TerminationGuard guard;
    private final Locks locks;
    private final Map<String, Boolean> ownTypes = new LinkedHashMap<>();

    EdgeWriter(Transaction transaction, TerminationGuard guard, Locks locks) {
        this.transaction = transaction;
        this.guard = guard;
        this.locks = locks;
    }

    /**
     * Writes each key once. Left out are triples that hold already, and those that somebody has decided about.
     *
     * @param written told of each answer that was written
     */
    void write(List<Answer> answers, String run, Consumer<Answer> written) {
        var byKey = new LinkedHashMap<String, Answer>();
        answers.forEach(answer -> byKey.putIfAbsent(key(answer.found()), answer));
        // Whoever writes such edges locks both ends first. What is read from here on nobody changes until we have ended.
        locks.take(byKey.values().stream()
                .flatMap(answer -> Stream.of(answer.head(), answer.tail()))
                .toList());
        var there = there(byKey.values());
        locks.take(there.values());
        var at = ZonedDateTime.now(ZoneOffset.UTC);
        byKey.forEach((key, answer) -> {
            guard.check();
            if (!settled(key, answer)) {
                Relationship edge = there.get(key);
                set(edge == null ? created(answer) : edge, answer.found(), run, at);
                written.accept(answer);
            }
        });
    }

    /** The edges that are there, by key. */
    private Map<String, Relationship> there(Collection<Answer> answers) {
        var found = new LinkedHashMap<String, Relationship>();
        for (Answer answer : answers) {
            guard.check();
            requireOwn(answer.found());
            for (Relationship edge : between(answer.head(), answer.tail(), type(answer))) {
                if (answer.found().key().equals(edge.getProperty("key", null))) {
                    requireOwn(edge, answer.found());
                    found.put(answer.found().key(), edge);
                }
            }
        }
        return found;
    }

    /** A type belongs to one model at a time, so any edge of it tells whose it is. */
    private void requireOwn(Prediction found) {
        ownTypes.computeIfAbsent(found.predictedType(), type -> {
            try (var edges = transaction.findRelationships(RelationshipType.withName(type))) {
                edges.stream()
                        .filter(edge -> edge.hasProperty("key") && edge.hasProperty("model") && edge.hasProperty("run"))
                        .findFirst()
                        .ifPresent(edge -> requireOwn(edge, found));
            }
            return true;
        });
    }

    private static void requireOwn(Relationship edge, Prediction found) {
        String owner = name(String.valueOf(edge.getProperty("model", "")));
        if (!owner.equals(name(found.model())) || !edge.hasProperty("run")) {
            throw new IllegalStateException(found.predictedType() + " belongs to "
                    + (owner.isEmpty() ? "somebody else" : "the model '" + owner + "'") + ", not to the model '"
                    + name(found.model()) + "': nothing was written. Ask the service of that model, or let a"
                    + " publication take the type over: relpred publish --take-over.");
        }
    }

    /** The line of models: what stands before a version. */
    private static String name(String model) {
        var found = NAME.matcher(model);
        return found.lookingAt() ? found.group() : model;
    }

    private boolean settled(String key, Answer answer) {
        var real = RelationshipType.withName(answer.found().relation());
        if (!between(answer.head(), answer.tail(), real).isEmpty()) {
            return true;
        }
        try (var decisions = transaction.findNodes(DECISION, "key", key)) {
            return decisions.hasNext();
        }
    }

    /** Looks from the end that has fewer of them. */
    private static List<Relationship> between(Node head, Node tail, RelationshipType type) {
        boolean forth = head.getDegree(type, Direction.OUTGOING) <= tail.getDegree(type, Direction.INCOMING);
        Node here = forth ? head : tail;
        Node there = forth ? tail : head;
        try (var edges = here.getRelationships(forth ? Direction.OUTGOING : Direction.INCOMING, type)) {
            return edges.stream()
                    .filter(edge -> edge.getOtherNode(here).equals(there))
                    .toList();
        }
    }

    private static Relationship created(Answer answer) {
        return answer.head().createRelationshipTo(answer.tail(), type(answer));
    }

    private static void set(Relationship edge, Prediction found, String run, ZonedDateTime at) {
        edge.setProperty("key", found.key());
        edge.setProperty("score", found.score());
        edge.setProperty("probability", found.probability());
        edge.setProperty("rank", found.rank());
        edge.setProperty("evidence", found.evidence() == null ? "" : found.evidence());
        edge.setProperty("model", found.model());
        edge.setProperty("run", run);
        edge.setProperty("predictedAt", at);
    }

    private static RelationshipType type(Answer answer) {
        return RelationshipType.withName(answer.found().predictedType());
    }

    private static String key(Prediction found) {
        if (found.key() == null || found.predictedType() == null || found.model() == null) {
            throw new ServiceException(
                    "unreadable-answer",
                    "The relpred service does not say which edges its answers would be.",
                    "Are the jar and the service of the same version? CALL relpred.health() shows both.");
        }
        return found.key();
    }
}
