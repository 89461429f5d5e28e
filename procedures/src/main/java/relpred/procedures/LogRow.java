package relpred.procedures;

import java.time.ZonedDateTime;
import relpred.client.JobInfo;

/** A row of relpred.userLog. The fields are the columns, in this order. */
public final class LogRow {
    public final String jobId;
    public final String taskName;
    public final ZonedDateTime timeStarted;
    public final String level;
    public final String message;

    LogRow(JobInfo job, String note) {
        this.jobId = job.id();
        this.taskName = job.kind();
        this.timeStarted = job.startedAt();
        this.level = "WARNING";
        this.message = note;
    }
}
