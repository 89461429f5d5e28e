package relpred.procedures;

import java.util.Map;
import relpred.client.JobInfo;

/** The row of relpred.train. The fields are the columns, in this order. */
public final class TrainRow {
    public final long trainMillis;
    public final Map<String, Object> modelInfo;
    public final Map<String, Object> configuration;
    public final String jobId;
    public final String status;

    TrainRow(JobInfo job) {
        this.trainMillis = job.millis();
        this.modelInfo = job.result();
        this.configuration = job.options();
        this.jobId = job.id();
        this.status = job.state();
    }
}
