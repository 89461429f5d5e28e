package relpred.client;

import java.util.Map;

/**
 * A setting of the service.
 *
 * @param value a string, number, truth value, list or map; null when it is unset
 */
public record Setting(String key, Object value) {
    static Setting of(Map<String, Object> row) {
        return new Setting(Json.text(row, "key"), Json.any(row, "value"));
    }
}
