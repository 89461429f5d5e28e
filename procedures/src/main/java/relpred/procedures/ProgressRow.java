package relpred.procedures;

import java.time.Duration;
import java.time.ZonedDateTime;
import java.time.temporal.TemporalAmount;
import relpred.client.JobInfo;

/** A row of relpred.listProgress. The fields are the columns, in this order. */
public final class ProgressRow {
    private static final int BAR = 10;

    public final String jobId;
    public final String taskName;
    public final String progress;
    public final String progressBar;
    public final String status;
    public final ZonedDateTime timeStarted;
    public final TemporalAmount elapsedTime;

    ProgressRow(JobInfo job) {
        int done = (int) Math.round(job.progress() * BAR);
        this.jobId = job.id();
        this.taskName = job.stage().isEmpty() ? job.kind() : job.kind() + ": " + job.stage();
        this.progress = Math.round(job.progress() * 100) + "%";
        this.progressBar = "[" + "#".repeat(done) + "~".repeat(BAR - done) + "]";
        this.status = job.state();
        this.timeStarted = job.startedAt();
        this.elapsedTime = Duration.ofMillis(job.millis());
    }
}
