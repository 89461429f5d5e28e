package relpred.procedures;

import java.time.ZonedDateTime;
import java.util.List;
import java.util.Map;
import relpred.client.JobInfo;

/** A row of relpred.job.list. The fields are the columns, in this order. */
public final class JobRow {
    public final String jobId;
    public final String kind;
    public final String status;
    public final String stage;
    public final double progress;
    public final ZonedDateTime submittedAt;
    public final ZonedDateTime startedAt;
    public final ZonedDateTime endedAt;
    public final Map<String, Object> configuration;
    public final Map<String, Object> result;
    public final List<String> warnings;
    public final String error;

    JobRow(JobInfo job) {
        this.jobId = job.id();
        this.kind = job.kind();
        this.status = job.state();
        this.stage = job.stage();
        this.progress = job.progress();
        this.submittedAt = job.submittedAt();
        this.startedAt = job.startedAt();
        this.endedAt = job.endedAt();
        this.configuration = job.options();
        this.result = job.result();
        this.warnings = job.notes();
        this.error = job.error() == null ? null : job.error().code() + ": " + job.error().getMessage();
    }
}
