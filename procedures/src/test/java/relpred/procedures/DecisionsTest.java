package relpred.procedures;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZonedDateTime;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.neo4j.graphdb.QueryExecutionException;
import relpred.client.Stub;

@Timeout(60)
class DecisionsTest {
    private static final Path CONF = Path.of(System.getenv("RELPRED_CONF"));
    private static final String EDGE = "MATCH (:Person)-[e:PREDICTED_LIKES]->(:Person) ";
    private static final String MAP = "CALL relpred.review.accept({head: 'Ada', relation: 'LIKES', tail: 'Bob'}";
    private static final String WAITING = """
            {"head": "Ada", "relation": "LIKES", "tail": "Bob", "head_name": "Ada L.", "tail_name": "Bob", \
            "state": "pending", "probability": 0.75, "evidence": "both are ∂", "model": "main/1", "run": "r1", \
            "reason": null, "note": null, "by": null, "at": null}
            """;
    private static final String DECIDED = """
            {"head": "Ada", "relation": "LIKES", "tail": "Bob", "head_name": null, "tail_name": null, \
            "state": "%s", "probability": null, "evidence": null, "model": null, "run": null, \
            "reason": "other", "note": "seen", "by": "anna", "at": "2026-11-29T12:30:00.25+00:00"}
            """;

    private final Stub stub = new Stub();
    private String ada;
    private String bob;

    @BeforeEach
    void fill() throws IOException {
        settings("service.deadline_ms=30000\n");
        run("MATCH (n) DETACH DELETE n");
        var ids = run("CREATE (a:Person {name: 'Ada'})-[:PREDICTED_LIKES {key: 'k1'}]->(b:Person {name: 'Bob'}) "
                        + "RETURN elementId(a) AS ada, elementId(b) AS bob")
                .get(0);
        ada = (String) ids.get("ada");
        bob = (String) ids.get("bob");
    }

    @AfterEach
    void close() {
        stub.close();
    }

    private void settings(String more) throws IOException {
        Files.writeString(CONF, "service.address=" + stub.address() + "\n" + more);
    }

    private static List<Map<String, Object>> run(String query) {
        return Database.run(query);
    }

    private static List<Object> values(Map<String, Object> row, String columns) {
        return Stream.of(columns.split(" ")).map(row::get).toList();
    }

    private static String refused(String query) {
        return assertThrows(QueryExecutionException.class, () -> run(query)).getMessage();
    }

    @Test
    void whatWaitsIsListedWithItsLimits() {
        stub.on("/v1/review/list", 200, WAITING + WAITING);
        var rows = run("CALL relpred.review.list({relation: 'LIKES', order: 'uncertain', threshold: 0.5, topK: 3})");
        assertEquals(2, rows.size());
        var row = rows.get(0);
        assertEquals(
                List.of("Ada", "LIKES", "Bob", "Ada L.", "Bob", "pending", 0.75, "both are ∂", "main/1", "r1"),
                values(row, "head relation tail headName tailName state probability evidence model run"));
        assertNull(row.get("decidedBy"));
        assertNull(row.get("decidedAt"));
        assertEquals(
                "{\"relation\":\"LIKES\",\"decided\":false,\"order\":\"uncertain\",\"min_probability\":0.5,"
                        + "\"top_k\":3}",
                stub.lastBody);
    }

    @Test
    void decisionsAreListedWithWhoAndWhen() {
        stub.on("/v1/review/list", 200, DECIDED.formatted("rejected"));
        var row = run("CALL relpred.review.list({decided: true})").get(0);
        assertEquals(
                List.of("rejected", "other", "seen", "anna"),
                values(row, "state reason note decidedBy"));
        assertTrue(ZonedDateTime.parse("2026-11-29T12:30:00.25Z").isEqual((ZonedDateTime) row.get("decidedAt")));
        assertNull(row.get("probability"));
        assertEquals("{\"decided\":true,\"min_probability\":0.0,\"top_k\":10}", stub.lastBody);
    }

    @Test
    void aPredictedEdgeIsAcceptedByItsNodesItsTypeAndItsKey() {
        stub.on("/v1/review/accept", 200, DECIDED.formatted("accepted"));
        var rows = run(EDGE + "CALL relpred.review.accept(e, {by: 'anna', note: 'seen'}) YIELD state, decidedBy "
                + "RETURN state, decidedBy");
        assertEquals(List.of(Map.of("state", "accepted", "decidedBy", "anna")), rows);
        assertEquals(
                "{\"head\":{\"element_id\":\"" + ada + "\"},\"relation\":\"PREDICTED_LIKES\","
                        + "\"tail\":{\"element_id\":\"" + bob + "\"},\"key\":\"k1\",\"by\":\"anna\",\"note\":\"seen\"}",
                stub.lastBody);
    }

    @Test
    void aTripleIsNamedByAMapOfIdsOrNodes() {
        stub.on("/v1/review/reject", 200, DECIDED.formatted("rejected"));
        run("MATCH (a {name: 'Ada'}) CALL relpred.review.reject({head: a, relation: 'LIKES', tail: 'Bob'}, "
                + "{by: 'anna', reason: 'wrong-kind'}) YIELD state RETURN state");
        assertEquals(
                "{\"head\":{\"element_id\":\"" + ada + "\"},\"relation\":\"LIKES\",\"tail\":{\"id\":\"Bob\"},"
                        + "\"by\":\"anna\",\"note\":\"\",\"reason\":\"wrong-kind\"}",
                stub.lastBody);
    }

    @Test
    void whatAcceptingMadeIsWithdrawnByItsOwnKey() {
        run("MATCH (a {name: 'Ada'}), (b {name: 'Bob'}) CREATE (a)-[:LIKES {relpredKey: 'k2'}]->(b)");
        stub.on("/v1/review/withdraw", 200, DECIDED.formatted("withdrawn"));
        run("MATCH ()-[r:LIKES]->() CALL relpred.review.withdraw(r) YIELD state RETURN state");
        assertTrue(stub.lastBody.contains("\"relation\":\"LIKES\"") && stub.lastBody.contains("\"key\":\"k2\""));
        assertFalse(stub.lastBody.contains("\"by\""));
    }

    @Test
    void aDecisionIsMadeEvenIfItsRowIsNotRead() {
        stub.on("/v1/review/accept", 200, DECIDED.formatted("accepted"));
        run(EDGE + "CALL relpred.review.accept(e, {by: 'anna'}) YIELD state RETURN count(*) AS n");
        assertTrue(stub.lastBody.contains("\"by\":\"anna\""));
    }

    @Test
    void whatNamesNoTripleIsRefused() {
        run("MATCH (a {name: 'Ada'}), (b {name: 'Bob'}) CREATE (a)-[:KNOWS]->(b)");
        String call = " CALL relpred.review.withdraw(%s) YIELD state RETURN state";
        assertTrue(refused("MATCH ()-[r:KNOWS]->()" + call.formatted("r")).contains("it has no key"));
        assertTrue(refused("WITH 1 AS x" + call.formatted("null")).contains("triple is null"));
        for (String wrong : List.of("'Ada'", "5", "[1, 2]")) {
            assertTrue(refused("WITH 1 AS x" + call.formatted(wrong)).contains("neither a relationship nor a map"));
        }
        assertTrue(refused("WITH 1 AS x" + call.formatted("{head: 'a', relation: 'R', tial: 'b'}"))
                .contains("Did you mean tail?"));
        assertTrue(refused("WITH 1 AS x" + call.formatted("{head: 'a', tail: 'b'}")).contains("lacks relation"));
        assertTrue(refused("WITH 1 AS x" + call.formatted("{head: 5, relation: 'R', tail: 'b'}"))
                .contains("no head that names a node"));
        assertTrue(refused(EDGE + "DELETE e WITH e" + call.formatted("e")).contains("not there any more"));
    }

    @Test
    void aConfigurationThatCannotBeUsedIsRefused() {
        assertTrue(refused(MAP + ", {bye: 'anna'}) YIELD state RETURN state").contains("Did you mean by?"));
        assertTrue(refused(MAP + ", {by: 5}) YIELD state RETURN state").contains("It must be a string."));
        assertTrue(refused(MAP + ", {by: 'anna', reason: 'other'}) YIELD state RETURN state")
                .contains("unknown key reason"));
        assertTrue(refused("CALL relpred.review.list({decided: 'yes'})").contains("true or false"));
        assertTrue(refused("CALL relpred.run.undo('r1', {dryRun: 1})").contains("true or false"));
        assertTrue(refused("CALL relpred.run.undo(null)").contains("run is null"));
        assertTrue(refused("CALL relpred.run.list({topK: 20000})").contains("service.max_rows"));
        assertTrue(refused("CALL relpred.review.list({topK: 20000})").contains("service.max_rows"));
    }

    @Test
    void withoutALoginOneSaysWhoDecides() {
        String message = refused(MAP + ") YIELD state RETURN state");
        assertTrue(message.contains("{by: 'anna'}"), message);
    }

    @Test
    void anErrorOfTheServiceKeepsItsMessageAndHint() {
        stub.on("/v1/run/undo", 409, "{\"code\": \"busy\", \"message\": \"Ben publishes.\", \"hint\": \"Wait.\"}");
        assertTrue(refused("CALL relpred.run.undo('r1')").contains("Ben publishes. Wait."));
    }

    @Test
    void whoeverGivesADecisionUpIsToldThatItMayGoOn() {
        stub.on("/v1/review/accept", exchange -> {
            try {
                Thread.sleep(2_000);
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
            }
        });
        String message = refused(MAP + ", {by: 'anna', timeoutMillis: 100}) YIELD state RETURN state");
        assertTrue(message.contains("did not answer within 100 ms"), message);
        assertTrue(message.contains("may still be carried out"), message);
    }

    @Test
    void whatMustNotBeDoneTwiceIsNotSentTwice() {
        var calls = new AtomicInteger();
        for (String path : List.of("/v1/review/withdraw", "/v1/run/undo", "/v1/review/accept")) {
            stub.on(path, exchange -> {
                calls.incrementAndGet();
                throw new IOException("closed without an answer");
            });
        }
        String triple = "({head: 'Ada', relation: 'LIKES', tail: 'Bob'}";
        assertTrue(refused("CALL relpred.review.withdraw" + triple + ")").contains("may still be carried out"));
        assertTrue(refused("CALL relpred.run.undo('r1')").contains("broke off"));
        assertEquals(2, calls.get());
        refused("CALL relpred.review.accept" + triple + ", {by: 'anna'})");
        assertEquals(4, calls.get());
    }

    @Test
    void theLedgerIsListed() {
        stub.on(
                "/v1/run/list",
                200,
                """
                {"run": "r2", "kind": "undo", "model": "main", "status": "publishing", \
                "started_at": "2026-11-29T12:30:00+00:00", "finished_at": null, "created": 1, "updated": 2, \
                "removed": 3, "unchanged": 4, "reason": ""}
                """);
        var row = run("CALL relpred.run.list()").get(0);
        assertEquals(
                List.of("r2", "undo", "main", "publishing", 1L, 2L, 3L, 4L, ""),
                values(row, "run kind model status created updated removed unchanged reason"));
        assertTrue(row.get("startedAt") instanceof ZonedDateTime);
        assertNull(row.get("finishedAt"));
        assertEquals("{\"top_k\":10}", stub.lastBody);
    }

    @Test
    void aRunIsUndone() {
        stub.on(
                "/v1/run/undo",
                200,
                """
                {"run": "r3", "created": 1, "updated": 2, "removed": 3, "unchanged": 4, \
                "skipped": {"decided by a person": 5}, "seconds": 0.25, "dry_run": true}
                """);
        var row = run("CALL relpred.run.undo('r2', {dryRun: true})").get(0);
        assertEquals(
                Map.of(
                        "run", "r3", "created", 1L, "updated", 2L, "removed", 3L, "unchanged", 4L, "skipped",
                        Map.of("decided by a person", 5L), "writeMillis", 250L, "dryRun", true),
                row);
        assertTrue(stub.lastBody.contains("\"run\":\"r2\"") && stub.lastBody.contains("\"dry_run\":true"));
    }

    @Test
    void rowsThatAreNotAsAgreedAreRefused() {
        for (String wrong : List.of(
                DECIDED.formatted("accepted").replace("2026-11-29T", "yesterday "),
                DECIDED.formatted("accepted").replace("\"Ada\"", "5"),
                DECIDED.formatted("accepted").replace("\"probability\": null", "\"probability\": \"high\""))) {
            try (var other = new Stub().on("/v1/review/list", 200, wrong)) {
                Files.writeString(CONF, "service.address=" + other.address() + "\n");
                assertTrue(refused("CALL relpred.review.list()").contains("cannot be read"), wrong);
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
        }
    }
}
