package relpred.client;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** The keys of relpred.conf. Each can also be set by an environment variable, which wins. */
enum Key {
    ADDRESS("service.address", "http://127.0.0.1:7475"),
    TOKEN_FILE("service.token_file", ""),
    CA_FILE("service.ca_file", ""),
    DEADLINE_MS("service.deadline_ms", "10000"),
    CONNECT_MS("service.connect_ms", "2000"),
    MAX_ROWS("service.max_rows", "10000"),
    MAX_BYTES("service.max_bytes", "16777216"),
    MAX_CALLS("service.max_calls", "32"),
    BREAKER_FAILURES("service.breaker_failures", "5"),
    BREAKER_PAUSE_MS("service.breaker_pause_ms", "5000");

    final String key;
    final String fallback;

    Key(String key, String fallback) {
        this.key = key;
        this.fallback = fallback;
    }

    /** The environment variable: RELPRED_SERVICE_ADDRESS for service.address. */
    String variable() {
        return "RELPRED_" + key.replace('.', '_').toUpperCase(Locale.ROOT);
    }

    static List<String> names() {
        return Arrays.stream(values()).map(one -> one.key).toList();
    }
}
