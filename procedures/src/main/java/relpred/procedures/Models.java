package relpred.procedures;

import java.util.stream.Stream;
import org.neo4j.procedure.Admin;
import org.neo4j.procedure.Context;
import org.neo4j.procedure.Description;
import org.neo4j.procedure.Mode;
import org.neo4j.procedure.Name;
import org.neo4j.procedure.Procedure;
import org.neo4j.procedure.TerminationGuard;
import relpred.client.Errand;
import relpred.client.RelpredClient;
import relpred.client.SettingsSource;

/** The versions of the model, and which of them answers. They are files of the service; the graph is not touched. */
public final class Models {
    @Context
    public TerminationGuard guard;

    @Procedure(name = "relpred.model.list", mode = Mode.READ)
    @Description("Lists the versions of the model, the oldest first.")
    public Stream<ModelRow> list() {
        return client().models(Errand.modelList()).map(ModelRow::new);
    }

    @Procedure(name = "relpred.model.exists", mode = Mode.READ)
    @Description("Tells whether the service has a model of this name, or this version of it (name@version).")
    public Stream<ExistsRow> exists(@Name("modelName") String modelName) {
        String wanted = Arguments.given("modelName", modelName);
        try (var models = client().models(Errand.modelList())) {
            boolean there = models.anyMatch(
                    one -> wanted.equals(one.model()) || wanted.equals(one.model() + "@" + one.version()));
            return Stream.of(new ExistsRow(wanted, there));
        }
    }

    @Admin
    @Procedure(name = "relpred.model.deploy", mode = Mode.READ)
    @Description("Makes a version of the model the live one.")
    public Stream<ModelRow> deploy(@Name("version") Long version) {
        return whole(Errand.promote(Arguments.given("version", version)));
    }

    @Admin
    @Procedure(name = "relpred.model.rollback", mode = Mode.READ)
    @Description("Makes the version live again that was so before this one.")
    public Stream<ModelRow> rollback() {
        return whole(Errand.rollback());
    }

    @Admin
    @Procedure(name = "relpred.model.drop", mode = Mode.READ)
    @Description("Removes a version of the model for good.")
    public Stream<ModelRow> drop(@Name("version") Long version) {
        return whole(Errand.drop(Arguments.given("version", version)));
    }

    /** All rows at once: what was asked for is done whether they are read or not. */
    private Stream<ModelRow> whole(Errand errand) {
        try (var rows = client().models(errand)) {
            return rows.map(ModelRow::new).toList().stream();
        }
    }

    private RelpredClient client() {
        return new RelpredClient(SettingsSource.ofThisJar().read(), guard::check);
    }
}
