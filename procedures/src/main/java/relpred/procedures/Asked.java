package relpred.procedures;

import java.util.List;
import java.util.Map;
import java.util.function.Function;
import relpred.client.Prediction;
import relpred.client.Question;

/**
 * What one call asks.
 *
 * @param keys the keys that its configuration may have
 * @param answer finds the nodes of what the service found; gives null where one is gone
 */
record Asked(Question question, List<String> keys, Function<Prediction, Answer> answer) {
    Configuration configured(Map<String, Object> configuration) {
        return Configuration.of(configuration, keys);
    }
}
