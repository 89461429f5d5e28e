package relpred.procedures;

import java.util.Map;

/** The row of relpred.predict.*.stats. The fields are the columns, in this order. */
public final class StatsRow {
    public final long predictions;
    public final Map<String, Object> probabilityDistribution;
    public final long computeMillis;
    public final Map<String, Object> configuration;

    StatsRow(Distribution distribution, long computeMillis, Map<String, Object> configuration) {
        this.predictions = distribution.count();
        this.probabilityDistribution = distribution.summary();
        this.computeMillis = computeMillis;
        this.configuration = configuration;
    }
}
