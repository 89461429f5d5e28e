package relpred.procedures;

import java.util.Map;
import relpred.client.JobInfo;

/** The row of relpred.sync.trigger. The fields are the columns, in this order. */
public final class SyncRow {
    public final long millis;
    public final Map<String, Object> result;
    public final Map<String, Object> configuration;
    public final String jobId;
    public final String status;

    SyncRow(JobInfo job) {
        this.millis = job.millis();
        this.result = job.result();
        this.configuration = job.options();
        this.jobId = job.id();
        this.status = job.state();
    }
}
