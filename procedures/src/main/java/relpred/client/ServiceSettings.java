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
        Duration connect,
        long maxRows,
        long maxBytes) {}
