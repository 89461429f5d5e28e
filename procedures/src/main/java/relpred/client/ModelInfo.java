package relpred.client;

import java.time.ZonedDateTime;
import java.util.Map;

/**
 * One version of the model.
 *
 * @param figures of its report
 * @param training what it was trained with
 */
public record ModelInfo(
        String model,
        long version,
        boolean live,
        ZonedDateTime trainedAt,
        Map<String, Object> figures,
        Map<String, Object> training) {
    static ModelInfo of(Map<String, Object> row) {
        return new ModelInfo(
                Json.text(row, "model"),
                Json.whole(row, "version"),
                Json.flag(row, "live"),
                Json.timeOrNull(row, "trained_at"),
                Json.object(row, "figures"),
                Json.object(row, "training"));
    }
}
