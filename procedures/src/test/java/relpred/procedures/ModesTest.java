package relpred.procedures;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZonedDateTime;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.neo4j.graphdb.GraphDatabaseService;
import org.neo4j.graphdb.QueryExecutionException;
import relpred.client.Stub;

@Timeout(60)
class ModesTest {
    private static final Path CONF = Path.of(System.getenv("RELPRED_CONF"));
    private static final String PAIR = "MATCH (a:Person {name: 'Ada'}), (b:Person {name: 'Bob'}) ";
    private static final String WRITE = PAIR + "CALL relpred.predict.tails.write(a, 'LIKES') ";
    private static final String COUNTS = "YIELD relationshipsWritten AS edges, propertiesWritten AS properties,"
            + " runId AS run RETURN edges, properties, run";
    private static final String EDGES = "MATCH (h)-[e:PREDICTED_LIKES]->(t) "
            + "RETURN h.name AS h, t.name AS t, properties(e) AS e ORDER BY t";
    private static final Map<String, String> COLUMN =
            Map.of("stream", "rank", "stats", "predictions", "write", "runId", "estimate", "basis");
    private static final List<String> CALLS = List.of(
            "relations.%s(a, b%s)", "tails.%s(a, 'LIKES'%s)", "heads.%s([b], 'LIKES'%s)", "triples.%s([" + triple() + "]%s)");

    private static final GraphDatabaseService DATABASE = Database.OURS;

    private final Stub stub = new Stub();
    private String ada;
    private String bob;

    private static String triple() {
        return "{head: a, relation: 'LIKES', tail: b}";
    }

    @BeforeEach
    void fill() throws IOException {
        pointTo(stub.address());
        run("MATCH (n) DETACH DELETE n");
        var ids = run("CREATE (a:Person {name: 'Ada'}), (b:Person {name: 'Bob'}), (:Person {name: 'Cid'}) "
                        + "RETURN elementId(a) AS ada, elementId(b) AS bob")
                .get(0);
        ada = (String) ids.get("ada");
        bob = (String) ids.get("bob");
    }

    @AfterEach
    void close() {
        stub.close();
    }

    private static void pointTo(String address) throws IOException {
        Files.writeString(CONF, "service.address=" + address + "\nservice.deadline_ms=30000\n");
    }

    private static List<Map<String, Object>> run(String query) {
        return Database.run(query);
    }

    private static String refused(String query) {
        return assertThrows(QueryExecutionException.class, () -> run(query)).getMessage();
    }

    /** A call of each procedure of a mode, with these words after its arguments. */
    private static List<String> calls(String mode, String more) {
        return CALLS.stream()
                .map(call -> PAIR + "CALL relpred.predict." + call.formatted(mode, more) + " YIELD " + COLUMN.get(mode)
                        + " AS found RETURN found")
                .toList();
    }

    private void answerAll(String rows) {
        for (String route : List.of("relations", "tails", "heads", "score")) {
            stub.on("/v1/" + route, 200, rows);
        }
    }

    @Test
    void everyModeOfEveryQuestionAnswers() {
        answerAll(Stub.row(ada, "LIKES", bob, 1));
        stub.on(
                "/v1/estimate",
                200,
                """
                {"nodes": 1, "relationships": 2, "candidates": 3, "bytes_min": 4, "bytes_max": 5, \
                "memory": "[4 ... 5]", "seconds": 0.5, "basis": "rough"}
                """);
        Map.of("stream", 1L, "stats", 1L, "estimate", "rough")
                .forEach((mode, found) -> calls(mode, ", {threshold: 0.5}")
                        .forEach(call -> assertEquals(List.of(Map.of("found", found)), run(call), call)));
        for (String call : calls("write", ", {threshold: 0.5}")) {
            assertTrue(((String) run(call).get(0).get("found")).matches("call-\\d{8}-\\d{6}-[0-9a-f]{8}"), call);
        }
        assertEquals(1, run(EDGES).size());
        for (String call : calls("stats", ", {threshold: 0.8}").subList(3, 4)) {
            assertEquals(List.of(Map.of("found", 0L)), run(call), call);
        }
    }

    @Test
    void wrongKeysAreRefusedByEveryMode() {
        for (String mode : COLUMN.keySet()) {
            for (String call : calls(mode, ", {treshold: 0.5}")) {
                assertTrue(refused(call).contains("Did you mean threshold?"), call);
            }
            for (String call : calls(mode, ", {concurrency: 4}")) {
                assertTrue(refused(call).contains("concurrency, which means nothing here"), call);
            }
            assertTrue(refused(calls(mode, ", {topK: 4}").get(3)).contains("unknown key topK"));
        }
    }

    @Test
    void nothingFoundIsACountOfNothing() {
        answerAll("");
        for (String call : calls("stats", "")) {
            assertEquals(List.of(Map.of("found", 0L)), run(call), call);
        }
        calls("stream", "").forEach(call -> assertEquals(List.of(), run(call), call));
        var row = run(WRITE + "YIELD relationshipsWritten, probabilityDistribution, configuration "
                        + "RETURN relationshipsWritten AS edges, probabilityDistribution AS spread, configuration")
                .get(0);
        assertEquals(
                Map.of("edges", 0L, "spread", Map.of(), "configuration", Map.of("topK", 10L, "threshold", 0.0)), row);
        stub.close();
        for (String mode : List.of("stats", "write")) {
            assertEquals(
                    1,
                    run("CALL relpred.predict.triples." + mode + "([]) YIELD configuration RETURN configuration")
                            .size());
        }
    }

    @Test
    void percentilesAreProbabilitiesThatThereAre() {
        var distribution = new Distribution();
        for (int number = 1; number <= 40; number++) {
            distribution.add(number / 40.0);
        }
        var told = distribution.summary();
        assertEquals(List.of("min", "p5", "p25", "p50", "p75", "p95", "max", "mean"), List.copyOf(told.keySet()));
        assertEquals(List.of(0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0), List.copyOf(told.values()).subList(0, 7));
        assertEquals(0.5125, (double) told.get("mean"), 1e-12);
        assertEquals(Map.of(), new Distribution().summary());
    }

    @Test
    void theModelThatIsNamedIsAskedFor() {
        answerAll("");
        calls("stream", ", {modelName: 'main'}").forEach(call -> {
            run(call);
            assertTrue(stub.lastBody.contains("\"model\":\"main\""), stub.lastBody);
        });
    }

    @Test
    void edgesAreWrittenOnceWithAllThatAPublicationWrites() {
        answerAll(Stub.row(ada, "LIKES", bob, 1) + Stub.row(ada, "LIKES", bob, 2));
        var told = run(WRITE + COUNTS).get(0);
        assertEquals(List.of(1L, 8L), List.of(told.get("edges"), told.get("properties")));
        var again = run(WRITE + COUNTS).get(0);
        assertEquals(1L, again.get("edges"));
        var row = run(EDGES).get(0);
        @SuppressWarnings("unchecked")
        var edge = (Map<String, Object>) row.get("e");
        assertTrue(edge.remove("predictedAt") instanceof ZonedDateTime);
        assertEquals(
                Map.of(
                        "key", ada + "-LIKES-" + bob, "score", 1.5, "probability", 0.75, "rank", 1L, "evidence",
                        "both are ∂", "model", "main/1", "run", again.get("run")),
                edge);
        assertEquals(1, run(EDGES).size());
    }

    @Test
    void aRollbackTakesThemBack() {
        answerAll(Stub.row(ada, "LIKES", bob, 1));
        try (var transaction = DATABASE.beginTx()) {
            transaction.execute(WRITE + COUNTS).close();
            assertEquals(1, transaction.execute(EDGES).stream().count());
            transaction.rollback();
        }
        assertEquals(List.of(), run(EDGES));
    }

    @Test
    void whatHoldsOrWasDecidedAboutIsLeftOut() {
        answerAll(Stub.row(ada, "LIKES", bob, 1));
        run(PAIR + "CREATE (a)-[:LIKES]->(b), (b)-[:LIKES]->(a)");
        assertEquals(0L, run(WRITE + COUNTS).get(0).get("edges"));
        run("MATCH (:Person {name: 'Ada'})-[r:LIKES]->() DELETE r");
        run("CREATE (:RelpredDecision {key: '" + ada + "-LIKES-" + bob + "'})");
        assertEquals(0L, run(WRITE + COUNTS).get(0).get("edges"));
        run("MATCH (d:RelpredDecision) DELETE d");
        assertEquals(1L, run(WRITE + COUNTS).get(0).get("edges"));
    }

    @Test
    void aTypeThatIsNotOursIsRefused() {
        answerAll(Stub.row(ada, "LIKES", bob, 1));
        run("MATCH (c:Person {name: 'Cid'}) CREATE (c)-[:PREDICTED_LIKES {key: 'k', model: 'other@2', run: 'r'}]->(c)");
        assertTrue(refused(WRITE + COUNTS).contains("belongs to the model 'other', not to the model 'main'"));
        run("MATCH ()-[e:PREDICTED_LIKES]->() DELETE e");
        run(PAIR + "CREATE (a)-[:PREDICTED_LIKES {key: '" + ada + "-LIKES-" + bob + "'}]->(b)");
        assertTrue(refused(WRITE + COUNTS).contains("belongs to somebody else"));
        run("MATCH ()-[e:PREDICTED_LIKES]->() SET e.key = 'another'");
        assertEquals(1L, run(WRITE + COUNTS).get(0).get("edges"));
    }

    @Test
    void aServiceThatNamesNoEdgeIsNotTakenAtItsWord() {
        answerAll(Stub.row(ada, "LIKES", bob, 1).replace("\"key\"", "\"other\""));
        assertTrue(refused(WRITE + COUNTS).contains("does not say which edges"));
    }

    @Test
    void whoHoldsALockIsWaitedForUntilTheDeadline() throws InterruptedException {
        answerAll(Stub.row(ada, "LIKES", bob, 1));
        var held = new CountDownLatch(1);
        var done = new CountDownLatch(1);
        var holder = CompletableFuture.runAsync(() -> {
            try (var transaction = DATABASE.beginTx()) {
                transaction.acquireWriteLock(transaction.getNodeByElementId(bob));
                held.countDown();
                done.await(30, TimeUnit.SECONDS);
            } catch (InterruptedException error) {
                throw new IllegalStateException(error);
            }
        });
        held.await();
        String message = refused(WRITE.replace("'LIKES')", "'LIKES', {timeoutMillis: 300})") + COUNTS);
        assertTrue(message.contains("holds locked") && message.contains("within 300 ms"), message);
        done.countDown();
        holder.join();
        assertEquals(1L, run(WRITE + COUNTS).get(0).get("edges"));
    }

    @Test
    void aTerminatedCallEndsWhetherItWaitsForTheServiceOrForALock() throws IOException {
        try (var blackHole = new ServerSocket(0, 10, InetAddress.getLoopbackAddress())) {
            pointTo("http://127.0.0.1:" + blackHole.getLocalPort());
            for (String mode : COLUMN.keySet()) {
                terminated(calls(mode, "").get(1), blackHole::accept);
            }
        }
        pointTo(stub.address());
        try (var holder = DATABASE.beginTx()) {
            holder.acquireWriteLock(holder.getNodeByElementId(ada));
            var asked = new CountDownLatch(1);
            stub.on("/v1/tails", exchange -> {
                byte[] row = Stub.row(ada, "LIKES", bob, 1).getBytes(java.nio.charset.StandardCharsets.UTF_8);
                exchange.sendResponseHeaders(200, row.length);
                exchange.getResponseBody().write(row);
                asked.countDown();
            });
            terminated(WRITE + COUNTS, () -> {
                asked.await();
                Thread.sleep(300); // until it waits for the lock; if it does not yet, it ends all the same
                return null;
            });
        }
        assertEquals(List.of(), run(EDGES));
    }

    private static void terminated(String query, java.util.concurrent.Callable<?> reached) {
        try (var transaction = DATABASE.beginTx()) {
            var terminating = CompletableFuture.runAsync(() -> {
                try {
                    reached.call();
                } catch (Exception error) {
                    throw new IllegalStateException(error);
                }
                transaction.terminate();
            });
            var error = assertThrows(
                    RuntimeException.class, () -> transaction.execute(query).resultAsString());
            terminating.join();
            assertTrue(String.valueOf(error.getMessage()).contains("terminated"), error.toString());
        }
    }
}
