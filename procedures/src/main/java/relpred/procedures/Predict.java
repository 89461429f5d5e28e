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

/** The questions, answered row by row. */
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
        return stream(predicting().relations(head, tail), configuration);
    }

    @Procedure(name = "relpred.predict.tails.stream", mode = Mode.READ)
    @Description("Ranks the nodes that the head node, or each of a list of them, may be related to by a type.")
    public Stream<PredictionRow> tails(
            @Name("head") Object head,
            @Name("relation") String relation,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return stream(predicting().tails(head, relation), configuration);
    }

    @Procedure(name = "relpred.predict.heads.stream", mode = Mode.READ)
    @Description("Ranks the nodes that may be related to the tail node, or to each of a list of them, by a type.")
    public Stream<PredictionRow> heads(
            @Name("tail") Object tail,
            @Name("relation") String relation,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return stream(predicting().heads(tail, relation), configuration);
    }

    @Procedure(name = "relpred.predict.triples.stream", mode = Mode.READ)
    @Description("Judges given triples, or relationships that are there, in the order given.")
    public Stream<PredictionRow> triples(
            @Name("triples") List<Object> triples,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return stream(predicting().triples(triples), configuration);
    }

    private Stream<PredictionRow> stream(Asked asked, Map<String, Object> configuration) {
        return predicting().answers(asked, asked.configured(configuration)).map(PredictionRow::new);
    }

    private Predicting predicting() {
        return new Predicting(transaction, guard, log);
    }
}
