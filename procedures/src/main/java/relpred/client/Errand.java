package relpred.client;

import java.util.LinkedHashMap;
import java.util.Map;

/** One thing that the service is asked for or told to do. */
public final class Errand {
    private final String path;
    private final Map<String, Object> body;
    private final Effect effect;

    Errand(String path, Map<String, Object> body, Effect effect) {
        this.path = path;
        this.body = body;
        this.effect = effect;
    }

    /** Says why a triple is scored as it is. */
    public static Errand explain(TripleName triple) {
        return new Errand("/v1/explain", triple.parts(), Effect.NONE);
    }

    /** Lists what waits for a decision, or what was decided. */
    public static Errand reviewList(ReviewFilter filter) {
        var body = new LinkedHashMap<String, Object>();
        filter.relation().ifPresent(relation -> body.put("relation", relation));
        body.put("decided", filter.decided());
        filter.order().ifPresent(order -> body.put("order", order));
        body.put("min_probability", filter.minProbability());
        body.put("top_k", filter.topK());
        return new Errand("/v1/review/list", body, Effect.NONE);
    }

    /** Makes a triple a real relationship. */
    public static Errand accept(TripleName triple, String by, String note) {
        return decision("accept", triple, by, note);
    }

    /** Takes a predicted edge away for good. */
    public static Errand reject(TripleName triple, String by, String note, String reason) {
        var errand = decision("reject", triple, by, note);
        errand.body.put("reason", reason);
        return errand;
    }

    /** Takes a decision back. */
    public static Errand withdraw(TripleName triple) {
        return new Errand("/v1/review/withdraw", triple.parts(), Effect.ONCE);
    }

    /** Lists the publications. */
    public static Errand runList(long topK) {
        return new Errand("/v1/run/list", Map.of("top_k", topK), Effect.NONE);
    }

    /** Puts back what stood in the graph before a run. */
    public static Errand undo(String run, boolean dryRun) {
        return new Errand("/v1/run/undo", Map.of("run", run, "dry_run", dryRun), dryRun ? Effect.NONE : Effect.ONCE);
    }

    /** Submits long work. One that has a job id already is not done twice. */
    public static Errand submit(String kind, Map<String, Object> options) {
        return new Errand("/v1/jobs/" + kind, options, options.containsKey("job_id") ? Effect.SAME : Effect.ONCE);
    }

    /** Lists the jobs. */
    public static Errand jobList(long topK) {
        return new Errand("/v1/jobs/list", Map.of("top_k", topK), Effect.NONE);
    }

    /** Looks how far a job is. */
    public static Errand jobShow(String job) {
        return new Errand("/v1/jobs/show", Map.of("job_id", job), Effect.NONE);
    }

    /** Stops a job. */
    public static Errand jobCancel(String job) {
        return new Errand("/v1/jobs/cancel", Map.of("job_id", job), Effect.SAME);
    }

    /** Takes one submission of a job back: it is stopped when nobody who submitted it wants it any more. */
    public static Errand jobWithdraw(String job) {
        return new Errand("/v1/jobs/withdraw", Map.of("job_id", job), Effect.ONCE);
    }

    /** Lists the versions of the model. */
    public static Errand modelList() {
        return new Errand("/v1/models/list", Map.of(), Effect.NONE);
    }

    /** Makes a version the live one. */
    public static Errand promote(long version) {
        return new Errand("/v1/models/promote", Map.of("version", version), Effect.SAME);
    }

    /** Makes the version live again that was so before. */
    public static Errand rollback() {
        return new Errand("/v1/models/rollback", Map.of(), Effect.ONCE);
    }

    /** Removes a version for good. */
    public static Errand drop(long version) {
        return new Errand("/v1/models/drop", Map.of("version", version), Effect.ONCE);
    }

    /** Says what a training or a publication would take. */
    public static Errand estimate(String kind, Map<String, Object> options) {
        return new Errand("/v1/jobs/" + kind + "/estimate", options, Effect.NONE);
    }

    /** Tells how the daemon is. */
    public static Errand syncStatus() {
        return new Errand("/v1/sync/status", Map.of(), Effect.NONE);
    }

    /** Lets the daemon do nothing for now. */
    public static Errand syncPause(String by) {
        return new Errand("/v1/sync/pause", Map.of("by", by), Effect.SAME);
    }

    /** Lets the daemon go on. */
    public static Errand syncResume() {
        return new Errand("/v1/sync/resume", Map.of(), Effect.SAME);
    }

    /** Lists the nodes and edges that the last sync left out. */
    public static Errand syncFailures(long topK) {
        return new Errand("/v1/sync/failures", Map.of("top_k", topK), Effect.NONE);
    }

    /** Lists the settings of the service. */
    public static Errand settings() {
        return new Errand("/v1/config/show", Map.of(), Effect.NONE);
    }

    private static Errand decision(String route, TripleName triple, String by, String note) {
        Map<String, Object> body = triple.parts();
        body.put("by", by);
        body.put("note", note);
        return new Errand("/v1/review/" + route, body, Effect.SAME);
    }

    String path() {
        return path;
    }

    Map<String, Object> body() {
        return body;
    }

    Effect effect() {
        return effect;
    }
}
