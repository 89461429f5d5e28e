package relpred.client;

import java.net.URI;
import java.net.URLDecoder;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/**
 * The properties by which a service tells nodes apart, as its last answer named them. With their values it need not
 * look nodes up. It looks all the same when a question lacks one of them, so nothing depends on how old they are.
 */
final class KeyProperties {
    private static final String HEADER = "X-Relpred-Keys";
    private static final int MOST = 100;
    private static final Map<URI, List<String>> KNOWN = new ConcurrentHashMap<>();

    private KeyProperties() {}

    /** None before the first answer. */
    static List<String> of(URI address) {
        return KNOWN.getOrDefault(address, List.of());
    }

    static void heard(URI address, HttpHeaders headers) {
        headers.firstValue(HEADER).ifPresent(names -> KNOWN.put(address, names(names)));
    }

    private static List<String> names(String header) {
        try {
            return Stream.of(header.split(","))
                    .filter(name -> !name.isEmpty())
                    .limit(MOST)
                    .map(name -> URLDecoder.decode(name, StandardCharsets.UTF_8))
                    .toList();
        } catch (IllegalArgumentException unreadable) {
            return List.of();
        }
    }
}
