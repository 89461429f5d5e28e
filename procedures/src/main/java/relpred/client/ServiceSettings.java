package relpred.client;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * Where the service is and how much of it is borne.
 *
 * @param remedy what to do when the service cannot be reached: it names the setting and the file it comes from
 * @param deadline the longest time that a call may wait for the service, its answer included
 */
public record ServiceSettings(
        URI address,
        String remedy,
        Optional<Path> tokenFile,
        Duration deadline,
        Connection connection,
        Bounds bounds,
        long maxRows,
        long maxBytes) {
    /**
     * How it is connected to.
     *
     * @param timeout how long that may take
     * @param caFile the certificates that are trusted instead of those that the JDK trusts
     */
    public record Connection(Duration timeout, Optional<Path> caFile) {}

    /**
     * Which calls are refused before anything is sent.
     *
     * @param maxCalls how many may be under way at once
     * @param breakerFailures after how many failures in a row there is a pause; 0 for never
     */
    public record Bounds(long maxCalls, long breakerFailures, Duration breakerPause) {}
}
