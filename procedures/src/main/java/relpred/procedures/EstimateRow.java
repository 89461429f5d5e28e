package relpred.procedures;

import relpred.client.Estimate;

/** The row of relpred.predict.*.estimate. The fields are the columns, in this order. */
public final class EstimateRow {
    public final long nodeCount;
    public final long relationshipCount;
    public final long candidates;
    public final long bytesMin;
    public final long bytesMax;
    public final String requiredMemory;
    public final double estimatedSeconds;
    public final String basis;

    EstimateRow(Estimate estimate) {
        this.nodeCount = estimate.nodes();
        this.relationshipCount = estimate.relationships();
        this.candidates = estimate.candidates();
        this.bytesMin = estimate.bytesMin();
        this.bytesMax = estimate.bytesMax();
        this.requiredMemory = estimate.memory();
        this.estimatedSeconds = estimate.seconds();
        this.basis = estimate.basis();
    }
}
