package relpred.procedures;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.neo4j.graphdb.QueryExecutionException;
import relpred.client.Stub;

@Timeout(60)
class ExplainTest {
    private static final Path CONF = Path.of(System.getenv("RELPRED_CONF"));
    private static final String CALL = "MATCH (a:Person {name: 'Ada'}), (b:Person {name: 'Bob'}) "
            + "CALL relpred.explain(a, 'LIKES', b) ";
    private static final String KIND =
            """
            {"kind": "text and graph", "share": 0.75, "explanation": "alike", "pattern": null, "bindings": [], \
            "support": null, "confidence": null, "score": 1.5, "probability": 0.5, "model": "main@1"}
            """;

    private final Stub stub = new Stub();
    private String ada;
    private String bob;
    private String gone;

    @BeforeEach
    void fill() throws IOException {
        Files.writeString(CONF, "service.address=" + stub.address() + "\nservice.deadline_ms=30000\n");
        Database.run("MATCH (n) DETACH DELETE n");
        var ids = Database.run("UNWIND ['Ada', 'Bob', 'Cid'] AS name CREATE (n:Person {name: name}) "
                + "RETURN elementId(n) AS id ORDER BY name");
        ada = (String) ids.get(0).get("id");
        bob = (String) ids.get(1).get("id");
        gone = (String) ids.get(2).get("id");
        Database.run("MATCH (n {name: 'Cid'}) DELETE n");
    }

    @AfterEach
    void close() {
        stub.close();
    }

    /** A rule with paths from Ada to Bob over one node each. */
    private String rule(String... middles) {
        var paths = Arrays.stream(middles)
                .map(middle -> "[{\"element_id\": \"%s\"}, {\"element_id\": \"%s\"}, {\"element_id\": \"%s\"}]"
                        .formatted(ada, middle, bob))
                .toList();
        return """
                {"kind": "rule", "share": null, "explanation": "friends of friends", \
                "pattern": "(h)-[:`KNOWS`]->(x1)-[:`KNOWS`]->(t)", "bindings": [%s], \
                "support": 12, "confidence": 0.5, "score": 1.5, "probability": 0.5, "model": "main@1"}
                """
                .formatted(String.join(", ", paths));
    }

    @Test
    void aKindHasAShareAndARuleHasPathsOfRealNodes() {
        stub.on("/v1/explain", 200, KIND + rule(bob));
        var rows = Database.run(CALL + "YIELD kind, share, explanation, pattern, bindings, support, confidence, score,"
                + " probability, model RETURN *, [path IN bindings | [node IN path | node.name]] AS names");
        assertEquals(2, rows.size());
        for (var row : rows) {
            assertEquals(
                    List.of(1.5, 0.5, "main@1"), List.of(row.get("score"), row.get("probability"), row.get("model")));
        }
        var kind = rows.get(0);
        assertEquals(
                Arrays.asList("text and graph", 0.75, "alike", null, List.of(), null, null),
                Arrays.asList(
                        kind.get("kind"),
                        kind.get("share"),
                        kind.get("explanation"),
                        kind.get("pattern"),
                        kind.get("bindings"),
                        kind.get("support"),
                        kind.get("confidence")));
        var rule = rows.get(1);
        assertEquals(
                Arrays.asList("rule", null, "friends of friends", "(h)-[:`KNOWS`]->(x1)-[:`KNOWS`]->(t)", 12L, 0.5),
                Arrays.asList(
                        rule.get("kind"),
                        rule.get("share"),
                        rule.get("explanation"),
                        rule.get("pattern"),
                        rule.get("support"),
                        rule.get("confidence")));
        assertEquals(List.of(List.of("Ada", "Bob", "Bob")), rule.get("names"));
        assertEquals(
                "{\"head\":{\"element_id\":\"" + ada + "\"},\"relation\":\"LIKES\",\"tail\":{\"element_id\":\"" + bob
                        + "\"}}",
                stub.lastBody);
    }

    @Test
    void nothingIsToldOfNodesThatTheCallerDoesNotSee() {
        stub.on("/v1/explain", 200, KIND + rule(gone) + rule(gone, "nonsense", bob));
        assertEquals(
                List.of(Map.of("kind", "text and graph", "paths", 0L), Map.of("kind", "rule", "paths", 1L)),
                Database.run(CALL + "YIELD kind, bindings RETURN kind, size(bindings) AS paths"));
    }

    @Test
    void whatCannotBeAskedOrReadIsRefused() {
        stub.on("/v1/explain", 200, KIND.replace("[]", "3"));
        var wrong = Map.of(
                "CALL relpred.explain(null, 'LIKES', null) ", "head is null",
                CALL.replace("'LIKES'", "null"), "relation is null",
                CALL.replace("b)", "b, {topK: 3})"), "Known are: timeoutMillis.",
                CALL, "bindings is not a list of lists");
        wrong.forEach((call, message) -> {
            var error = assertThrows(
                    QueryExecutionException.class, () -> Database.run(call + "YIELD kind RETURN kind"));
            assertTrue(error.getMessage().contains(message), error.getMessage());
        });
    }
}
