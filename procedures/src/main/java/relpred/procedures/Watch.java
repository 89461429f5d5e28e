package relpred.procedures;

import java.util.concurrent.TimeUnit;

/** A stopwatch. */
final class Watch {
    private long since = System.nanoTime();

    /** The milliseconds since the last lap. */
    long lap() {
        long now = System.nanoTime();
        long passed = now - since;
        since = now;
        return TimeUnit.NANOSECONDS.toMillis(passed);
    }
}
