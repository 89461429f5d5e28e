package relpred.procedures;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** The probabilities of one call: eight bytes for each of its rows, of which service.max_rows is the most. */
final class Distribution {
    private static final int[] PERCENTILES = {5, 25, 50, 75, 95};

    private double[] values = new double[16];
    private int count;

    void add(double probability) {
        if (count == values.length) {
            values = Arrays.copyOf(values, 2 * count);
        }
        values[count++] = probability;
    }

    long count() {
        return count;
    }

    /** Empty when there is nothing to tell of. */
    Map<String, Object> summary() {
        var told = new LinkedHashMap<String, Object>();
        if (count > 0) {
            double[] sorted = Arrays.copyOf(values, count);
            Arrays.sort(sorted);
            told.put("min", sorted[0]);
            for (int share : PERCENTILES) {
                told.put("p" + share, sorted[(int) Math.ceil(share / 100.0 * count) - 1]);
            }
            told.put("max", sorted[count - 1]);
            told.put("mean", Arrays.stream(sorted).average().orElseThrow());
        }
        return told;
    }
}
