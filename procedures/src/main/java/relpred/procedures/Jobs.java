package relpred.procedures;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.neo4j.graphdb.TransactionTerminatedException;
import org.neo4j.procedure.Admin;
import org.neo4j.procedure.Context;
import org.neo4j.procedure.Description;
import org.neo4j.procedure.Mode;
import org.neo4j.procedure.Name;
import org.neo4j.procedure.Procedure;
import org.neo4j.procedure.TerminationGuard;
import relpred.client.Errand;
import relpred.client.JobInfo;
import relpred.client.RelpredClient;
import relpred.client.SettingsSource;

/**
 * Long work: the service does it in processes of its own, one after the other. A query that waits for it holds no lock,
 * and takes its job along when it is terminated, unless another one submitted the same.
 */
public final class Jobs {
    private static final long LOOK_MILLIS = 200;
    /** As long as the service may need to end a process. */
    private static final Duration STOPPING = Duration.ofSeconds(4);

    private static final long MOST_JOBS = 10_000;
    private static final String JOB_ID = "jobId";
    private static final String ASYNC = "async";
    private static final String SHOW_COMPLETED = "showCompleted";
    /** Names of configuration keys and what the service calls them. */
    private static final Map<String, String> COMMON = Map.of("modelName", "model_name", JOB_ID, "job_id");
    private static final Map<String, String> TRAINING = Map.of(
            "minutes", "minutes",
            "randomSeed", "seed",
            "device", "device",
            "fresh", "fresh",
            "goOn", "go_on",
            "gate", "gate");
    private static final Map<String, String> PUBLISHING = Map.of(
            Configuration.TOP_K, "top_k",
            Configuration.THRESHOLD, "min_probability",
            "precision", "precision",
            "minutes", "minutes",
            "dryRun", "dry_run",
            "confirmShrink", "confirm_shrink",
            "takeOver", "take_over");
    private static final Map<String, String> SYNCING = Map.of("publish", "publish");

    @Context
    public TerminationGuard guard;

    @Admin
    @Procedure(name = "relpred.train", mode = Mode.READ)
    @Description("Reads the graph, trains a model, evaluates it and makes it the live one.")
    public Stream<TrainRow> train(
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return done("train", TRAINING, configuration, TrainRow::new);
    }

    @Procedure(name = "relpred.train.estimate", mode = Mode.READ)
    @Description("Tells what a training would read and take, and trains nothing.")
    public Stream<TrainEstimateRow> trainEstimate(
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var errand = Errand.estimate("train", options(TRAINING, configuration));
        return client().trainingEstimate(errand).map(TrainEstimateRow::new);
    }

    @Procedure(name = "relpred.publish", mode = Mode.WRITE)
    @Description("Leaves in the graph exactly the predicted edges that the model finds probable now.")
    public Stream<PublishRow> publish(
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return done("publish", PUBLISHING, configuration, PublishRow::new);
    }

    @Procedure(name = "relpred.publish.estimate", mode = Mode.READ)
    @Description("Tells what a publication would ask and take, and publishes nothing.")
    public Stream<PublishEstimateRow> publishEstimate(
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var errand = Errand.estimate("publish", options(PUBLISHING, configuration));
        return client().publishingEstimate(errand).map(PublishEstimateRow::new);
    }

    @Procedure(name = "relpred.sync.trigger", mode = Mode.WRITE)
    @Description("Reads what changed in the graph and publishes what follows from it.")
    public Stream<SyncRow> sync(
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        return done("sync", SYNCING, configuration, SyncRow::new);
    }

    @Procedure(name = "relpred.job.list", mode = Mode.READ)
    @Description("Lists the jobs of the service, the newest first.")
    public Stream<JobRow> list(@Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var given = Configuration.of(configuration, List.of(Configuration.TOP_K));
        return client().jobs(Errand.jobList(given.topK())).map(JobRow::new);
    }

    @Procedure(name = "relpred.job.cancel", mode = Mode.WRITE)
    @Description("Stops a job, or takes it out of the queue.")
    public Stream<JobRow> cancel(@Name("jobId") String jobId) {
        return whole(client().jobs(Errand.jobCancel(Arguments.given(JOB_ID, jobId))))
                .map(JobRow::new);
    }

    @Procedure(name = "relpred.listProgress", mode = Mode.READ)
    @Description("Tells how far the jobs are that run or wait.")
    public Stream<ProgressRow> progress(
            @Name(value = "configuration", defaultValue = "{}") Map<String, Object> configuration) {
        var given = Configuration.of(configuration, List.of(SHOW_COMPLETED));
        boolean all = given.flag(SHOW_COMPLETED);
        return client().jobs(Errand.jobList(MOST_JOBS))
                .filter(job -> all || !job.ended())
                .map(ProgressRow::new);
    }

    @Procedure(name = "relpred.userLog", mode = Mode.READ)
    @Description("Lists what jobs warned of.")
    public Stream<LogRow> log() {
        return client().jobs(Errand.jobList(MOST_JOBS))
                .flatMap(job -> job.notes().stream().map(note -> new LogRow(job, note)));
    }

    private <T> Stream<T> done(
            String kind, Map<String, String> own, Map<String, Object> configuration, Function<JobInfo, T> row) {
        var given = given(own, configuration);
        JobInfo job = only(client().jobs(Errand.submit(kind, given.renamed(names(own)))));
        return Stream.of(row.apply(given.flag(ASYNC) ? job : ended(job).orThrow()));
    }

    private static Map<String, Object> options(Map<String, String> own, Map<String, Object> configuration) {
        return given(own, configuration).renamed(names(own));
    }

    private static Configuration given(Map<String, String> own, Map<String, Object> configuration) {
        return Configuration.of(
                configuration,
                Stream.concat(names(own).keySet().stream(), Stream.of(ASYNC)).toList());
    }

    private static Map<String, String> names(Map<String, String> own) {
        var names = new LinkedHashMap<>(COMMON);
        names.putAll(own);
        return names;
    }

    private JobInfo ended(JobInfo submitted) {
        JobInfo job = submitted;
        try {
            while (!job.ended()) {
                Thread.sleep(LOOK_MILLIS);
                guard.check();
                job = only(client().jobs(Errand.jobShow(job.id())));
            }
            return job;
        } catch (TransactionTerminatedException terminated) {
            // Whoever waited wants it no more; others may. The guard would refuse every further call.
            var client = new RelpredClient(SettingsSource.ofThisJar().read(), () -> {});
            only(client.jobs(Errand.jobWithdraw(job.id()), Optional.of(STOPPING)));
            throw terminated;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("The wait for the job " + job.id() + " was interrupted.", interrupted);
        }
    }

    private static JobInfo only(Stream<JobInfo> rows) {
        return whole(rows).findFirst().orElseThrow();
    }

    /** All rows at once: what was asked for is done whether they are read or not. */
    private static Stream<JobInfo> whole(Stream<JobInfo> rows) {
        try (rows) {
            return rows.toList().stream();
        }
    }

    private RelpredClient client() {
        return new RelpredClient(SettingsSource.ofThisJar().read(), guard::check);
    }
}
