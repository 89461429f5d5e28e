package relpred;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.neo4j.graphdb.GraphDatabaseService;
import org.neo4j.graphdb.Transaction;
import org.neo4j.logging.Log;
import org.neo4j.procedure.Context;
import org.neo4j.procedure.TerminationGuard;

class ArchitectureTest {
    private static final JavaClasses OURS = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("relpred");

    /** Other names than these would force `dbms.security.procedures.unrestricted` on the operator. */
    private static final List<Class<?>> SAFE =
            List.of(Log.class, TerminationGuard.class, GraphDatabaseService.class, Transaction.class);

    @Test
    void theClientKnowsOnlyTheJdkAndJson() {
        onlyDependOn("relpred.client..", "java..", "javax.net.ssl", "relpred.client..", "com.fasterxml.jackson..");
    }

    @Test
    void theProceduresKnowOnlyThePublicApiAndTheClient() {
        onlyDependOn(
                "relpred.procedures..",
                "java..",
                "relpred.procedures..",
                "relpred.client..",
                "org.neo4j.graphdb",
                "org.neo4j.logging",
                "org.neo4j.procedure");
    }

    @Test
    void onlyWhatTheSandboxGivesIsInjected() {
        holds(fields().that()
                .areAnnotatedWith(Context.class)
                .should()
                .haveRawType(describe("a safe one", type -> SAFE.stream().anyMatch(type::isEquivalentTo))));
    }

    private static void onlyDependOn(String room, String... known) {
        holds(classes()
                .that()
                .resideInAPackage(room)
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage(known));
    }

    private static void holds(ArchRule rule) {
        var result = rule.evaluate(OURS);
        assertTrue(!result.hasViolation(), () -> result.getFailureReport().toString());
    }
}
