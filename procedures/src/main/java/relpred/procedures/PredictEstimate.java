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

/** The questions, answered by what they would cost. */
public final class PredictEstimate {
    @Context
    public Transaction transaction;

    @Context
    public TerminationGuard guard;

    @Context
    public Log log;

    @Procedure(name = "relpred.predict.relations.estimate", mode = Mode.READ)
    @Description("Tells what ranking the relationship types between two nodes would cost, and asks nothing.")
    public Stream<EstimateRow> relations(
            @Name("head") Node head,
            @Name("tail") Node tail,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return estimate(predicting().relations(head, tail), configuration);
    }

    @Procedure(name = "relpred.predict.tails.estimate", mode = Mode.READ)
    @Description("Tells what ranking the tails of the head node, or of each of a list, would cost, and asks nothing.")
    public Stream<EstimateRow> tails(
            @Name("head") Object head,
            @Name("relation") String relation,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return estimate(predicting().tails(head, relation), configuration);
    }

    @Procedure(name = "relpred.predict.heads.estimate", mode = Mode.READ)
    @Description("Tells what ranking the heads of the tail node, or of each of a list, would cost, and asks nothing.")
    public Stream<EstimateRow> heads(
            @Name("tail") Object tail,
            @Name("relation") String relation,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return estimate(predicting().heads(tail, relation), configuration);
    }

    @Procedure(name = "relpred.predict.triples.estimate", mode = Mode.READ)
    @Description("Tells what judging the given triples would cost, and asks nothing.")
    public Stream<EstimateRow> triples(
            @Name("triples") List<Object> triples,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return estimate(predicting().triples(triples), configuration);
    }

    private Stream<EstimateRow> estimate(Asked asked, Map<String, Object> configuration) {
        var limits = asked.configured(configuration).limits();
        return predicting().client().estimate(asked.question(), limits).map(EstimateRow::new);
    }

    private Predicting predicting() {
        return new Predicting(transaction, guard, log);
    }
}
