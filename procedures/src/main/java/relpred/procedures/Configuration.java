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
    static final String MODEL = "modelName";
    /** What the predicting procedures know. */
    static final List<String> LIMITS = List.of(TOP_K, THRESHOLD, TIMEOUT, MODEL);
    /** What those know that judge given triples: each of them has its row. */
    static final List<String> JUDGING = List.of(THRESHOLD, TIMEOUT, MODEL);

    private final Map<String, Object> values;
    private final List<String> known;

    private Configuration(Map<String, Object> values, List<String> known) {
        this.values = values;
        this.known = known;
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
        return new Configuration(values, known);
    }

    /** What is in force: what was given, and the defaults of the rest. */
    Map<String, Object> inForce() {
        var all = new LinkedHashMap<String, Object>();
        if (known.contains(TOP_K)) {
            all.put(TOP_K, topK());
        }
        all.put(THRESHOLD, threshold());
        all.putAll(values);
        return all;
    }

    Limits limits() {
        return new Limits(topK(), threshold(), timeout(), text(MODEL));
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
