package relpred.procedures;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import relpred.client.Limits;
import relpred.client.Words;

/** The map that every predicting procedure takes last. A key that it does not know is refused, never passed over. */
final class Configuration {
    private static final String TOP_K = "topK";
    private static final String THRESHOLD = "threshold";
    private static final String TIMEOUT = "timeoutMillis";
    private static final List<String> KEYS = List.of(TOP_K, THRESHOLD, TIMEOUT);

    private Configuration() {}

    static Limits limits(Map<String, Object> configuration) {
        if (configuration == null) {
            throw new IllegalArgumentException(
                    "The configuration is null. Leave it out, or give a map such as {topK: 5}.");
        }
        for (String key : configuration.keySet()) {
            if (!KEYS.contains(key)) {
                throw new IllegalArgumentException(
                        "The configuration has the unknown key " + key + ". " + Words.didYouMean(key, KEYS));
            }
        }
        Optional<Duration> timeout = Optional.empty();
        if (configuration.containsKey(TIMEOUT)) {
            timeout = Optional.of(Duration.ofMillis(positive(TIMEOUT, configuration.get(TIMEOUT))));
        }
        return new Limits(
                positive(TOP_K, configuration.getOrDefault(TOP_K, 10L)),
                probability(THRESHOLD, configuration.getOrDefault(THRESHOLD, 0.0)),
                timeout);
    }

    private static long positive(String key, Object value) {
        if (value instanceof Long whole && whole > 0) {
            return whole;
        }
        throw new IllegalArgumentException(
                "The configuration has " + key + ": " + value + ". It must be a whole number from 1.");
    }

    private static double probability(String key, Object value) {
        if (value instanceof Number number && number.doubleValue() >= 0 && number.doubleValue() <= 1) {
            return number.doubleValue();
        }
        throw new IllegalArgumentException(
                "The configuration has " + key + ": " + value + ". It must be a number from 0 to 1.");
    }
}
