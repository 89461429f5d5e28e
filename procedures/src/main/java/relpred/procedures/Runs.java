package relpred.procedures;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.neo4j.procedure.Context;
import org.neo4j.procedure.Description;
import org.neo4j.procedure.Mode;
import org.neo4j.procedure.Name;
import org.neo4j.procedure.Procedure;
import org.neo4j.procedure.TerminationGuard;
import relpred.client.Errand;
import relpred.client.RelpredClient;
import relpred.client.SettingsSource;

/** The ledger of publications. The service undoes in transactions of its own, like {@link Review}. */
public final class Runs {
    private static final String DRY_RUN = "dryRun";
    private static final List<String> LISTING = List.of(Configuration.TOP_K, Configuration.TIMEOUT);
    private static final List<String> UNDOING = List.of(DRY_RUN, Configuration.TIMEOUT);

    @Context
    public TerminationGuard guard;

    @Procedure(name = "relpred.run.list", mode = Mode.READ)
    @Description("Lists the publications, the newest first.")
    public Stream<RunRow> list(@Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var given = Configuration.of(configuration, LISTING);
        RelpredClient client = client();
        client.checkTopK(given.topK());
        return client.runs(Errand.runList(given.topK()), given.timeout()).map(RunRow::new);
    }

    @Procedure(name = "relpred.run.undo", mode = Mode.WRITE)
    @Description("Puts back what stood in the graph before a run.")
    public Stream<UndoRow> undo(
            @Name("run") String run,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var given = Configuration.of(configuration, UNDOING);
        var errand = Errand.undo(Arguments.given("run", run), given.flag(DRY_RUN));
        try (var rows = client().undo(errand, given.timeout())) {
            return rows.map(UndoRow::new).toList().stream();
        }
    }

    private RelpredClient client() {
        return new RelpredClient(SettingsSource.ofThisJar().read(), guard::check);
    }
}
