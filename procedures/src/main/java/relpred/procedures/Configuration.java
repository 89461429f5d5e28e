package relpred.procedures;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import relpred.client.Limits;
import relpred.client.Words;

/** The map that every procedure takes last. A key that a procedure does not know is refused, never passed over. */
final class Configuration {
    static final String TOP_K = "topK";
    static final String THRESHOLD = "threshold";
    static final String TIMEOUT = "timeoutMillis";
    /** What the predicting procedures know. */
    static final List<String> LIMITS = List.of(TOP_K, THRESHOLD, TIMEOUT);

    private final Map<String, Object> values;

    private Configuration(Map<String, Object> values) {
        this.values = values;
    }

    static Configuration of(Map<String, Object> values, List<String> known) {
        if (values == null) {
            throw new IllegalArgumentException(
                    "The configuration is null. Leave it out, or give a map such as {" + known.get(0) + ": ...}.");
        }
        for (String key : values.keySet()) {
            if (!known.contains(key)) {
                throw new IllegalArgumentException(
                        "The configuration has the unknown key " + key + ". " + Words.didYouMean(key, known));
            }
        }
        return new Configuration(values);
    }

    Limits limits() {
        return new Limits(topK(), threshold(), timeout());
    }

    long topK() {
        return positive(TOP_K, values.getOrDefault(TOP_K, 10L));
    }

    double threshold() {
        Object value = values.getOrDefault(THRESHOLD, 0.0);
        if (value instanceof Number number && number.doubleValue() >= 0 && number.doubleValue() <= 1) {
            return number.doubleValue();
        }
        throw refused(THRESHOLD, value, "a number from 0 to 1");
    }

    Optional<Duration> timeout() {
        return values.containsKey(TIMEOUT)
                ? Optional.of(Duration.ofMillis(positive(TIMEOUT, values.get(TIMEOUT))))
                : Optional.empty();
    }

    /** A string; empty when the key is left out or null. */
    Optional<String> text(String key) {
        Object value = values.get(key);
        if (value != null && !(value instanceof String)) {
            throw refused(key, value, "a string");
        }
        return Optional.ofNullable((String) value);
    }

    boolean flag(String key) {
        Object value = values.getOrDefault(key, false);
        if (value instanceof Boolean flag) {
            return flag;
        }
        throw refused(key, value, "true or false");
    }

    /** What was given of some keys, by other names; the service says what it makes of the values. */
    Map<String, Object> renamed(Map<String, String> names) {
        var found = new LinkedHashMap<String, Object>();
        names.forEach((key, name) -> {
            if (values.get(key) != null) {
                found.put(name, values.get(key));
            }
        });
        return found;
    }

    private static long positive(String key, Object value) {
        if (value instanceof Long whole && whole > 0) {
            return whole;
        }
        throw refused(key, value, "a whole number from 1");
    }

    private static IllegalArgumentException refused(String key, Object value, String kind) {
        return new IllegalArgumentException(
                "The configuration has " + key + ": " + value + ". It must be " + kind + ".");
    }
}
