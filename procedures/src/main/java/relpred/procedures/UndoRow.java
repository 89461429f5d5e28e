package relpred.procedures;

import java.util.Map;
import relpred.client.Undone;

/** The row of relpred.run.undo. The fields are the columns, in this order. */
public final class UndoRow {
    public final String run;
    public final long created;
    public final long updated;
    public final long removed;
    public final long unchanged;
    public final Map<String, Object> skipped;
    public final long writeMillis;
    public final boolean dryRun;

    UndoRow(Undone undone) {
        this.run = undone.run();
        this.created = undone.created();
        this.updated = undone.updated();
        this.removed = undone.removed();
        this.unchanged = undone.unchanged();
        this.skipped = undone.skipped();
        this.writeMillis = Math.round(undone.seconds() * 1000);
        this.dryRun = undone.dryRun();
    }
}
