package relpred.client;

import java.util.Map;

/**
 * What a question would cost.
 *
 * @param candidates how many triples would be told apart
 * @param memory the bytes, for people
 * @param basis where the seconds come from
 */
public record Estimate(
        long nodes,
        long relationships,
        long candidates,
        long bytesMin,
        long bytesMax,
        String memory,
        double seconds,
        String basis) {
    static Estimate of(Map<String, Object> row) {
        return new Estimate(
                Json.whole(row, "nodes"),
                Json.whole(row, "relationships"),
                Json.whole(row, "candidates"),
                Json.whole(row, "bytes_min"),
                Json.whole(row, "bytes_max"),
                Json.text(row, "memory"),
                Json.number(row, "seconds"),
                Json.text(row, "basis"));
    }
}
