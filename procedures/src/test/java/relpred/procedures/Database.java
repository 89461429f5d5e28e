package relpred.procedures;

import java.util.List;
import java.util.Map;
import org.neo4j.configuration.connectors.BoltConnector;
import org.neo4j.graphdb.GraphDatabaseService;
import org.neo4j.harness.Neo4j;
import org.neo4j.harness.Neo4jBuilders;

/** One database with all procedures for all tests, since starting it takes longer than they do. */
final class Database {
    static final GraphDatabaseService OURS = start();

    private Database() {}

    private static GraphDatabaseService start() {
        Neo4j neo4j = Neo4jBuilders.newInProcessBuilder()
                .withDisabledServer()
                .withConfig(BoltConnector.enabled, false) // nobody connects, and stopping it takes ten seconds
                .withProcedure(Explain.class)
                .withProcedure(Jobs.class)
                .withProcedure(Models.class)
                .withProcedure(Predict.class)
                .withProcedure(PredictEstimate.class)
                .withProcedure(PredictStats.class)
                .withProcedure(PredictWrite.class)
                .withProcedure(Review.class)
                .withProcedure(Runs.class)
                .withProcedure(Service.class)
                .withProcedure(Sync.class)
                .withFunction(Service.class)
                .build();
        Runtime.getRuntime().addShutdownHook(new Thread(neo4j::close));
        return neo4j.defaultDatabaseService();
    }

    static List<Map<String, Object>> run(String query) {
        return OURS.executeTransactionally(
                query, Map.of(), result -> result.stream().toList());
    }
}
