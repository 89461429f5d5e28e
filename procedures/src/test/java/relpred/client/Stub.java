package relpred.client;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** A service that answers what a test tells it to. */
public final class Stub implements AutoCloseable {
    static {
        // Otherwise a body waits 40 ms until the other side has acknowledged the head.
        System.setProperty("sun.net.httpserver.nodelay", "true");
    }

    private final HttpServer server;
    private final ExecutorService workers = Executors.newCachedThreadPool();
    public volatile String lastBody = "";
    public volatile HttpExchange last;

    /** What a test does with a request. */
    @FunctionalInterface
    public interface Handler {
        void answer(HttpExchange exchange) throws IOException;
    }

    public Stub() {
        try {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        server.setExecutor(workers);
        server.start();
    }

    public Stub on(String path, Handler handler) {
        server.createContext(path, exchange -> {
            last = exchange;
            lastBody = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            try (exchange) {
                handler.answer(exchange);
            }
        });
        return this;
    }

    public Stub on(String path, int status, String body) {
        return on(path, exchange -> {
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
            exchange.getResponseBody().write(bytes);
        });
    }

    public String address() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    /** One row as the service sends it. */
    public static String row(String head, String relation, String tail, int rank) {
        return """
                {"head": {"element_id": "%s"}, "relation": "%s", "tail": {"element_id": "%s"}, "score": 1.5, \
                "probability": 0.75, "rank": %d, "model": "main/1", "run": null, "evidence": "both are ∂"}
                """
                .formatted(head, relation, tail, rank);
    }

    @Override
    public void close() {
        server.stop(0);
        workers.shutdownNow();
    }
}
