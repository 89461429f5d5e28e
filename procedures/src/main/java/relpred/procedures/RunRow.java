package relpred.procedures;

import java.time.ZonedDateTime;
import relpred.client.LedgerRun;

/** A row of relpred.run.list. The fields are the columns, in this order. */
public final class RunRow {
    public final String run;
    public final String kind;
    public final String model;
    public final String status;
    public final ZonedDateTime startedAt;
    public final ZonedDateTime finishedAt;
    public final long created;
    public final long updated;
    public final long removed;
    public final long unchanged;
    public final String reason;

    RunRow(LedgerRun entry) {
        this.run = entry.run();
        this.kind = entry.kind();
        this.model = entry.model();
        this.status = entry.status();
        this.startedAt = entry.startedAt();
        this.finishedAt = entry.finishedAt();
        this.created = entry.created();
        this.updated = entry.updated();
        this.removed = entry.removed();
        this.unchanged = entry.unchanged();
        this.reason = entry.reason();
    }
}
