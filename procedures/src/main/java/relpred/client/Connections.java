package relpred.client;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Collection;
import java.util.Optional;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** The shared connections. Made anew only when a setting that they depend on was changed. */
final class Connections {
    /** What a client depends on; the certificates by their text, since a file may be replaced under the same name. */
    private record Kind(Duration connect, Optional<String> authorities) {}

    private static Kind kind;
    private static HttpClient client;

    private Connections() {}

    /**
     * The client for these settings.
     *
     * <p>An old one is only let go, since a client cannot be closed before Java 21. Calls that are under way hold it and
     * come to their end. When there are none, its selector thread sees within seconds of the next garbage collection
     * that nobody holds it any more, closes the kept connections and ends. Its idle workers end after a minute.
     */
    static HttpClient within(ServiceSettings settings) {
        var connection = settings.connection();
        boolean secure = "https".equals(settings.address().getScheme());
        var wanted = new Kind(
                connection.timeout(), connection.caFile().filter(file -> secure).map(Connections::read));
        synchronized (Connections.class) {
            if (!wanted.equals(kind)) {
                client = build(wanted, connection.caFile());
                kind = wanted;
            }
            return client;
        }
    }

    private static HttpClient build(Kind kind, Optional<Path> caFile) {
        var builder = HttpClient.newBuilder()
                .connectTimeout(kind.connect())
                .followRedirects(HttpClient.Redirect.NEVER) // an answer must not send our token elsewhere
                .version(HttpClient.Version.HTTP_1_1);
        kind.authorities().ifPresent(pem -> builder.sslContext(trusting(pem, caFile.orElseThrow())));
        return builder.build();
    }

    private static String read(Path file) {
        try {
            return Files.readString(file, StandardCharsets.ISO_8859_1); // remarks in it may have any encoding
        } catch (IOException error) {
            throw refused(file, "cannot be read");
        }
    }

    /** Trusts what these certificates signed, and nothing else: who has a CA of their own wants no other. */
    private static SSLContext trusting(String pem, Path file) {
        try {
            var bytes = new ByteArrayInputStream(pem.getBytes(StandardCharsets.ISO_8859_1));
            Collection<? extends Certificate> authorities =
                    CertificateFactory.getInstance("X.509").generateCertificates(bytes);
            if (authorities.isEmpty()) {
                throw refused(file, "holds no certificate");
            }
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            for (Certificate authority : authorities) {
                store.setCertificateEntry("ca" + store.size(), authority);
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(store);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            return context;
        } catch (CertificateException error) {
            throw refused(file, "holds something else than certificates");
        } catch (GeneralSecurityException | IOException error) {
            throw new IllegalStateException(error); // the JDK lacks what every JDK has
        }
    }

    private static ServiceException refused(Path file, String what) {
        return new ServiceException(
                "invalid-settings",
                Key.CA_FILE.key + " names " + file + ", which " + what + ".",
                "It must be a file with one or more certificates in PEM (-----BEGIN CERTIFICATE-----) that the user"
                        + " Neo4j runs as may read.");
    }
}
