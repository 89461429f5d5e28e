package relpred.procedures;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZonedDateTime;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.neo4j.graphdb.QueryExecutionException;
import relpred.client.Stub;

@Timeout(60)
class SyncTest {
    private static final Path CONF = Path.of(System.getenv("RELPRED_CONF"));
    private static final String AT = "2026-11-29T12:30:00.25+00:00";
    private static final String RUNNING = """
            {"state": "waiting", "problem": null, "lag_seconds": 12.5, "pending": 3, "failing": 2, \
            "model": "main@2", "paused_by": %s, "training": "retrain: fit tower", "training_share": 0.5, \
            "training_result": null, "synced_at": "%2$s", "last_sync": {"created": 4, "sync_seconds": 1.5}, \
            "next_sync": "%2$s", "next_refresh": "%2$s", "next_retrain": null, "error_code": "busy", \
            "error_hint": "Wait.", "failures_in_a_row": 1, "host": "one", "beat_at": "%2$s"}
            """;
    private static final String ABSENT = """
            {"state": "absent", "problem": "No daemon has run.", "lag_seconds": null, "pending": 0, "failing": 0, \
            "model": null, "paused_by": null, "training": null, "training_share": 0.0, "training_result": null, \
            "synced_at": null, "last_sync": {}, "next_sync": null, "next_refresh": null, "next_retrain": null, \
            "error_code": null, "error_hint": null, "failures_in_a_row": 0, "host": null, "beat_at": null}
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

    private static String pausedBy(String whom) {
        return RUNNING.formatted(whom, AT);
    }

    @Test
    void theStatusIsARowWithTimesAndFigures() {
        stub.on("/v1/sync/status", 200, pausedBy("null"));
        var row = Database.run("CALL relpred.sync.status()").get(0);
        assertEquals(
                List.of("waiting", 12.5, 3L, 2L, "main@2", "retrain: fit tower", 0.5, "busy", "Wait.", 1L, "one"),
                List.of(
                        row.get("state"),
                        row.get("lagSeconds"),
                        row.get("pending"),
                        row.get("failing"),
                        row.get("model"),
                        row.get("training"),
                        row.get("trainingProgress"),
                        row.get("error"),
                        row.get("hint"),
                        row.get("failuresInARow"),
                        row.get("host")));
        assertEquals(Map.of("created", 4L, "sync_seconds", 1.5), row.get("lastSync"));
        var at = ZonedDateTime.parse(AT);
        for (String name : List.of("syncedAt", "nextSync", "nextRefresh", "beatAt")) {
            assertEquals(at.toInstant(), ((ZonedDateTime) row.get(name)).toInstant(), name);
        }
        for (String name : List.of("problem", "pausedBy", "trainingResult", "nextRetrain")) {
            assertNull(row.get(name), name);
        }
        assertEquals("{}", stub.lastBody);
    }

    @Test
    void aDaemonThatNeverRanIsARowToo() {
        stub.on("/v1/sync/status", 200, ABSENT);
        var row = Database.run("CALL relpred.sync.status() YIELD state, problem, lagSeconds, lastSync, beatAt")
                .get(0);
        assertEquals(List.of("absent", "No daemon has run."), List.of(row.get("state"), row.get("problem")));
        assertEquals(Map.of(), row.get("lastSync"));
        assertNull(row.get("lagSeconds"));
        assertNull(row.get("beatAt"));
    }

    @Test
    void aPauseSaysWhoPausedAndAResumeNothing() {
        stub.on("/v1/sync/pause", 200, pausedBy("\"anna\"")).on("/v1/sync/resume", 200, pausedBy("null"));
        assertEquals("anna", Database.run("CALL relpred.sync.pause({by: 'anna'})").get(0).get("pausedBy"));
        assertEquals("{\"by\":\"anna\"}", stub.lastBody);
        Database.run("CALL relpred.sync.pause()");
        assertEquals("{\"by\":\"somebody who was not logged in\"}", stub.lastBody);
        assertNull(Database.run("CALL relpred.sync.resume()").get(0).get("pausedBy"));
        assertEquals("{}", stub.lastBody);
        String message = assertThrows(
                        QueryExecutionException.class, () -> Database.run("CALL relpred.sync.pause({who: 'anna'})"))
                .getMessage();
        assertTrue(message.contains("unknown key who"), message);
    }

    @Test
    void failuresAreRows() {
        stub.on("/v1/sync/failures", 200, """
                {"item": "Ada", "step": "encode", "error": "NotFinite", "tries": 3, "again_at": "%s"}
                {"item": "Bob", "step": "encode", "error": "NotFinite", "tries": 9, "again_at": null}
                """.formatted(AT));
        var rows = Database.run("CALL relpred.sync.failures({topK: 5})");
        assertEquals(List.of("Ada", 3L), List.of(rows.get(0).get("item"), rows.get(0).get("tries")));
        assertNull(rows.get(1).get("againAt"));
        assertEquals("{\"top_k\":5}", stub.lastBody);
    }
}
