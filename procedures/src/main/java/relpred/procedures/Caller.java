package relpred.procedures;

import java.util.Optional;
import org.neo4j.graphdb.Result;
import org.neo4j.graphdb.Transaction;

/** Who calls. The security context itself cannot be injected without making the operator lift restrictions. */
final class Caller {
    private static final String WHO = "dbms.showCurrentUser";

    private Caller() {}

    /**
     * Who is logged in; nobody on a server that asks for no login, which does not have the procedure that tells. It is
     * looked for first, since a query that fails ends the caller's transaction.
     */
    static Optional<String> name(Transaction transaction) {
        return first(transaction, "SHOW PROCEDURES EXECUTABLE YIELD name WHERE name = '" + WHO + "' RETURN name AS text")
                .flatMap(there -> first(transaction, "CALL " + WHO + "() YIELD username RETURN username AS text"))
                .filter(name -> !name.isEmpty());
    }

    private static Optional<String> first(Transaction transaction, String query) {
        try (Result found = transaction.execute(query)) {
            return found.stream().map(row -> (String) row.get("text")).findFirst();
        }
    }
}
