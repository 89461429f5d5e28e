package relpred.client;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Asks as a procedure does, by settings that a test may change between two calls. */
final class Asking {
    static final Question QUESTION = Question.relations("4:a:1", "4:a:2");
    static final String ROW = Stub.row("4:a:1", "KNOWS", "4:a:2", 1);

    private final Map<String, String> environment = new HashMap<>();
    private Runnable stillWanted = () -> {};
    private Optional<Duration> timeout = Optional.empty();

    Asking(String address) {
        with("ADDRESS", address).with("BREAKER_FAILURES", "0");
    }

    /** Sets a key of the service's section. */
    Asking with(String key, Object value) {
        environment.put("RELPRED_SERVICE_" + key, value.toString());
        return this;
    }

    Asking until(Runnable check) {
        stillWanted = check;
        return this;
    }

    Asking within(Duration given) {
        timeout = Optional.of(given);
        return this;
    }

    private ServiceSettings settings() {
        return new SettingsSource(environment, Optional.empty()).read();
    }

    Duration deadline() {
        return settings().deadline();
    }

    RelpredClient client() {
        return new RelpredClient(settings(), stillWanted);
    }

    Limits limits() {
        return new Limits(10, 0, timeout);
    }

    /** All rows, read as a query reads them. */
    List<Prediction> rows() {
        try (var rows = client().ask(QUESTION, limits())) {
            return rows.toList();
        }
    }

    /** The code of the error; empty when there was none. */
    String code() {
        try {
            rows();
            return "";
        } catch (ServiceException error) {
            return error.code();
        }
    }
}
