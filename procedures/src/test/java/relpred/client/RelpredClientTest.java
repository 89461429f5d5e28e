package relpred.client;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class RelpredClientTest {
    private static final Limits TEN = new Limits(10, 0.25, Optional.empty(), Optional.empty());
    private static final Question QUESTION = Question.relations("4:a:1", "4:a:2");
    private static final String ROW = Stub.row("4:a:1", "KNOWS", "4:a:2", 1);

    private final Stub stub = new Stub();
    private final Map<String, String> environment = new HashMap<>(Map.of(
            "RELPRED_SERVICE_ADDRESS",
            stub.address(),
            "RELPRED_SERVICE_DEADLINE_MS",
            "15000",
            "RELPRED_SERVICE_BREAKER_FAILURES",
            "0")); // a port may come again

    @AfterEach
    void stop() {
        stub.close();
    }

    private RelpredClient client() {
        return client(() -> {});
    }

    private RelpredClient client(Runnable stillWanted) {
        return new RelpredClient(new SettingsSource(environment, Optional.empty()).read(), stillWanted);
    }

    private List<Prediction> ask() {
        try (var rows = client().ask(QUESTION, TEN)) {
            return rows.toList();
        }
    }

    private ServiceException refused() {
        return assertThrows(ServiceException.class, this::ask);
    }

    /** All other tests wait as long as a busy machine may need. */
    private void inAHurry() {
        environment.put("RELPRED_SERVICE_DEADLINE_MS", "500");
    }

    @Test
    void rowsArriveAsTheServiceSentThem() {
        stub.on("/v1/relations", 200, ROW + Stub.row("4:a:1", "LIKES", "4:a:2", 2));
        var rows = ask();
        assertEquals(
                new Prediction(
                        "4:a:1",
                        "KNOWS",
                        "4:a:2",
                        1.5,
                        0.75,
                        1,
                        "main/1",
                        null,
                        "both are ∂",
                        "4:a:1-KNOWS-4:a:2",
                        "PREDICTED_KNOWS"),
                rows.get(0));
        assertEquals(
                List.of("KNOWS", "LIKES"),
                rows.stream().map(Prediction::relation).toList());
    }

    @Test
    void questionsAreSentWithTheirLimitsAndHeaders() {
        for (String route : List.of("relations", "tails", "heads")) {
            stub.on("/v1/" + route, 200, "");
        }
        ask();
        assertEquals(
                Map.of(
                        "head",
                        Map.of("element_id", "4:a:1"),
                        "tail",
                        Map.of("element_id", "4:a:2"),
                        "top_k",
                        10,
                        "min_probability",
                        0.25),
                Json.read(stub.lastBody.getBytes(StandardCharsets.UTF_8)));
        var headers = stub.last.getRequestHeaders();
        assertEquals("application/x-ndjson", headers.getFirst("Accept"));
        assertEquals("1", headers.getFirst("X-Relpred-Wire"));
        assertNull(headers.getFirst("Authorization"));
        assertEquals(0, client().ask(Question.tails("4:a:1", "KNOWS"), TEN).count());
        assertTrue(stub.lastBody.contains("\"relation\":\"KNOWS\""));
        assertEquals(0, client().ask(Question.heads("KNOWS", "4:a:2"), TEN).count());
        assertEquals("/v1/heads", stub.last.getRequestURI().getPath());
    }

    @Test
    void theTokenIsReadFromItsFileAtEveryCall(@TempDir Path folder) throws IOException {
        stub.on("/v1/relations", 200, "");
        Path file = folder.resolve("token");
        environment.put("RELPRED_SERVICE_TOKEN_FILE", file.toString());
        for (String token : List.of("first", "second")) {
            Files.writeString(file, token + "\n");
            ask();
            assertEquals("Bearer " + token, stub.last.getRequestHeaders().getFirst("Authorization"));
        }
        Files.writeString(file, "sec\nret");
        assertFalse(refused().getMessage().contains("sec"));
        Files.delete(file);
        assertTrue(refused().getMessage().contains("service.token_file"));
    }

    @Test
    void theFirstRowIsThereBeforeTheLastWasSent() throws InterruptedException {
        var read = new CountDownLatch(1);
        stub.on("/v1/relations", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            var body = exchange.getResponseBody();
            body.write(ROW.getBytes(StandardCharsets.UTF_8));
            body.flush();
            awaitQuietly(read);
            body.write(ROW.getBytes(StandardCharsets.UTF_8));
        });
        try (var rows = client().ask(QUESTION, TEN)) {
            var iterator = rows.iterator();
            assertEquals("KNOWS", iterator.next().relation());
            read.countDown();
            assertEquals("KNOWS", iterator.next().relation());
            assertFalse(iterator.hasNext());
        }
    }

    @Test
    void aServiceThatIsDownIsNamedWithItsSettingAndItsRemedy(@TempDir Path folder) throws IOException {
        stub.close();
        environment.remove("RELPRED_SERVICE_ADDRESS");
        Path file = Files.writeString(folder.resolve("relpred.conf"), "service.address=" + stub.address() + "\n");
        environment.put("RELPRED_CONF", file.toString());
        var error = refused();
        assertEquals("service-down", error.code());
        for (String part : List.of(
                stub.address(), "relpred serve", "service.address", file.toString(), "RELPRED_SERVICE_ADDRESS")) {
            assertTrue(error.getMessage().contains(part), error.getMessage());
        }
    }

    @Test
    void aServiceThatNeverAnswersIsGivenUpAtTheDeadline() throws IOException {
        inAHurry();
        try (var blackHole = new ServerSocket(0, 10, InetAddress.getLoopbackAddress())) {
            environment.put("RELPRED_SERVICE_ADDRESS", "http://127.0.0.1:" + blackHole.getLocalPort());
            var error = refused();
            assertEquals("service-slow", error.code());
            assertTrue(error.getMessage().contains("within 500 ms"), error.getMessage());
            assertTrue(error.getMessage().contains("RELPRED_SERVICE_ADDRESS"), error.getMessage());
        }
    }

    @Test
    void theCallerMayWaitLessThanTheSettingsAllowButNotMore() throws IOException {
        inAHurry();
        try (var blackHole = new ServerSocket(0, 10, InetAddress.getLoopbackAddress())) {
            environment.put("RELPRED_SERVICE_ADDRESS", "http://127.0.0.1:" + blackHole.getLocalPort());
            for (var waits :
                    Map.of(100L, "within 100 ms", 60_000L, "within 500 ms").entrySet()) {
                var limits = new Limits(10, 0, Optional.of(Duration.ofMillis(waits.getKey())), Optional.empty());
                var error = assertThrows(ServiceException.class, () -> client().ask(QUESTION, limits));
                assertTrue(error.getMessage().contains(waits.getValue()), error.getMessage());
            }
        }
    }

    @Test
    void aBodyThatTricklesIsGivenUpAtTheDeadline() {
        inAHurry();
        stub.on("/v1/relations", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            for (int sent = 0; sent < 1000; sent++) {
                exchange.getResponseBody().write(' ');
                exchange.getResponseBody().flush();
                awaitQuietly(new CountDownLatch(1), 20);
            }
        });
        assertEquals("service-slow", refused().code());
    }

    @Test
    void anErrorOfTheServiceIsToldInItsOwnWords() {
        stub.on("/v1/relations", 500, "{\"code\": \"internal\", \"message\": \"It broke.\", \"hint\": \"Mend it.\"}");
        var error = refused();
        assertEquals("internal", error.code());
        assertEquals("It broke. Mend it.", error.getMessage());
        assertEquals("Mend it.", error.hint());
    }

    @Test
    void anErrorInTheMidstOfTheRowsIsAnError() {
        stub.on("/v1/relations", 200, ROW + "{\"code\": \"internal\", \"message\": \"It broke.\", \"hint\": \"\"}\n");
        assertEquals("It broke.", refused().getMessage());
    }

    @Test
    void anErrorPageOfSomethingElseIsToldAsAStatus() {
        stub.on("/v1/relations", 502, "<html>Bad gateway</html>");
        assertTrue(refused().getMessage().contains("status 502"));
    }

    @Test
    void whatIsNotARowIsRefused() {
        var bodies = new HashMap<String, String>();
        bodies.put("cut", ROW.substring(0, 40));
        bodies.put("two in a line", ROW.strip() + ROW);
        bodies.put("a list", "[]\n");
        bodies.put("a number as text", ROW.replace("1.5", "\"1.5\""));
        bodies.put("a broken rank", ROW.replace("\"rank\": 1", "\"rank\": 1.5"));
        bodies.put("no node", ROW.replace("element_id", "name"));
        var body = new String[1];
        stub.on("/v1/relations", exchange -> {
            byte[] bytes = body[0].getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, bytes.length);
            exchange.getResponseBody().write(bytes);
        });
        bodies.forEach((what, text) -> {
            body[0] = text;
            assertEquals("unreadable-answer", refused().code(), what);
        });
    }

    @Test
    void anAnswerThatBreaksOffIsAnErrorAndNotAnEnd() {
        stub.on("/v1/relations", exchange -> {
            exchange.sendResponseHeaders(200, 10_000);
            exchange.getResponseBody().write(ROW.getBytes(StandardCharsets.UTF_8));
            exchange.getResponseBody().flush();
            throw new IOException("the service dies");
        });
        assertEquals("service-lost", refused().code());
    }

    @Test
    void anEndlessAnswerIsGivenUpAtTheRowCapAndItsConnectionClosed() throws InterruptedException {
        var closed = new CountDownLatch(1);
        stub.on("/v1/relations", exchange -> endless(exchange.getResponseBody()::write, exchange, closed));
        environment.put("RELPRED_SERVICE_MAX_ROWS", "100");
        assertEquals("too-many-rows", refused().code());
        assertTrue(closed.await(10, TimeUnit.SECONDS));
    }

    @Test
    void anEndlessAnswerIsGivenUpAtTheByteCap() throws InterruptedException {
        var closed = new CountDownLatch(1);
        stub.on("/v1/relations", exchange -> endless(exchange.getResponseBody()::write, exchange, closed));
        environment.put("RELPRED_SERVICE_MAX_BYTES", "100000");
        var error = refused();
        assertEquals("answer-too-large", error.code());
        assertTrue(error.getMessage().contains("service.max_bytes"));
        assertTrue(closed.await(10, TimeUnit.SECONDS));
    }

    @Test
    void aLineWithoutEndIsNoRow() throws InterruptedException {
        var closed = new CountDownLatch(1);
        byte[] noEnd = "x".repeat(1000).getBytes(StandardCharsets.UTF_8);
        stub.on(
                "/v1/relations",
                exchange -> endless(row -> exchange.getResponseBody().write(noEnd), exchange, closed));
        assertEquals("unreadable-answer", refused().code());
        assertTrue(closed.await(10, TimeUnit.SECONDS));
    }

    @Test
    void closingTheStreamGivesUpTheRest() throws InterruptedException {
        var closed = new CountDownLatch(1);
        stub.on("/v1/relations", exchange -> endless(exchange.getResponseBody()::write, exchange, closed));
        try (var rows = client().ask(QUESTION, TEN)) {
            assertEquals(3, rows.limit(3).count());
        }
        assertTrue(closed.await(10, TimeUnit.SECONDS));
    }

    @Test
    void moreRowsThanTheCapAreNotEvenAskedFor() {
        environment.put("RELPRED_SERVICE_MAX_ROWS", "5");
        assertTrue(refused().getMessage().contains("service.max_rows"));
        assertNull(stub.last);
    }

    @Test
    void aRedirectIsNotFollowed() {
        var followed = new AtomicInteger();
        stub.on("/elsewhere", exchange -> followed.incrementAndGet());
        stub.on("/v1/relations", exchange -> {
            exchange.getResponseHeaders().add("Location", stub.address() + "/elsewhere");
            exchange.sendResponseHeaders(307, -1);
        });
        assertEquals("redirected", refused().code());
        assertEquals(0, followed.get());
    }

    @Test
    void anotherVersionOfTheProtocolIsRefused() {
        stub.on("/v1/relations", exchange -> {
            exchange.getResponseHeaders().add("X-Relpred-Wire", "2");
            exchange.sendResponseHeaders(200, -1);
        });
        var error = refused();
        assertEquals("wire-version", error.code());
        assertTrue(error.getMessage().contains("version 2"));
    }

    @Test
    void aTerminatedQueryGivesUpItsCall() throws IOException {
        try (var blackHole = new ServerSocket(0, 10, InetAddress.getLoopbackAddress())) {
            environment.put("RELPRED_SERVICE_ADDRESS", "http://127.0.0.1:" + blackHole.getLocalPort());
            environment.put("RELPRED_SERVICE_DEADLINE_MS", "60000");
            var terminated = new IllegalStateException("terminated");
            var looks = new AtomicInteger();
            var client = client(() -> {
                if (looks.incrementAndGet() == 5) {
                    throw terminated;
                }
            });
            assertSame(terminated, assertThrows(IllegalStateException.class, () -> client.ask(QUESTION, TEN)));
        }
    }

    @Test
    void aKeptConnectionThatTheServiceClosedIsReplaced() {
        try (var first = new Stub()) {
            first.on("/v1/relations", 200, ROW);
            environment.put("RELPRED_SERVICE_ADDRESS", first.address());
            ask();
            var calls = new AtomicInteger();
            stub.on("/v1/relations", exchange -> {
                if (calls.incrementAndGet() == 1) {
                    throw new IOException("closed without an answer");
                }
                exchange.sendResponseHeaders(200, -1);
            });
            environment.put("RELPRED_SERVICE_ADDRESS", stub.address());
            assertDoesNotThrow(this::ask);
            assertEquals(2, calls.get());
        }
    }

    @Test
    void healthTellsVersionAndModel() {
        stub.on("/healthz", 200, "{\"status\": \"ok\", \"version\": \"0.1.0\", \"wire\": 1, \"model\": null}");
        assertEquals(new Health("ok", "0.1.0", 1, null), client().health());
    }

    private static void endless(Writer out, com.sun.net.httpserver.HttpExchange exchange, CountDownLatch closed)
            throws IOException {
        exchange.sendResponseHeaders(200, 0);
        try {
            while (true) {
                out.write(ROW.getBytes(StandardCharsets.UTF_8));
            }
        } catch (IOException gone) {
            closed.countDown();
        }
    }

    @FunctionalInterface
    private interface Writer {
        void write(byte[] bytes) throws IOException;
    }

    private static void awaitQuietly(CountDownLatch latch) {
        awaitQuietly(latch, 10_000);
    }

    private static void awaitQuietly(CountDownLatch latch, long millis) {
        try {
            latch.await(millis, TimeUnit.MILLISECONDS);
        } catch (InterruptedException stopped) {
            Thread.currentThread().interrupt();
        }
    }
}
