package relpred.procedures;

import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.neo4j.graphdb.Node;
import org.neo4j.graphdb.NotFoundException;
import org.neo4j.graphdb.Transaction;
import org.neo4j.logging.Log;
import org.neo4j.procedure.Context;
import org.neo4j.procedure.Description;
import org.neo4j.procedure.Mode;
import org.neo4j.procedure.Name;
import org.neo4j.procedure.Procedure;
import org.neo4j.procedure.TerminationGuard;
import relpred.client.Prediction;
import relpred.client.Question;
import relpred.client.RelpredClient;
import relpred.client.SettingsSource;

/** The questions: a triple with one part left out. */
public final class Predict {
    @Context
    public Transaction transaction;

    @Context
    public TerminationGuard guard;

    @Context
    public Log log;

    @Procedure(name = "relpred.predict.relations.stream", mode = Mode.READ)
    @Description("Ranks the relationship types that may hold from the head node to the tail node.")
    public Stream<PredictionRow> relations(
            @Name("head") Node head,
            @Name("tail") Node tail,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var question = Question.relations(elementId("head", head), elementId("tail", tail));
        return rows(question, configuration, found -> new PredictionRow(head, tail, found));
    }

    @Procedure(name = "relpred.predict.tails.stream", mode = Mode.READ)
    @Description("Ranks the nodes that the head node, or each of a list of them, may be related to by a type.")
    public Stream<PredictionRow> tails(
            @Name("head") Object head,
            @Name("relation") String relation,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        Arguments.given("relation", relation);
        var heads = Arguments.nodes("head", head);
        Function<Prediction, PredictionRow> row = found -> {
            Node tail = node(found.tail());
            return tail == null ? null : new PredictionRow(asked(heads, found.head()), tail, found);
        };
        if (Arguments.several(head)) {
            return aboutEach(heads, ids -> Question.tails(ids, relation), configuration, row);
        }
        return rows(Question.tails(heads.keySet().iterator().next(), relation), configuration, row);
    }

    @Procedure(name = "relpred.predict.heads.stream", mode = Mode.READ)
    @Description("Ranks the nodes that may be related to the tail node, or to each of a list of them, by a type.")
    public Stream<PredictionRow> heads(
            @Name("tail") Object tail,
            @Name("relation") String relation,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        Arguments.given("relation", relation);
        var tails = Arguments.nodes("tail", tail);
        Function<Prediction, PredictionRow> row = found -> {
            Node head = node(found.head());
            return head == null ? null : new PredictionRow(head, asked(tails, found.tail()), found);
        };
        if (Arguments.several(tail)) {
            return aboutEach(tails, ids -> Question.heads(relation, ids), configuration, row);
        }
        return rows(Question.heads(relation, tails.keySet().iterator().next()), configuration, row);
    }

    /** Nothing is asked about no node. */
    private Stream<PredictionRow> aboutEach(
            Map<String, Node> nodes,
            Function<List<String>, Question> question,
            Map<String, Object> configuration,
            Function<Prediction, PredictionRow> row) {
        var ids = List.copyOf(nodes.keySet());
        return ids.isEmpty() ? Stream.empty() : rows(question.apply(ids), configuration, row);
    }

    /** The one node that was asked about; of several, the one that the service names. */
    private Node asked(Map<String, Node> nodes, String elementId) {
        if (nodes.size() == 1) {
            return nodes.values().iterator().next();
        }
        Node known = nodes.get(elementId);
        return known == null ? node(elementId) : known;
    }

    private Stream<PredictionRow> rows(
            Question question, Map<String, Object> configuration, Function<Prediction, PredictionRow> row) {
        var limits = Configuration.of(configuration, Configuration.LIMITS).limits();
        var client = new RelpredClient(SettingsSource.ofThisJar().read(), guard::check);
        return client.ask(question, limits).map(row).filter(found -> found != null);
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
