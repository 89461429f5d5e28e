package relpred.procedures;

import relpred.client.PublishingEstimate;

/** The row of relpred.publish.estimate. The fields are the columns, in this order. */
public final class PublishEstimateRow {
    public final long questions;
    public final long candidates;
    public final long settled;
    public final long bytesMin;
    public final long bytesMax;
    public final String requiredMemory;
    public final double estimatedSeconds;
    public final double share;

    PublishEstimateRow(PublishingEstimate estimate) {
        this.questions = estimate.questions();
        this.candidates = estimate.candidates();
        this.settled = estimate.settled();
        this.bytesMin = estimate.bytesMin();
        this.bytesMax = estimate.bytesMax();
        this.requiredMemory = estimate.memory();
        this.estimatedSeconds = estimate.seconds();
        this.share = estimate.share();
    }
}
