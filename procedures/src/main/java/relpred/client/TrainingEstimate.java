package relpred.client;

import java.util.Map;

/**
 * What a training would take.
 *
 * @param memory the bytes, for people
 * @param parts bytes by what lowers them
 * @param free bytes that the service's machine has; null where it does not say
 */
public record TrainingEstimate(
        long nodes,
        long relationships,
        long bytesMin,
        long bytesMax,
        String memory,
        Map<String, Object> parts,
        Long free,
        double seconds) {
    static TrainingEstimate of(Map<String, Object> row) {
        return new TrainingEstimate(
                Json.whole(row, "nodes"),
                Json.whole(row, "relationships"),
                Json.whole(row, "bytes_min"),
                Json.whole(row, "bytes_max"),
                Json.text(row, "memory"),
                Json.object(row, "parts"),
                Json.wholeOrNull(row, "free"),
                Json.number(row, "seconds"));
    }
}
