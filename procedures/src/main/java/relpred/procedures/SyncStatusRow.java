package relpred.procedures;

import java.time.ZonedDateTime;
import java.util.Map;
import relpred.client.SyncState;

/** The row of relpred.sync.status, pause and resume. The fields are the columns, in this order. */
public final class SyncStatusRow {
    public final String state;
    public final String problem;
    public final Double lagSeconds;
    public final long pending;
    public final long failing;
    public final String model;
    public final String pausedBy;
    public final String training;
    public final double trainingProgress;
    public final String trainingResult;
    public final ZonedDateTime syncedAt;
    public final Map<String, Object> lastSync;
    public final ZonedDateTime nextSync;
    public final ZonedDateTime nextRefresh;
    public final ZonedDateTime nextRetrain;
    public final String error;
    public final String hint;
    public final long failuresInARow;
    public final String host;
    public final ZonedDateTime beatAt;

    SyncStatusRow(SyncState said) {
        this.state = said.state();
        this.problem = said.problem();
        this.lagSeconds = said.lagSeconds();
        this.pending = said.pending();
        this.failing = said.failing();
        this.model = said.model();
        this.pausedBy = said.pausedBy();
        this.training = said.training();
        this.trainingProgress = said.trainingShare();
        this.trainingResult = said.trainingResult();
        this.syncedAt = said.syncedAt();
        this.lastSync = said.lastSync();
        this.nextSync = said.nextSync();
        this.nextRefresh = said.nextRefresh();
        this.nextRetrain = said.nextRetrain();
        this.error = said.errorCode();
        this.hint = said.errorHint();
        this.failuresInARow = said.failuresInARow();
        this.host = said.host();
        this.beatAt = said.beatAt();
    }
}
