package relpred.client;

import java.util.Map;

/**
 * What a publication would ask.
 *
 * @param settled questions that are left out, since they have the one answer that such questions have
 * @param memory the bytes, for people
 * @param share of the questions, how many the time allows
 */
public record PublishingEstimate(
        long questions,
        long candidates,
        long settled,
        long bytesMin,
        long bytesMax,
        String memory,
        double seconds,
        double share) {
    static PublishingEstimate of(Map<String, Object> row) {
        return new PublishingEstimate(
                Json.whole(row, "questions"),
                Json.whole(row, "candidates"),
                Json.whole(row, "settled"),
                Json.whole(row, "bytes_min"),
                Json.whole(row, "bytes_max"),
                Json.text(row, "memory"),
                Json.number(row, "seconds"),
                Json.number(row, "share"));
    }
}
