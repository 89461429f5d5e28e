package relpred.procedures;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.neo4j.graphdb.Transaction;
import org.neo4j.procedure.Context;
import org.neo4j.procedure.Description;
import org.neo4j.procedure.Mode;
import org.neo4j.procedure.Name;
import org.neo4j.procedure.Procedure;
import org.neo4j.procedure.TerminationGuard;
import relpred.client.Errand;
import relpred.client.RelpredClient;
import relpred.client.ReviewFilter;
import relpred.client.SettingsSource;

/**
 * What people decide about predicted edges. The service carries it out in a transaction of its own, as it does for all
 * others who decide; mode WRITE keeps those out who may only read. The caller's transaction takes no lock for it.
 */
public final class Review {
    private static final String RELATION = "relation";
    private static final String DECIDED = "decided";
    private static final String ORDER = "order";
    private static final String BY = "by";
    private static final String NOTE = "note";
    private static final String REASON = "reason";
    private static final List<String> LISTING = List.of(
            RELATION,
            DECIDED,
            ORDER,
            Configuration.THRESHOLD,
            Configuration.TOP_K,
            Configuration.TIMEOUT);
    private static final List<String> ACCEPTING = List.of(BY, NOTE, Configuration.TIMEOUT);
    private static final List<String> REJECTING = List.of(REASON, BY, NOTE, Configuration.TIMEOUT);
    private static final List<String> WITHDRAWING = List.of(Configuration.TIMEOUT);

    @Context
    public Transaction transaction;

    @Context
    public TerminationGuard guard;

    @Procedure(name = "relpred.review.list", mode = Mode.READ)
    @Description("Lists predicted edges that nobody has decided about, or the decisions.")
    public Stream<ReviewRow> list(
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var given = Configuration.of(configuration, LISTING);
        var filter = new ReviewFilter(
                given.text(RELATION), given.flag(DECIDED), given.text(ORDER), given.threshold(), given.topK());
        RelpredClient client = client();
        client.checkTopK(filter.topK());
        return client.review(Errand.reviewList(filter), given.timeout()).map(ReviewRow::new);
    }

    @Procedure(name = "relpred.review.accept", mode = Mode.WRITE)
    @Description("Makes a triple a real relationship, and takes its predicted edge away.")
    public Stream<ReviewRow> accept(
            @Name("triple") Object triple,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var given = Configuration.of(configuration, ACCEPTING);
        var named = Arguments.triple(triple);
        return decided(Errand.accept(named, by(given), given.text(NOTE).orElse("")), given);
    }

    @Procedure(name = "relpred.review.reject", mode = Mode.WRITE)
    @Description("Takes a predicted edge away for good, and lets the next training learn from it.")
    public Stream<ReviewRow> reject(
            @Name("triple") Object triple,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var given = Configuration.of(configuration, REJECTING);
        var named = Arguments.triple(triple);
        String reason = given.text(REASON).orElse("");
        return decided(Errand.reject(named, by(given), given.text(NOTE).orElse(""), reason), given);
    }

    @Procedure(name = "relpred.review.withdraw", mode = Mode.WRITE)
    @Description("Takes a decision back, and the relationship that accepting made.")
    public Stream<ReviewRow> withdraw(
            @Name("triple") Object triple,
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var given = Configuration.of(configuration, WITHDRAWING);
        return decided(Errand.withdraw(Arguments.triple(triple)), given);
    }

    /** Waits for the whole answer: a decision is made whether its row is read or not. */
    private Stream<ReviewRow> decided(Errand errand, Configuration given) {
        try (var rows = client().review(errand, given.timeout())) {
            return rows.map(ReviewRow::new).toList().stream();
        }
    }

    private RelpredClient client() {
        return new RelpredClient(SettingsSource.ofThisJar().read(), guard::check);
    }

    private String by(Configuration given) {
        return given.text(BY).or(() -> Caller.name(transaction)).orElseThrow(() -> new IllegalArgumentException(
                "Nobody is logged in who could be named as the one who decides. Say who does: {by: 'anna'}."));
    }
}
