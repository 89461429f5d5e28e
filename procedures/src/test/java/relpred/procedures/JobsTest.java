package relpred.procedures;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.neo4j.graphdb.QueryExecutionException;
import relpred.client.Stub;

@Timeout(60)
class JobsTest {
    private static final Path CONF = Path.of(System.getenv("RELPRED_CONF"));
    private static final String JOB = """
            {"job_id": "j1", "kind": "%s", "state": "%s", "stage": "fit tower", "progress": 0.42, \
            "submitted_at": "2026-11-29T12:30:00+00:00", "started_at": "2026-11-29T12:30:01+00:00", \
            "ended_at": %s, "seconds": 2.5, "options": {"training.minutes": 3}, "result": %s, "error": %s, \
            "notes": ["few edges"]}
            """;
    private static final String ENDED = "\"2026-11-29T12:31:00+00:00\"";
    private static final String MODEL = """
            {"model": "main", "version": %d, "live": %s, "trained_at": "2026-11-29T12:30:00+00:00", \
            "figures": {"entityMrr": 0.5}, "training": {"minutes": 4.0, "seed": 0}}
            """;

    private final Stub stub = new Stub();

    @BeforeEach
    void pointToStub() throws IOException {
        Files.writeString(CONF, "service.address=" + stub.address() + "\nservice.deadline_ms=30000\n");
    }

    @AfterEach
    void close() {
        stub.close();
    }

    private static String running(String kind) {
        return JOB.formatted(kind, "running", "null", "{}", "null");
    }

    private static String done(String kind, String result) {
        return JOB.formatted(kind, "done", ENDED, result, "null");
    }

    private static String refused(String query) {
        return assertThrows(QueryExecutionException.class, () -> Database.run(query))
                .getMessage();
    }

    @Test
    void aTrainingIsWaitedForAndTellsItsFigures() {
        var looks = new AtomicInteger();
        stub.on("/v1/jobs/train", 200, running("train"));
        stub.on("/v1/jobs/show", exchange -> {
            String job = looks.incrementAndGet() < 3 ? running("train") : done("train", "{\"entityMrr\": 0.5}");
            byte[] body = job.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
        });
        var row = Database.run("CALL relpred.train({minutes: 3, randomSeed: 7, jobId: 'j1'})")
                .get(0);
        assertEquals(Set.of("trainMillis", "modelInfo", "configuration", "jobId", "status"), row.keySet());
        assertEquals(2500L, row.get("trainMillis"));
        assertEquals(Map.of("entityMrr", 0.5), row.get("modelInfo"));
        assertEquals(Map.of("training.minutes", 3L), row.get("configuration"));
        assertEquals("done", row.get("status"));
        assertEquals(3, looks.get());
        assertEquals("{\"job_id\":\"j1\"}", stub.lastBody);
    }

    @Test
    void whoDoesNotWaitIsTheFirstToKnow() {
        stub.on("/v1/jobs/publish", 200, running("publish"));
        var row = Database.run("CALL relpred.publish({threshold: 0.5, takeOver: true, async: true})")
                .get(0);
        assertEquals("running", row.get("status"));
        assertNull(row.get("relationshipsWritten"));
        assertTrue(stub.lastBody.contains("\"min_probability\":0.5"));
        assertTrue(stub.lastBody.contains("\"take_over\":true"));
    }

    @Test
    void whatWasPublishedIsCounted() {
        String report = "{\"run\": \"r1\", \"created\": 3, \"updated\": 2, \"removed\": 1, \"unchanged\": 9,"
                + " \"skipped\": {\"missing node\": 4}, \"seconds\": 0.5, \"dry_run\": false}";
        stub.on("/v1/jobs/publish", 200, done("publish", report));
        var row = Database.run("CALL relpred.publish()").get(0);
        assertEquals(2000L, row.get("computeMillis"));
        assertEquals(500L, row.get("writeMillis"));
        assertEquals(3L, row.get("relationshipsWritten"));
        assertEquals(1L, row.get("relationshipsDeleted"));
        assertEquals(Map.of("missing node", 4L), row.get("skipped"));
        assertEquals("r1", row.get("runId"));
        assertEquals("{}", stub.lastBody);
    }

    @Test
    void aFailureIsTheErrorOfTheQuery() {
        String error = "{\"code\": \"busy\", \"message\": \"Somebody publishes.\", \"hint\": \"Wait for it.\"}";
        stub.on("/v1/jobs/sync", 200, JOB.formatted("sync", "failed", ENDED, "{}", error));
        assertTrue(refused("CALL relpred.sync.trigger()").contains("Somebody publishes. Wait for it."));
        stub.on("/v1/jobs/train", 200, JOB.formatted("train", "cancelled", ENDED, "{}", "null"));
        assertTrue(refused("CALL relpred.train()").contains("The job j1 was cancelled."));
        assertTrue(refused("CALL relpred.train({minute: 1})").contains("Did you mean minutes?"));
    }

    @Test
    void whatAJobWouldTakeIsToldAndNothingSubmitted() {
        stub.on("/v1/jobs/train/estimate", 200, """
                {"nodes": 30, "relationships": 40, "bytes_min": 1000, "bytes_max": 5000000000, \
                "memory": "[1000 Bytes ... 4 GiB]", "parts": {"tower": 4000000000}, "free": null, "seconds": 690.0}
                """);
        stub.on("/v1/jobs/publish/estimate", 200, """
                {"questions": 120, "candidates": 3200, "settled": 7, "bytes_min": 3000000, "bytes_max": 3000000, \
                "memory": "2 MiB", "seconds": 60.0, "share": 0.5}
                """);
        var row = Database.run("CALL relpred.train.estimate({minutes: 3, async: true})").get(0);
        assertEquals("{\"minutes\":3}", stub.lastBody);
        assertEquals(
                List.of(30L, 40L, 1000L, 5_000_000_000L, "[1000 Bytes ... 4 GiB]", 690.0),
                List.of(
                        row.get("nodeCount"),
                        row.get("relationshipCount"),
                        row.get("bytesMin"),
                        row.get("bytesMax"),
                        row.get("requiredMemory"),
                        row.get("estimatedSeconds")));
        assertEquals(Map.of("tower", 4_000_000_000L), row.get("mapView"));
        assertNull(row.get("bytesFree"));
        row = Database.run("CALL relpred.publish.estimate({threshold: 0.5})").get(0);
        assertEquals("{\"min_probability\":0.5}", stub.lastBody);
        assertEquals(
                List.of(120L, 3200L, 7L, "2 MiB", 60.0, 0.5),
                List.of(
                        row.get("questions"),
                        row.get("candidates"),
                        row.get("settled"),
                        row.get("requiredMemory"),
                        row.get("estimatedSeconds"),
                        row.get("share")));
        assertTrue(refused("CALL relpred.train.estimate({minute: 1})").contains("Did you mean minutes?"));
    }

    @Test
    void aTerminatedQueryCancelsItsJob() throws Exception {
        var looked = new CountDownLatch(1);
        var cancelled = new CountDownLatch(1);
        stub.on("/v1/jobs/train", 200, running("train"));
        stub.on("/v1/jobs/show", exchange -> {
            byte[] body = running("train").getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            looked.countDown();
        });
        stub.on("/v1/jobs/withdraw", exchange -> {
            byte[] body = JOB.formatted("train", "cancelled", ENDED, "{}", "null").getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            cancelled.countDown();
        });
        try (var transaction = Database.OURS.beginTx()) {
            var query = CompletableFuture.runAsync(
                    () -> transaction.execute("CALL relpred.train()").resultAsString());
            assertTrue(looked.await(20, TimeUnit.SECONDS));
            transaction.terminate();
            assertTrue(cancelled.await(5, TimeUnit.SECONDS));
            assertThrows(Exception.class, () -> query.get(20, TimeUnit.SECONDS));
        }
        assertEquals("{\"job_id\":\"j1\"}", stub.lastBody);
    }

    @Test
    void progressIsThatOfWhatHasNotEnded() {
        stub.on("/v1/jobs/list", 200, running("train") + done("publish", "{}"));
        var rows = Database.run("CALL relpred.listProgress()");
        assertEquals(1, rows.size());
        assertEquals("train: fit tower", rows.get(0).get("taskName"));
        assertEquals("42%", rows.get(0).get("progress"));
        assertEquals("[####~~~~~~]", rows.get(0).get("progressBar"));
        assertEquals("PT2.5S", rows.get(0).get("elapsedTime").toString());
        assertEquals(2, Database.run("CALL relpred.listProgress({showCompleted: true})").size());
        assertEquals("few edges", Database.run("CALL relpred.userLog()").get(0).get("message"));
        assertEquals("done", Database.run("CALL relpred.job.list()").get(1).get("status"));
    }

    @Test
    void aCancelledJobIsTold() {
        stub.on("/v1/jobs/cancel", 200, JOB.formatted("train", "cancelled", ENDED, "{}", "null"));
        assertEquals("cancelled", Database.run("CALL relpred.job.cancel('j1')").get(0).get("status"));
        assertTrue(refused("CALL relpred.job.cancel(null)").contains("The argument jobId is null"));
    }

    @Test
    void versionsAreListedAndChosen() {
        stub.on("/v1/models/list", 200, MODEL.formatted(1, "true") + MODEL.formatted(2, "false"));
        stub.on("/v1/models/promote", 200, MODEL.formatted(2, "true"));
        stub.on("/v1/models/rollback", 200, MODEL.formatted(1, "true"));
        stub.on("/v1/models/drop", 200, MODEL.formatted(2, "false"));
        var rows = Database.run("CALL relpred.model.list()");
        assertEquals(
                Set.of("modelName", "version", "live", "creationTime", "modelInfo", "trainConfig"),
                rows.get(0).keySet());
        assertEquals(Map.of("entityMrr", 0.5), rows.get(1).get("modelInfo"));
        assertEquals(true, Database.run("CALL relpred.model.exists('main@2')").get(0).get("exists"));
        assertEquals(false, Database.run("CALL relpred.model.exists('main@3')").get(0).get("exists"));
        assertEquals(2L, Database.run("CALL relpred.model.deploy(2)").get(0).get("version"));
        assertEquals("{\"version\":2}", stub.lastBody);
        assertEquals(1L, Database.run("CALL relpred.model.rollback()").get(0).get("version"));
        assertEquals(2L, Database.run("CALL relpred.model.drop(2)").get(0).get("version"));
    }
}
