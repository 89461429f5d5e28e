package relpred.procedures;

import java.util.Map;
import relpred.client.JobInfo;

/** The row of relpred.publish. The fields are the columns, in this order; null until the job is done. */
public final class PublishRow {
    public final Long computeMillis;
    public final Long writeMillis;
    public final Long relationshipsWritten;
    public final Long relationshipsUpdated;
    public final Long relationshipsDeleted;
    public final Long relationshipsUnchanged;
    public final Map<String, Object> skipped;
    public final Map<String, Object> configuration;
    public final String runId;
    public final String jobId;
    public final String status;

    PublishRow(JobInfo job) {
        Map<String, Object> told = job.result();
        this.writeMillis =
                told.get("seconds") instanceof Number seconds ? Math.round(seconds.doubleValue() * 1_000) : null;
        this.computeMillis = writeMillis == null ? null : Math.max(0, job.millis() - writeMillis);
        this.relationshipsWritten = (Long) told.get("created");
        this.relationshipsUpdated = (Long) told.get("updated");
        this.relationshipsDeleted = (Long) told.get("removed");
        this.relationshipsUnchanged = (Long) told.get("unchanged");
        this.skipped = job.resultMap("skipped");
        this.configuration = job.options();
        this.runId = told.get("run") instanceof String run ? run : null;
        this.jobId = job.id();
        this.status = job.state();
    }
}
