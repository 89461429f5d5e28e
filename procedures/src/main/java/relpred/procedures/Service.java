package relpred.procedures;

import java.util.stream.Stream;
import org.neo4j.procedure.Context;
import org.neo4j.procedure.Description;
import org.neo4j.procedure.Mode;
import org.neo4j.procedure.Procedure;
import org.neo4j.procedure.TerminationGuard;
import org.neo4j.procedure.UserFunction;
import relpred.client.Errand;
import relpred.client.Health;
import relpred.client.RelpredClient;
import relpred.client.ServiceException;
import relpred.client.ServiceSettings;
import relpred.client.SettingsSource;
import relpred.client.Version;

/** What this installation is, and whether it works. */
public final class Service {
    @Context
    public TerminationGuard guard;

    @UserFunction(name = "relpred.version")
    @Description("Gives the version of the relpred procedures on this server.")
    public String version() {
        return Version.JAR;
    }

    @Procedure(name = "relpred.config.show", mode = Mode.READ)
    @Description("Lists the settings of the service, but no secret.")
    public Stream<SettingRow> settings() {
        var client = new RelpredClient(SettingsSource.ofThisJar().read(), guard::check);
        return client.settings(Errand.settings()).map(SettingRow::new);
    }

    @Procedure(name = "relpred.health", mode = Mode.READ)
    @Description("Tells whether the relpred service answers, and which version and model it has.")
    public Stream<HealthRow> health() {
        ServiceSettings settings = SettingsSource.ofThisJar().read();
        String address = settings.address().toString();
        try {
            Health health = new RelpredClient(settings, guard::check).health();
            boolean sameWire = health.wire() == Version.WIRE;
            String status = sameWire ? health.status() : "incompatible";
            String message = sameWire
                    ? ""
                    : Version.mismatch(Long.toString(health.wire())).getMessage();
            return Stream.of(new HealthRow(status, health.version(), health.model(), health.wire(), address, message));
        } catch (ServiceException error) {
            // The one place where an error is a row: to tell of it is what this procedure is for.
            return Stream.of(new HealthRow("down", null, null, null, address, error.getMessage()));
        }
    }
}
