package relpred.procedures;

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.UUID;

/** Names for calls that write, as runs of publications are named, and told from them by their beginning. */
final class CallId {
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").withZone(ZoneOffset.UTC);

    private CallId() {}

    static String next() {
        return "call-" + TIME.format(Instant.now()) + "-"
                + UUID.randomUUID().toString().substring(0, 8);
    }
}
