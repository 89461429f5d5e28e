package relpred.procedures;

import java.util.Map;
import relpred.client.TrainingEstimate;

/** The row of relpred.train.estimate. The fields are the columns, in this order. */
public final class TrainEstimateRow {
    public final long nodeCount;
    public final long relationshipCount;
    public final long bytesMin;
    public final long bytesMax;
    public final String requiredMemory;
    public final Map<String, Object> mapView;
    public final Long bytesFree;
    public final double estimatedSeconds;

    TrainEstimateRow(TrainingEstimate estimate) {
        this.nodeCount = estimate.nodes();
        this.relationshipCount = estimate.relationships();
        this.bytesMin = estimate.bytesMin();
        this.bytesMax = estimate.bytesMax();
        this.requiredMemory = estimate.memory();
        this.mapView = estimate.parts();
        this.bytesFree = estimate.free();
        this.estimatedSeconds = estimate.seconds();
    }
}
