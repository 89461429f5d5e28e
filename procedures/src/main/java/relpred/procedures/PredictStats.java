package relpred.procedures;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.neo4j.graphdb.Node;
import org.neo4j.graphdb.Transaction;
import org.neo4j.logging.Log;
import org.neo4j.procedure.Context;
import org.neo4j.procedure.Description;
import org.neo4j.procedure.Mode;
import org.neo4j.procedure.Name;
import org.neo4j.procedure.Procedure;
import org.neo4j.procedure.TerminationGuard;

/** The questions, answered by how many answers there are and how probable they are. */
public final class PredictStats {
    @Context
    public Transaction transaction;

    @Context
    public TerminationGuard guard;

    @Context
    public Log log;

    @Procedure(name = "relpred.predict.relations.stats", mode = Mode.READ)
    @Description("Counts the relationship types that may hold from the head node to the tail node, and their probabilities.")
    public Stream<StatsRow> relations(
            @Name("head") Node head,
            @Name("tail") Node tail,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return stats(predicting().relations(head, tail), configuration);
    }

    @Procedure(name = "relpred.predict.tails.stats", mode = Mode.READ)
    @Description("Counts the nodes that the head node, or each of a list of them, may be related to, and their probabilities.")
    public Stream<StatsRow> tails(
            @Name("head") Object head,
            @Name("relation") String relation,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return stats(predicting().tails(head, relation), configuration);
    }

    @Procedure(name = "relpred.predict.heads.stats", mode = Mode.READ)
    @Description("Counts the nodes that may be related to the tail node, or to each of a list, and their probabilities.")
    public Stream<StatsRow> heads(
            @Name("tail") Object tail,
            @Name("relation") String relation,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return stats(predicting().heads(tail, relation), configuration);
    }

    @Procedure(name = "relpred.predict.triples.stats", mode = Mode.READ)
    @Description("Counts the given triples that reach the threshold, and their probabilities.")
    public Stream<StatsRow> triples(
            @Name("triples") List<Object> triples,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return stats(predicting().triples(triples), configuration);
    }

    private Stream<StatsRow> stats(Asked asked, Map<String, Object> configuration) {
        var given = asked.configured(configuration);
        var watch = new Watch();
        var distribution = new Distribution();
        try (var answers = predicting().answers(asked, given)) {
            answers.forEach(answer -> distribution.add(answer.found().probability()));
        }
        return Stream.of(new StatsRow(distribution, watch.lap(), given.inForce()));
    }

    private Predicting predicting() {
        return new Predicting(transaction, guard, log);
    }
}
