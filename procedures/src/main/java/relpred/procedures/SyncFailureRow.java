package relpred.procedures;

import java.time.ZonedDateTime;
import relpred.client.SyncFailure;

/** A row of relpred.sync.failures. The fields are the columns, in this order. */
public final class SyncFailureRow {
    public final String item;
    public final String step;
    public final String error;
    public final long tries;
    public final ZonedDateTime againAt;

    SyncFailureRow(SyncFailure one) {
        this.item = one.item();
        this.step = one.step();
        this.error = one.error();
        this.tries = one.tries();
        this.againAt = one.againAt();
    }
}
