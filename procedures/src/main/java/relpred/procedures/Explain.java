package relpred.procedures;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.neo4j.graphdb.Node;
import org.neo4j.graphdb.NotFoundException;
import org.neo4j.graphdb.Transaction;
import org.neo4j.procedure.Context;
import org.neo4j.procedure.Description;
import org.neo4j.procedure.Mode;
import org.neo4j.procedure.Name;
import org.neo4j.procedure.Procedure;
import org.neo4j.procedure.TerminationGuard;
import relpred.client.Clue;
import relpred.client.Errand;
import relpred.client.RelpredClient;
import relpred.client.SettingsSource;
import relpred.client.TripleName;
import relpred.client.TripleName.End;

/** Why a triple is scored as it is. */
public final class Explain {
    private static final List<String> EXPLAINING = List.of(Configuration.TIMEOUT);

    @Context
    public Transaction transaction;

    @Context
    public TerminationGuard guard;

    @Procedure(name = "relpred.explain", mode = Mode.READ)
    @Description("Tells why a triple is scored as it is: the share of each kind of evidence, and the rules that fired.")
    public Stream<EvidenceRow> explain(
            @Name("head") Node head,
            @Name("relation") String relation,
            @Name("tail") Node tail,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var given = Configuration.of(configuration, EXPLAINING);
        var triple = new TripleName(
                end("head", head), Arguments.given("relation", relation), end("tail", tail), Optional.empty());
        var client = new RelpredClient(SettingsSource.ofThisJar().read(), guard::check);
        return client.explain(Errand.explain(triple), given.timeout()).flatMap(clue -> row(clue).stream());
    }

    /**
     * What the caller may see of it. The words and the pattern of a rule tell of nodes, so a rule none of whose paths
     * the caller may see is not told at all.
     */
    private Optional<EvidenceRow> row(Clue clue) {
        var seen = new ArrayList<List<Node>>();
        for (List<String> path : clue.bindings()) {
            nodes(path).ifPresent(seen::add);
        }
        return seen.isEmpty() && clue.pattern() != null ? Optional.empty() : Optional.of(new EvidenceRow(clue, seen));
    }

    /** The nodes of a path; empty when one was deleted since the service saw it, or may not be seen here. */
    private Optional<List<Node>> nodes(List<String> elementIds) {
        try {
            return Optional.of(
                    elementIds.stream().map(transaction::getNodeByElementId).toList());
        } catch (NotFoundException | IllegalArgumentException gone) {
            return Optional.empty();
        }
    }

    private static End end(String argument, Node node) {
        return End.element(Arguments.given(argument, node).getElementId());
    }
}
