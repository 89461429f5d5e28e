package relpred.procedures;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.neo4j.graphdb.Transaction;
import org.neo4j.procedure.Context;
import org.neo4j.procedure.Description;
import org.neo4j.procedure.Mode;
import org.neo4j.procedure.Name;
import org.neo4j.procedure.Procedure;
import org.neo4j.procedure.TerminationGuard;
import relpred.client.Errand;
import relpred.client.RelpredClient;
import relpred.client.SettingsSource;

/** The daemon: how it is, and whether it may work. The service reads and writes its node, like {@link Review}. */
public final class Sync {
    private static final String BY = "by";

    @Context
    public Transaction transaction;

    @Context
    public TerminationGuard guard;

    @Procedure(name = "relpred.sync.status", mode = Mode.READ)
    @Description("Tells how the daemon is, and how far predictions are behind the graph.")
    public Stream<SyncStatusRow> status() {
        return told(Errand.syncStatus());
    }

    @Procedure(name = "relpred.sync.pause", mode = Mode.WRITE)
    @Description("Lets the daemon do nothing, also after a restart, until it is told to resume.")
    public Stream<SyncStatusRow> pause(
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var given = Configuration.of(configuration, List.of(BY));
        return told(Errand.syncPause(
                given.text(BY).or(() -> Caller.name(transaction)).orElse("somebody who was not logged in")));
    }

    @Procedure(name = "relpred.sync.resume", mode = Mode.WRITE)
    @Description("Lets the daemon go on after a pause.")
    public Stream<SyncStatusRow> resume() {
        return told(Errand.syncResume());
    }

    @Procedure(name = "relpred.sync.failures", mode = Mode.READ)
    @Description("Lists the nodes and edges that the last sync left out, the most often tried first.")
    public Stream<SyncFailureRow> failures(
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var given = Configuration.of(configuration, List.of(Configuration.TOP_K));
        return client().syncFailures(Errand.syncFailures(given.topK())).map(SyncFailureRow::new);
    }

    /** The whole answer: the daemon is told whether its row is read or not. */
    private Stream<SyncStatusRow> told(Errand errand) {
        try (var rows = client().sync(errand)) {
            return rows.map(SyncStatusRow::new).toList().stream();
        }
    }

    private RelpredClient client() {
        return new RelpredClient(SettingsSource.ofThisJar().read(), guard::check);
    }
}
