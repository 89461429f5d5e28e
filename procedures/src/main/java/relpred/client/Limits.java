package relpred.client;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/**
 * How much of an answer is wanted, and of which model.
 *
 * @param timeout how long the caller wants to wait at most; the settings may allow less
 * @param model the model that is to answer, by its name or with its version; any when empty
 */
public record Limits(long topK, double minProbability, Optional<Duration> timeout, Optional<String> model) {
    void nameModel(Map<String, Object> body) {
        model.ifPresent(name -> body.put("model", name));
    }
}
