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

/** The questions, whose answers are written as predicted edges in the transaction of the caller. */
public final class PredictWrite {
    @Context
    public Transaction transaction;

    @Context
    public TerminationGuard guard;

    @Context
    public Log log;

    @Procedure(name = "relpred.predict.relations.write", mode = Mode.WRITE)
    @Description("Writes the relationship types that may hold from the head node to the tail node as predicted edges.")
    public Stream<WriteRow> relations(
            @Name("head") Node head,
            @Name("tail") Node tail,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return write(predicting().relations(head, tail), configuration);
    }

    @Procedure(name = "relpred.predict.tails.write", mode = Mode.WRITE)
    @Description("Writes predicted edges from the head node, or each of a list of them, to what it may be related to by a type.")
    public Stream<WriteRow> tails(
            @Name("head") Object head,
            @Name("relation") String relation,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return write(predicting().tails(head, relation), configuration);
    }

    @Procedure(name = "relpred.predict.heads.write", mode = Mode.WRITE)
    @Description("Writes predicted edges to the tail node, or each of a list of them, from what may be related to it by a type.")
    public Stream<WriteRow> heads(
            @Name("tail") Object tail,
            @Name("relation") String relation,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return write(predicting().heads(tail, relation), configuration);
    }

    @Procedure(name = "relpred.predict.triples.write", mode = Mode.WRITE)
    @Description("Writes given triples as predicted edges, but for those that are relationships already.")
    public Stream<WriteRow> triples(
            @Name("triples") List<Object> triples,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return write(predicting().triples(triples), configuration);
    }

    private Stream<WriteRow> write(Asked asked, Map<String, Object> configuration) {
        var watch = new Watch();
        var given = asked.configured(configuration);
        var predicting = predicting();
        var budget = predicting.client().budget(given.timeout());
        var writer = new EdgeWriter(transaction, guard, new Locks(transaction, budget));
        long preparing = watch.lap();
        List<Answer> answers = writable(predicting.answers(asked, given));
        long computing = watch.lap();
        var distribution = new Distribution();
        String run = CallId.next();
        writer.write(answers, run, answer -> distribution.add(answer.found().probability()));
        return Stream.of(new WriteRow(
                distribution, new WriteRow.Millis(preparing, computing, watch.lap()), given.inForce(), run));
    }

    /** All of them, or an error before anything is written. */
    private static List<Answer> writable(Stream<Answer> answers) {
        try (answers) {
            var found = answers.limit(EdgeWriter.MOST + 1L).toList();
            if (found.size() > EdgeWriter.MOST) {
                throw new IllegalArgumentException("There are more than " + EdgeWriter.MOST + " answers, and a call"
                        + " writes at most so many: nothing was written. Ask for less (topK, threshold, fewer nodes)."
                        + " More is written by a publication: relpred publish.");
            }
            return found;
        }
    }

    private Predicting predicting() {
        return new Predicting(transaction, guard, log);
    }
}
