package relpred.procedures;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
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
import org.neo4j.graphdb.Result;
import org.neo4j.graphdb.TransactionTerminatedException;
import relpred.client.Stub;
import relpred.client.Version;

@Timeout(60)
class ProceduresTest {
    private static final Path CONF = Path.of(System.getenv("RELPRED_CONF"));
    private static final String PAIR = "MATCH (a:Person {name: 'Ada'}), (b:Person {name: 'Bob'}) ";

    private static final GraphDatabaseService DATABASE = Database.OURS;

    private final Stub stub = new Stub();
    private String ada;
    private String bob;

    @BeforeEach
    void fill() throws IOException {
        pointTo(stub.address());
        run("MATCH (n) DETACH DELETE n");
        var ids = run("CREATE (a:Person {name: 'Ada'}), (b:Person {name: 'Bob'}) "
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

    @Test
    void relationsAreRankedBetweenTwoNodes() {
        stub.on("/v1/relations", 200, Stub.row(ada, "KNOWS", bob, 1) + Stub.row(ada, "LIKES", bob, 2));
        var rows = run(
                PAIR + "CALL relpred.predict.relations.stream(a, b, {topK: 2, threshold: 0.5}) YIELD head, relation,"
                        + " tail, score, probability, rank, model, run, evidence RETURN head.name AS head, relation,"
                        + " tail.name AS tail, score, probability, rank, model, run, evidence");
        assertEquals(2, rows.size());
        var first = rows.get(0);
        assertEquals("Ada", first.get("head"));
        assertEquals("KNOWS", first.get("relation"));
        assertEquals("Bob", first.get("tail"));
        assertEquals(1.5, first.get("score"));
        assertEquals(0.75, first.get("probability"));
        assertEquals(1L, first.get("rank"));
        assertEquals("main/1", first.get("model"));
        assertNull(first.get("run"));
        assertEquals("both are ∂", first.get("evidence"));
        assertTrue(stub.lastBody.contains("\"top_k\":2") && stub.lastBody.contains("\"min_probability\":0.5"));
    }

    @Test
    void tailsAndHeadsAreRealNodesThatFurtherPatternsJoin() {
        run(PAIR + "CREATE (a)-[:KNOWS]->(:Person {name: 'Cid'}), (b)-[:KNOWS]->(:Person {name: 'Dan'})");
        stub.on("/v1/tails", 200, Stub.row(ada, "LIKES", bob, 1));
        stub.on("/v1/heads", 200, Stub.row(ada, "LIKES", bob, 1));
        assertEquals(
                List.of(Map.of("name", "Dan")),
                run(PAIR + "CALL relpred.predict.tails.stream(a, 'LIKES') YIELD tail "
                        + "MATCH (tail)-[:KNOWS]->(friend) RETURN friend.name AS name"));
        assertEquals(
                List.of(Map.of("name", "Cid")),
                run(PAIR + "CALL relpred.predict.heads.stream(b, 'LIKES') YIELD head "
                        + "MATCH (head)-[:KNOWS]->(friend) RETURN friend.name AS name"));
    }

    @Test
    void keysThatTheServiceNamesAreToldOfEachNodeFromThenOn() {
        stub.on("/v1/tails", exchange -> {
            byte[] body = Stub.row(ada, "LIKES", bob, 1).getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("X-Relpred-Keys", "name,a%2Cb,born");
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
        });
        run("MATCH (a:Person {name: 'Ada'}) SET a.born = date('1815-12-10'), a.`a,b` = 7");
        var tails = "CALL relpred.predict.tails.stream(a, 'LIKES') YIELD tail RETURN tail.name AS name";
        assertEquals(1, run(PAIR + tails).size());
        assertFalse(stub.lastBody.contains("labels"));
        assertEquals(1, run(PAIR + tails).size());
        assertTrue(stub.lastBody.contains("\"labels\":[\"Person\"]") && stub.lastBody.contains("\"name\":\"Ada\""));
        assertTrue(stub.lastBody.contains("\"a,b\":7"));
        assertFalse(stub.lastBody.contains("born")); // a date has no one spelling: the service looks itself
        run("MATCH (a:Person {name: 'Ada'}), (b:Person {name: 'Bob'}) WITH [a, b] AS nodes CALL"
                + " relpred.predict.tails.stream(nodes, 'LIKES') YIELD tail RETURN tail");
        assertTrue(stub.lastBody.contains("\"name\":\"Ada\"") && stub.lastBody.contains("\"name\":\"Bob\""));
    }

    @Test
    void aListOfNodesIsOneRequestAndEachRowHasItsNode() {
        stub.on("/v1/tails", 200, Stub.row(ada, "LIKES", bob, 1) + Stub.row(bob, "LIKES", ada, 1));
        stub.on("/v1/heads", 200, Stub.row(ada, "LIKES", bob, 1));
        assertEquals(
                List.of(Map.of("head", "Ada", "tail", "Bob"), Map.of("head", "Bob", "tail", "Ada")),
                run(PAIR + "CALL relpred.predict.tails.stream([a, b, a], 'LIKES') YIELD head, tail "
                        + "RETURN head.name AS head, tail.name AS tail"));
        assertTrue(
                stub.lastBody.contains("\"heads\":[{\"element_id\":\"" + ada + "\"},{\"element_id\":\"" + bob + "\"}]"),
                stub.lastBody);
        assertEquals(
                List.of(Map.of("head", "Ada", "tail", "Bob")),
                run(PAIR + "CALL relpred.predict.heads.stream([b], 'LIKES') YIELD head, tail "
                        + "RETURN head.name AS head, tail.name AS tail"));
        assertTrue(stub.lastBody.contains("\"tails\":["), stub.lastBody);
        stub.close();
        assertEquals(List.of(), run("CALL relpred.predict.tails.stream([], 'LIKES') YIELD rank RETURN rank"));
        assertTrue(refused(PAIR + "CALL relpred.predict.tails.stream([a, 3], 'X') YIELD rank RETURN rank")
                .contains("neither a node nor a list of nodes"));
        assertTrue(refused(PAIR + "CALL relpred.predict.tails.stream([a, null], 'X') YIELD rank RETURN rank")
                .contains("head is null"));
    }

    @Test
    void aNodeThatIsNotCommittedIsDescribedWhenTheServiceDoesNotKnowIt() {
        stub.on("/v1/tails", exchange -> {
            boolean described = stub.lastBody.contains("\"described\"");
            String answer = described
                    ? Stub.row(ada, "LIKES", bob, 1)
                    : "{\"code\": \"unknown-entity\", \"message\": \"No such node.\", \"hint\": \"Commit it.\"}";
            byte[] body = answer.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(described ? 200 : 404, body.length);
            exchange.getResponseBody().write(body);
        });
        var rows = run("MATCH (b:Person {name: 'Bob'}) CREATE (n:Draft:Person {name: 'Eve', age: 7, nan: 0.0 / 0.0,"
                + " born: date('1990-01-01'), tags: ['a', 'b']})-[:KNOWS]->(b) WITH n"
                + " CALL relpred.predict.tails.stream(n, 'LIKES') YIELD head, tail"
                + " RETURN head.name AS h, tail.name AS t");
        assertEquals(List.of(Map.of("h", "Eve", "t", "Bob")), rows);
        assertTrue(stub.lastBody.contains("\"name\":\"Eve\""), stub.lastBody);
        assertTrue(stub.lastBody.contains("\"age\":7"), stub.lastBody);
        assertTrue(stub.lastBody.contains("\"tags\":[\"a\",\"b\"]"), stub.lastBody);
        assertTrue(stub.lastBody.contains("\"outgoing\":true"), stub.lastBody);
        assertTrue(stub.lastBody.contains("\"other\":\"" + bob + "\""), stub.lastBody);
        assertFalse(stub.lastBody.contains("born") || stub.lastBody.contains("nan"), stub.lastBody);
    }

    @Test
    void anEmptyAnswerIsNoRow() {
        stub.on("/v1/relations", 200, "");
        assertEquals(
                List.of(), run(PAIR + "CALL relpred.predict.relations.stream(a, b) YIELD relation RETURN relation"));
        run("MATCH (n) DETACH DELETE n");
        assertEquals(
                List.of(), run(PAIR + "CALL relpred.predict.relations.stream(a, b) YIELD relation RETURN relation"));
    }

    @Test
    void answersWhoseNodeWasDeletedMeanwhileAreLeftOut() {
        var gone = (String)
                run("CREATE (c:Person) RETURN elementId(c) AS id").get(0).get("id");
        run("MATCH (c:Person) WHERE elementId(c) = '" + gone + "' DELETE c");
        stub.on(
                "/v1/tails",
                200,
                Stub.row(ada, "LIKES", gone, 1)
                        + Stub.row(ada, "LIKES", "nonsense", 2)
                        + Stub.row(ada, "LIKES", bob, 3));
        assertEquals(
                List.of(Map.of("name", "Bob", "rank", 3L)),
                run(PAIR
                        + "CALL relpred.predict.tails.stream(a, 'LIKES') YIELD tail, rank RETURN tail.name AS"
                        + " name, rank"));
    }

    @Test
    void aQueryThatHasEnoughRowsGivesUpTheRest() throws InterruptedException {
        var givenUp = new CountDownLatch(1);
        stub.on("/v1/relations", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            try {
                while (true) {
                    exchange.getResponseBody()
                            .write(Stub.row(ada, "KNOWS", bob, 1).getBytes(StandardCharsets.UTF_8));
                }
            } catch (IOException gone) {
                givenUp.countDown();
            }
        });
        assertEquals(
                2,
                run(PAIR + "CALL relpred.predict.relations.stream(a, b) YIELD rank RETURN rank LIMIT 2")
                        .size());
        assertTrue(givenUp.await(20, TimeUnit.SECONDS));
    }

    @Test
    void aServiceThatIsDownIsAnErrorThatNamesTheRemedy() {
        stub.close();
        String message = refused(PAIR + "CALL relpred.predict.relations.stream(a, b) YIELD relation RETURN relation");
        for (String part : List.of("relpred serve", "service.address", CONF.toString(), "RELPRED_SERVICE_ADDRESS")) {
            assertTrue(message.contains(part), message);
        }
    }

    @Test
    void anUnknownKeyIsRefusedWithTheOneThatWasMeant() {
        String message =
                refused(PAIR + "CALL relpred.predict.relations.stream(a, b, {topk: 3}) YIELD rank RETURN rank");
        assertTrue(message.contains("Did you mean topK?"), message);
        message = refused(PAIR + "CALL relpred.predict.tails.stream(a, 'X', {colour: 3}) YIELD rank RETURN rank");
        assertTrue(message.contains("Known are: modelName, threshold, timeoutMillis, topK."), message);
    }

    @Test
    void valuesThatCannotBeUsedAreRefused() {
        for (String map : List.of(
                "{topK: 0}", "{topK: 1.5}", "{topK: 'many'}", "{threshold: 2}", "{timeoutMillis: -1}", "null")) {
            String message =
                    refused(PAIR + "CALL relpred.predict.relations.stream(a, b, " + map + ") YIELD rank RETURN rank");
            assertTrue(message.contains("The configuration"), message);
        }
        assertTrue(refused("CALL relpred.predict.tails.stream(null, 'X') YIELD rank RETURN rank")
                .contains("head is null"));
    }

    @Test
    void aTerminatedTransactionDoesNotWaitForTheService() throws IOException {
        try (var blackHole = new ServerSocket(0, 10, InetAddress.getLoopbackAddress())) {
            pointTo("http://127.0.0.1:" + blackHole.getLocalPort());
            try (var transaction = DATABASE.beginTx()) {
                var terminated = CompletableFuture.runAsync(() -> {
                    try {
                        blackHole.accept();
                        transaction.terminate();
                    } catch (IOException error) {
                        throw new IllegalStateException(error);
                    }
                });
                var error = assertThrows(RuntimeException.class, () -> {
                    try (Result result = transaction.execute(
                            PAIR + "CALL relpred.predict.relations.stream(a, b) YIELD relation RETURN relation")) {
                        result.resultAsString();
                    }
                });
                terminated.join();
                assertTrue(isTermination(error), error.toString());
            }
        }
    }

    private static boolean isTermination(Throwable error) {
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof TransactionTerminatedException
                    || cause.getMessage().contains("terminated")) {
                return true;
            }
        }
        return false;
    }

    @Test
    void healthIsOneRowWhetherTheServiceRunsOrNot() throws IOException {
        stub.on("/healthz", 200, "{\"status\": \"ok\", \"version\": \"9.9.9\", \"wire\": 1, \"model\": \"main/3\"}");
        var row = run("CALL relpred.health()").get(0);
        assertEquals(
                List.of("ok", "9.9.9", "main/3", 1L),
                List.of(row.get("status"), row.get("service"), row.get("model"), row.get("wireVersion")));
        assertEquals(stub.address(), row.get("address"));
        try (var newer = new Stub()) {
            pointTo(newer.address());
            newer.on("/healthz", 200, "{\"status\": \"ok\", \"version\": \"9.9.9\", \"wire\": 2, \"model\": null}");
            row = run("CALL relpred.health()").get(0);
            assertEquals("incompatible", row.get("status"));
            assertTrue(((String) row.get("message")).contains("version 2"));
        }
        row = run("CALL relpred.health()").get(0);
        assertEquals("down", row.get("status"));
        assertTrue(((String) row.get("message")).contains("relpred serve"));
    }

    @Test
    void theSettingsOfTheServiceAreRows() {
        stub.on("/v1/config/show", 200, """
                {"key": "graph.password", "value": "set"}
                {"key": "graph.keys", "value": {"Person": "id"}}
                {"key": "graph.names", "value": ["name", "title"]}
                {"key": "model.hidden", "value": 192}
                {"key": "training.memory_gb", "value": null}
                """);
        var rows = run("CALL relpred.config.show() YIELD key, value RETURN key, value");
        assertEquals("set", rows.get(0).get("value"));
        assertEquals(Map.of("Person", "id"), rows.get(1).get("value"));
        assertEquals(List.of("name", "title"), rows.get(2).get("value"));
        assertEquals(192L, rows.get(3).get("value"));
        assertNull(rows.get(4).get("value"));
    }

    @Test
    void theVersionIsThatOfTheBuild() {
        assertEquals(
                Version.JAR, run("RETURN relpred.version() AS version").get(0).get("version"));
        assertTrue(Version.JAR.matches("\\d+\\.\\d+\\.\\d+.*"), Version.JAR);
    }

    @Test
    void everyProcedureSaysItsModeAndWhatItDoes() {
        var procedures = run("SHOW PROCEDURES YIELD name, mode, description, admin WHERE name STARTS WITH 'relpred.' "
                + "RETURN name, mode, description, admin ORDER BY name");
        assertEquals(
                List.of(
                        "relpred.config.show READ",
                        "relpred.explain READ",
                        "relpred.health READ",
                        "relpred.job.cancel WRITE",
                        "relpred.job.list READ",
                        "relpred.listProgress READ",
                        "relpred.model.deploy READ",
                        "relpred.model.drop READ",
                        "relpred.model.exists READ",
                        "relpred.model.list READ",
                        "relpred.model.rollback READ",
                        "relpred.predict.heads.estimate READ",
                        "relpred.predict.heads.stats READ",
                        "relpred.predict.heads.stream READ",
                        "relpred.predict.heads.write WRITE",
                        "relpred.predict.relations.estimate READ",
                        "relpred.predict.relations.stats READ",
                        "relpred.predict.relations.stream READ",
                        "relpred.predict.relations.write WRITE",
                        "relpred.predict.tails.estimate READ",
                        "relpred.predict.tails.stats READ",
                        "relpred.predict.tails.stream READ",
                        "relpred.predict.tails.write WRITE",
                        "relpred.predict.triples.estimate READ",
                        "relpred.predict.triples.stats READ",
                        "relpred.predict.triples.stream READ",
                        "relpred.predict.triples.write WRITE",
                        "relpred.publish WRITE",
                        "relpred.publish.estimate READ",
                        "relpred.review.accept WRITE",
                        "relpred.review.list READ",
                        "relpred.review.reject WRITE",
                        "relpred.review.withdraw WRITE",
                        "relpred.run.list READ",
                        "relpred.run.undo WRITE",
                        "relpred.sync.failures READ",
                        "relpred.sync.pause WRITE",
                        "relpred.sync.resume WRITE",
                        "relpred.sync.status READ",
                        "relpred.sync.trigger WRITE",
                        "relpred.train READ",
                        "relpred.train.estimate READ",
                        "relpred.userLog READ"),
                procedures.stream()
                        .map(row -> row.get("name") + " " + row.get("mode"))
                        .toList());
        for (var row : procedures) {
            assertTrue(((String) row.get("description")).matches("[A-Z][^.]+\\."), row.toString());
        }
    }
}
