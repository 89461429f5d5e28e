package relpred.procedures;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.neo4j.graphdb.Node;
import relpred.client.Prediction;
import relpred.client.Question;

/**
 * What one call asks.
 *
 * @param nodes those that it asks about; none where what is asked cannot be told in other words
 * @param keys the keys that its configuration may have
 * @param answer finds the nodes of what the service found; gives null where one is gone
 */
record Asked(Question question, List<Node> nodes, List<String> keys, Function<Prediction, Answer> answer) {
    /** What procedures of GDS take, and who comes from there gives by habit. */
    private static final Map<String, String> HABITS = Map.of(
            "concurrency", "The service decides on how many cores it works: training.threads in its settings.",
            "writeConcurrency", "A call writes in the transaction of its caller, which is one thread.",
            "jobId", "A call is no job: it ends with its query, and SHOW TRANSACTIONS shows it while it runs.",
            "logProgress", "A call is too short for it.",
            "topN", "topK is how many answers each question has.");

    /** The configuration, where it has no other keys. */
    Configuration configured(Map<String, Object> configuration) {
        for (String key : configuration == null ? Set.<String>of() : configuration.keySet()) {
            if (HABITS.containsKey(key)) {
                throw new IllegalArgumentException(
                        "The configuration has the key " + key + ", which means nothing here. " + HABITS.get(key));
            }
        }
        return Configuration.of(configuration, keys);
    }
}
