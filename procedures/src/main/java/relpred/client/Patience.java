package relpred.client;

import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * The time that one call may spend waiting for the service, over headers and body together. The JDK's own timeout
 * ends with the headers, so a body that trickles would hold the query for ever. Time that the query spends on the rows
 * it already has is its own and is not counted.
 */
final class Patience {
    /** How often we look whether the query was terminated meanwhile. */
    private static final long STEP_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    private final Duration budget;
    private final Runnable stillWanted;
    private long left;

    Patience(Duration budget, Runnable stillWanted) {
        this.budget = budget;
        this.stillWanted = stillWanted;
        this.left = budget.toNanos();
    }

    Duration budget() {
        return budget;
    }

    /** Throws when the query was terminated. */
    void check() {
        stillWanted.run();
    }

    /** The next thing that arrives; null when patience is at its end. */
    <T> T await(BlockingQueue<T> arriving) {
        while (true) {
            stillWanted.run();
            T ready = arriving.poll();
            if (ready != null || left <= 0) {
                return ready;
            }
            long before = System.nanoTime();
            try {
                ready = arriving.poll(Math.min(left, STEP_NANOS), TimeUnit.NANOSECONDS);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                throw new ServiceException("interrupted", "The wait for the relpred service was interrupted.", "");
            }
            left -= System.nanoTime() - before;
            if (ready != null) {
                return ready;
            }
        }
    }
}
