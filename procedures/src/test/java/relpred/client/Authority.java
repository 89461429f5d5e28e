package relpred.client;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/** A private CA, made by the keytool of the JDK that the tests run on, and servers with certificates of it. */
final class Authority {
    private static final String PASSWORD = "changeit";

    private final Path folder;
    private final Path store;

    Authority(Path folder) throws IOException {
        this.folder = folder;
        this.store = folder.resolve("keys.p12");
        generate("-alias", "ca", "-dname", "CN=Test CA", "-ext", "bc:c");
    }

    /** Signs a certificate for a name such as `ip:127.0.0.1` or `dns:localhost`. */
    Authority signs(String alias, String name) throws IOException {
        generate("-alias", alias, "-dname", "CN=" + alias, "-ext", "san=" + name, "-signer", "ca");
        return this;
    }

    /** The certificate of the CA, in the file that operators have. */
    Path certificate() throws IOException, GeneralSecurityException {
        byte[] bytes = keys().getCertificate("ca").getEncoded();
        String pem = "-----BEGIN CERTIFICATE-----\n"
                + Base64.getMimeEncoder().encodeToString(bytes)
                + "\n-----END CERTIFICATE-----\n";
        return Files.writeString(folder.resolve("ca.pem"), pem);
    }

    private KeyStore keys() throws IOException, GeneralSecurityException {
        return KeyStore.getInstance(store.toFile(), PASSWORD.toCharArray());
    }

    private void generate(String... arguments) throws IOException {
        var command = new ArrayList<String>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
        command.add("-genkeypair");
        command.addAll(List.of(arguments));
        command.addAll(List.of("-keystore", store.toString(), "-storepass", PASSWORD));
        command.addAll(List.of("-keyalg", "EC", "-validity", "2", "-J-XX:TieredStopAtLevel=1"));
        var process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes());
        try {
            if (process.waitFor() != 0) {
                throw new IOException(said);
            }
        } catch (InterruptedException stopped) {
            throw new IOException(stopped);
        }
    }

    /** Serves with one of the certificates. */
    Server serve(String alias) throws IOException, GeneralSecurityException {
        var password = new KeyStore.PasswordProtection(PASSWORD.toCharArray());
        KeyStore one = KeyStore.getInstance("PKCS12");
        one.load(null, null);
        one.setEntry(alias, keys().getEntry(alias, password), password);
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(one, PASSWORD.toCharArray());
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        return new Server(context);
    }

    /** A service that speaks TLS and has one row for every question. */
    static final class Server implements AutoCloseable {
        private final HttpsServer server;
        private final ExecutorService workers = Executors.newCachedThreadPool();

        private Server(SSLContext context) throws IOException {
            server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.setHttpsConfigurator(new HttpsConfigurator(context));
            server.setExecutor(workers);
            server.createContext("/", exchange -> {
                try (exchange) {
                    byte[] row = Stub.row("4:a:1", "KNOWS", "4:a:2", 1).getBytes();
                    exchange.getRequestBody().readAllBytes();
                    exchange.sendResponseHeaders(200, row.length);
                    exchange.getResponseBody().write(row);
                }
            });
            server.start();
        }

        String address() {
            return "https://127.0.0.1:" + server.getAddress().getPort();
        }

        @Override
        public void close() {
            server.stop(0);
            workers.shutdownNow();
        }
    }
}
