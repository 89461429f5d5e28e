package relpred.procedures;

import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.neo4j.graphdb.Node;
import org.neo4j.graphdb.NotFoundException;
import org.neo4j.graphdb.Transaction;
import org.neo4j.logging.Log;
import org.neo4j.procedure.TerminationGuard;
import relpred.client.Limits;
import relpred.client.Prediction;
import relpred.client.Question;
import relpred.client.RelpredClient;
import relpred.client.ServiceException;
import relpred.client.SettingsSource;

/** What the predicting procedures share: arguments become a question, and what the service finds becomes nodes. */
final class Predicting {
    private static final String UNKNOWN = "unknown-entity";
    private static final int MOST_DESCRIBED = 100;

    private final Transaction transaction;
    private final TerminationGuard guard;
    private final Log log;

    Predicting(Transaction transaction, TerminationGuard guard, Log log) {
        this.transaction = transaction;
        this.guard = guard;
        this.log = log;
    }

    Asked relations(Node head, Node tail) {
        var question = Question.relations(elementId("head", head), elementId("tail", tail));
        return new Asked(
                question, List.of(head, tail), Configuration.LIMITS, found -> new Answer(head, tail, found));
    }

    Asked tails(Object head, String relation) {
        Arguments.given("relation", relation);
        var heads = Arguments.nodes("head", head);
        var ids = List.copyOf(heads.keySet());
        var question =
                Arguments.several(head) ? Question.tails(ids, relation) : Question.tails(ids.get(0), relation);
        return new Asked(question, List.copyOf(heads.values()), Configuration.LIMITS, found -> {
            Node tail = node(found.tail());
            return tail == null ? null : new Answer(asked(heads, found.head()), tail, found);
        });
    }

    Asked heads(Object tail, String relation) {
        Arguments.given("relation", relation);
        var tails = Arguments.nodes("tail", tail);
        var ids = List.copyOf(tails.keySet());
        var question =
                Arguments.several(tail) ? Question.heads(relation, ids) : Question.heads(relation, ids.get(0));
        return new Asked(question, List.copyOf(tails.values()), Configuration.LIMITS, found -> {
            Node head = node(found.head());
            return head == null ? null : new Answer(head, asked(tails, found.tail()), found);
        });
    }

    /** The answers come in the order of the triples, so that their nodes need not be looked up. */
    Asked triples(List<Object> given) {
        var triples = Arguments.triples(given);
        var names = triples.stream().map(Arguments.Given::name).toList();
        Iterator<Arguments.Given> next = triples.iterator();
        return new Asked(Question.triples(names), List.of(), Configuration.JUDGING, found -> {
            if (!next.hasNext()) {
                throw new ServiceException(
                        "unreadable-answer", "The relpred service answered more triples than were asked.", "");
            }
            var one = next.next();
            return new Answer(one.head(), one.tail(), found);
        });
    }

    /** The answers that reach the threshold, as they arrive. Nothing is asked about no node. */
    Stream<Answer> answers(Asked asked, Configuration given) {
        var limits = given.limits();
        if (asked.question().number() == 0) {
            return Stream.empty();
        }
        return told(asked, limits)
                .map(asked.answer())
                .filter(answer -> answer != null && answer.found().probability() >= limits.minProbability());
    }

    /**
     * What the service finds. It cannot see what this transaction has not committed: a node that it does not know is
     * described to it, and it is asked once more.
     */
    private Stream<Prediction> told(Asked asked, Limits limits) {
        var client = client();
        var question = asked.question().seeing(Keys.of(asked.nodes(), client.keyProperties()));
        try {
            return client.ask(question, limits);
        } catch (ServiceException error) {
            int nodes = asked.nodes().size();
            if (!error.code().equals(UNKNOWN) || nodes == 0 || nodes > MOST_DESCRIBED) {
                throw error;
            }
            var described = asked.nodes().stream().map(Descriptions::of).toList();
            return client.ask(asked.question().describing(described), limits);
        }
    }

    RelpredClient client() {
        return new RelpredClient(SettingsSource.ofThisJar().read(), guard::check);
    }

    /** The one node that was asked about; of several, the one that the service names. */
    private Node asked(Map<String, Node> nodes, String elementId) {
        if (nodes.size() == 1) {
            return nodes.values().iterator().next();
        }
        Node known = nodes.get(elementId);
        return known == null ? node(elementId) : known;
    }

    /** The node of this element id; null when it was deleted since the service saw it, or may not be seen here. */
    private Node node(String elementId) {
        try {
            return transaction.getNodeByElementId(elementId);
        } catch (NotFoundException | IllegalArgumentException gone) {
            log.debug("An answer is left out: its node is not in this database any more.");
            return null;
        }
    }

    private static String elementId(String argument, Node node) {
        return Arguments.given(argument, node).getElementId();
    }
}
