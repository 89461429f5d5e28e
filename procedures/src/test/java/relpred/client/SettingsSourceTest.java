package relpred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SettingsSourceTest {
    @TempDir
    Path home;

    private Path file;

    @BeforeEach
    void layOut() throws IOException {
        file = Files.createDirectories(home.resolve("conf")).resolve("relpred.conf");
    }

    private ServiceSettings read(Map<String, String> environment) {
        return new SettingsSource(
                        environment, Optional.of(home.resolve("plugins").resolve("relpred.jar")))
                .read();
    }

    private String refused(String text) throws IOException {
        Files.writeString(file, text);
        return assertThrows(ServiceException.class, () -> read(Map.of())).getMessage();
    }

    @Test
    void withoutAFileTheDefaultsHold() {
        var settings = read(Map.of());
        assertEquals(URI.create("http://127.0.0.1:7475"), settings.address());
        assertEquals(Duration.ofSeconds(10), settings.deadline());
        assertEquals(new ServiceSettings.Connection(Duration.ofSeconds(2), Optional.empty()), settings.connection());
        assertEquals(new ServiceSettings.Bounds(32, 5, Duration.ofSeconds(5)), settings.bounds());
        assertEquals(10_000, settings.maxRows());
        assertTrue(settings.tokenFile().isEmpty());
        assertTrue(settings.remedy().contains(file.toString()), settings.remedy());
    }

    @Test
    void theFileBesideThePluginsIsReadAnewAtEveryCall() throws IOException {
        for (String port : List.of("1001", "1002")) {
            Files.writeString(file, "# a comment\n\nservice.address = http://localhost:" + port + "/\n");
            assertEquals(URI.create("http://localhost:" + port), read(Map.of()).address());
        }
    }

    @Test
    void theEnvironmentWinsOverTheFile() throws IOException {
        Files.writeString(file, "service.address=http://one:1\nservice.deadline_ms=5\n");
        var settings = read(Map.of("RELPRED_SERVICE_ADDRESS", "https://two:2"));
        assertEquals(URI.create("https://two:2"), settings.address());
        assertEquals(Duration.ofMillis(5), settings.deadline());
    }

    @Test
    void theFoldersThatNeo4jItselfIsToldOfAreLookedInto(@TempDir Path other) throws IOException {
        Files.writeString(file, "service.max_rows=1\n");
        Files.writeString(other.resolve("relpred.conf"), "service.max_rows=2\n");
        assertEquals(2, read(Map.of("NEO4J_CONF", other.toString())).maxRows());
        assertEquals(1, read(Map.of("NEO4J_CONF", home.toString())).maxRows());
        assertEquals(1, read(Map.of("NEO4J_HOME", home.toString())).maxRows());
    }

    @Test
    void aFileThatIsNamedMustBeThere() {
        var environment = Map.of("RELPRED_CONF", home.resolve("none.conf").toString());
        var error = assertThrows(ServiceException.class, () -> read(environment));
        assertTrue(error.getMessage().contains("RELPRED_CONF"));
    }

    @Test
    void anUnknownKeyIsRefusedWithTheOneThatWasMeant() throws IOException {
        assertTrue(refused("service.adress=http://localhost:1\n").contains("Did you mean service.address?"));
    }

    @Test
    void aValueThatCannotBeUsedIsRefusedWithItsPlace() throws IOException {
        for (String line : List.of(
                "service.address=localhost:7475",
                "service.address=ftp://localhost",
                "service.address=http://user:secret@localhost",
                "service.deadline_ms=0",
                "service.deadline_ms=soon",
                "service.max_rows=-1",
                "service.max_calls=0",
                "service.breaker_failures=-1",
                "service.breaker_pause_ms=0")) {
            String message = refused(line + "\n");
            assertTrue(message.contains(line.substring(0, line.indexOf('='))), message);
            assertTrue(message.contains(file.toString()), message);
            assertTrue(!message.contains("secret"), message);
        }
    }
}
