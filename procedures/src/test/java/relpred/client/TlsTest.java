package relpred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class TlsTest {
    @TempDir
    static Path folder;

    private static Authority ours;
    private static Path ourFile;
    private static Path strangersFile;

    @BeforeAll
    static void sign() throws IOException, GeneralSecurityException {
        ours = new Authority(Files.createDirectory(folder.resolve("ours")))
                .signs("here", "ip:127.0.0.1")
                .signs("elsewhere", "dns:elsewhere.example");
        ourFile = ours.certificate();
        strangersFile = new Authority(Files.createDirectory(folder.resolve("strangers"))).certificate();
    }

    private static void untrusted(Asking asking, String... parts) {
        var error = assertThrows(ServiceException.class, asking::rows);
        assertEquals("service-untrusted", error.code());
        for (String part : parts) {
            assertTrue(error.getMessage().contains(part), error.getMessage());
        }
    }

    @Test
    void aPrivateCaIsTrustedWhenItsFileIsNamed() throws IOException, GeneralSecurityException {
        try (var server = ours.serve("here")) {
            var asking = new Asking(server.address());
            untrusted(asking, "service.ca_file", server.address());
            assertEquals(1, asking.with("CA_FILE", ourFile).rows().size());
        }
    }

    @Test
    void onlyTheNamedCaIsTrusted() throws IOException, GeneralSecurityException {
        try (var server = ours.serve("here")) {
            untrusted(new Asking(server.address()).with("CA_FILE", strangersFile), "service.ca_file");
        }
    }

    @Test
    void aCertificateForAnotherNameIsRefused() throws IOException, GeneralSecurityException {
        try (var server = ours.serve("elsewhere")) {
            untrusted(new Asking(server.address()).with("CA_FILE", ourFile), "127.0.0.1", "name that is in the cert");
        }
    }

    @Test
    void aFileMayHoldSeveralAndMayBeReplaced() throws IOException, GeneralSecurityException {
        Path file = Files.copy(strangersFile, folder.resolve("several.pem"));
        try (var server = ours.serve("here")) {
            var asking = new Asking(server.address()).with("CA_FILE", file);
            untrusted(asking);
            Files.writeString(file, "# the new one\n" + Files.readString(ourFile), StandardOpenOption.APPEND);
            assertEquals(1, asking.rows().size());
        }
    }

    @Test
    void aFileThatCannotBeUsedIsNamed() throws IOException {
        Path none = folder.resolve("none.pem");
        Path empty = Files.writeString(folder.resolve("empty.pem"), "");
        Path text = Files.writeString(folder.resolve("text.pem"), "hello");
        Path broken = Files.writeString(
                folder.resolve("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        for (Path file : List.of(none, empty, text, broken, folder)) {
            var error = assertThrows(
                    ServiceException.class, new Asking("https://127.0.0.1:1").with("CA_FILE", file)::rows);
            assertEquals("invalid-settings", error.code());
            for (String part : List.of("service.ca_file", file.toString(), "PEM")) {
                assertTrue(error.getMessage().contains(part), error.getMessage());
            }
        }
    }

    @Test
    void withoutTlsTheFileIsNotLookedAt() {
        try (var stub = new Stub()) {
            stub.on("/v1/relations", 200, Asking.ROW);
            assertEquals(1, new Asking(stub.address()).with("CA_FILE", "none.pem").rows().size());
        }
    }

    @Test
    void anAddressThatSpeaksNoTlsIsToldAsThat() {
        RawStub.Behaviour plain = out -> out.write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes());
        for (RawStub.Behaviour behaviour : List.<RawStub.Behaviour>of(plain, out -> {})) {
            try (var stub = new RawStub(behaviour)) {
                var asking = new Asking(stub.address().replace("http:", "https:"));
                var error = assertThrows(ServiceException.class, asking::rows);
                assertTrue(Set.of("service-down", "service-lost").contains(error.code()), error.code());
                assertTrue(error.getMessage().contains("needs a proxy with TLS"), error.getMessage());
            }
        }
    }
}
