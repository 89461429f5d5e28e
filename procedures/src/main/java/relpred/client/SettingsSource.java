package relpred.client;

import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;

/**
 * Finds and reads relpred.conf. It is a file of its own because a key that neo4j.conf does not know stops the server.
 * It is small and is read at every call, so that a change needs no restart.
 */
public final class SettingsSource {
    private static final String FILE_NAME = "relpred.conf";
    private static final String FILE_VARIABLE = "RELPRED_CONF";

    private final Map<String, String> environment;
    private final List<Path> places;

    /** Looks into the environment, and into the folder conf beside the folder that the jar lies in. */
    public SettingsSource(Map<String, String> environment, Optional<Path> jar) {
        this.environment = Map.copyOf(environment);
        this.places = places(this.environment, jar);
    }

    /** The source for the jar that this class was loaded from. */
    public static SettingsSource ofThisJar() {
        Optional<Path> jar;
        try {
            jar = Optional.of(Path.of(SettingsSource.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI()));
        } catch (URISyntaxException | RuntimeException unknown) {
            jar = Optional.empty(); // an unusual class loader: the environment still says where the file is
        }
        return new SettingsSource(System.getenv(), jar);
    }

    private static List<Path> places(Map<String, String> environment, Optional<Path> jar) {
        if (environment.containsKey(FILE_VARIABLE)) {
            return List.of(Path.of(environment.get(FILE_VARIABLE)));
        }
        var found = new ArrayList<Path>();
        Optional.ofNullable(environment.get("NEO4J_CONF"))
                .map(folder -> Path.of(folder, FILE_NAME))
                .ifPresent(found::add);
        Optional.ofNullable(environment.get("NEO4J_HOME"))
                .map(home -> Path.of(home, "conf", FILE_NAME))
                .ifPresent(found::add);
        jar.map(Path::getParent)
                .map(Path::getParent)
                .map(home -> home.resolve("conf").resolve(FILE_NAME))
                .ifPresent(found::add);
        return found;
    }

    /** Reads the settings as they are now. */
    public ServiceSettings read() {
        Optional<Path> file = places.stream().filter(Files::isRegularFile).findFirst();
        if (file.isEmpty() && environment.containsKey(FILE_VARIABLE)) {
            throw refused(
                    FILE_VARIABLE + " names " + places.get(0) + ", which is not a file.",
                    "Create it, or correct the variable.");
        }
        var values = new Values(file.map(SettingsSource::load).orElseGet(Properties::new), file);
        return new ServiceSettings(
                values.address(),
                values.remedy(),
                values.file(Key.TOKEN_FILE),
                Duration.ofMillis(values.whole(Key.DEADLINE_MS)),
                new ServiceSettings.Connection(
                        Duration.ofMillis(values.whole(Key.CONNECT_MS)), values.file(Key.CA_FILE)),
                new ServiceSettings.Bounds(
                        values.whole(Key.MAX_CALLS),
                        values.whole(Key.BREAKER_FAILURES, 0),
                        Duration.ofMillis(values.whole(Key.BREAKER_PAUSE_MS))),
                values.whole(Key.MAX_ROWS),
                values.whole(Key.MAX_BYTES));
    }

    private static Properties load(Path file) {
        var properties = new Properties();
        try (var reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
            properties.load(reader);
        } catch (IOException | IllegalArgumentException error) {
            throw refused(file + " cannot be read: " + error.getMessage() + ".", "Its lines have the form key=value.");
        }
        for (String key : properties.stringPropertyNames()) {
            if (!Key.names().contains(key)) {
                throw refused(file + " has the unknown key " + key + ".", Words.didYouMean(key, Key.names()));
            }
        }
        return properties;
    }

    private static ServiceException refused(String message, String hint) {
        return new ServiceException("invalid-settings", message, hint);
    }

    /** The values of one reading, each with the place it comes from. */
    private final class Values {
        private final Properties properties;
        private final Optional<Path> file;

        Values(Properties properties, Optional<Path> file) {
            this.properties = properties;
            this.file = file;
        }

        private String text(Key key) {
            String set = environment
                    .getOrDefault(key.variable(), properties.getProperty(key.key, ""))
                    .strip();
            return set.isEmpty() ? key.fallback : set;
        }

        private String origin(Key key) {
            if (!environment.getOrDefault(key.variable(), "").isBlank()) {
                return key.variable();
            }
            return properties.containsKey(key.key) ? "in " + file.orElseThrow() : "by default";
        }

        String remedy() {
            String where = file.or(() -> places.stream().reduce((first, last) -> last))
                    .map(Path::toString)
                    .orElse(FILE_NAME);
            String proxy = text(Key.ADDRESS).startsWith("https")
                    ? " The service itself speaks plain http: an https address needs a proxy with TLS before it."
                    : "";
            return "Start the service with `relpred serve`, or correct " + Key.ADDRESS.key + " (set "
                    + origin(Key.ADDRESS) + ") in " + where + " or in " + Key.ADDRESS.variable() + "." + proxy;
        }

        URI address() {
            String text = text(Key.ADDRESS).replaceAll("/+$", "");
            try {
                var address = new URI(text);
                boolean web = "http".equals(address.getScheme()) || "https".equals(address.getScheme());
                boolean plain =
                        address.getUserInfo() == null && address.getQuery() == null && address.getFragment() == null;
                if (web && plain && address.getHost() != null) {
                    return address;
                }
            } catch (URISyntaxException notAnAddress) {
                // refused below, in the same words
            }
            throw refused(
                    Key.ADDRESS.key + " (set " + origin(Key.ADDRESS) + ") is not an address of a service.",
                    "It reads like " + Key.ADDRESS.fallback + ".");
        }

        Optional<Path> file(Key key) {
            return Optional.of(text(key)).filter(text -> !text.isEmpty()).map(Path::of);
        }

        long whole(Key key) {
            return whole(key, 1);
        }

        long whole(Key key, long least) {
            try {
                long value = Long.parseLong(text(key));
                if (value >= least) {
                    return value;
                }
            } catch (NumberFormatException notANumber) {
                // refused below, in the same words
            }
            throw refused(
                    key.key + " (set " + origin(key) + ") is " + text(key) + ".",
                    "It must be a whole number from " + least + ".");
        }
    }
}
