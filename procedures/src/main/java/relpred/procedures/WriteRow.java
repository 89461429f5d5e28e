package relpred.procedures;

import java.util.Map;

/** The row of relpred.predict.*.write. The fields are the columns, in this order. */
public final class WriteRow {
    public final long relationshipsWritten;
    public final long propertiesWritten;
    public final Map<String, Object> probabilityDistribution;
    public final long preProcessingMillis;
    public final long computeMillis;
    public final long writeMillis;
    public final Map<String, Object> configuration;
    public final String runId;

    /** How long each part of a call took. */
    record Millis(long preparing, long computing, long writing) {}

    WriteRow(Distribution written, Millis took, Map<String, Object> configuration, String run) {
        this.relationshipsWritten = written.count();
        this.propertiesWritten = EdgeWriter.PROPERTIES * written.count();
        this.probabilityDistribution = written.summary();
        this.preProcessingMillis = took.preparing();
        this.computeMillis = took.computing();
        this.writeMillis = took.writing();
        this.configuration = configuration;
        this.runId = run;
    }
}
