package relpred.client;

import java.net.URI;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Lets calls to one service through: so many at once, and none for a while after several failed in a row (a circuit
 * breaker). It keeps only counts and a time. What they mean is read from the settings at every call, so a change takes
 * effect at once.
 */
final class Gate {
    /** By address: one for each that was ever set, all of them a handful of numbers. */
    static final Map<URI, Gate> SHARED = new ConcurrentHashMap<>();

    private long inside;
    private long failures;
    private String lastCode = "";
    /** When the last call failed, or when the last one was let through to try. */
    private long since;

    /** The one gate that all calls to this address pass. */
    static Gate of(URI address) {
        return SHARED.computeIfAbsent(address, unknown -> new Gate());
    }

    /** Lets a call through, or refuses it at once. */
    synchronized Pass enter(ServiceSettings settings) {
        var bounds = settings.bounds();
        if (bounds.breakerFailures() == 0) {
            failures = 0;
        }
        boolean open = bounds.breakerFailures() > 0 && failures >= bounds.breakerFailures();
        Duration left = bounds.breakerPause().minusNanos(System.nanoTime() - since);
        if (open && !left.isNegative()) {
            throw paused(settings, left);
        }
        if (inside >= bounds.maxCalls()) {
            throw full(settings);
        }
        inside++;
        var pass = new Pass(open, since);
        if (open) {
            since = System.nanoTime(); // one call tries; the others wait for its success, or for as long again
        }
        return pass;
    }

    /** Tells the code of the last failure and not its message, which may quote somebody else's question. */
    private ServiceException paused(ServiceSettings settings, Duration left) {
        return new ServiceException(
                "service-paused",
                "The relpred service at " + settings.address() + " failed " + failures
                        + " times in a row, at last with " + lastCode + ", and is not asked for another "
                        + left.toMillis() + " ms.",
                "CALL relpred.health() asks it all the same and says whether it is well. " + settings.remedy()
                        + " When to pause is set by " + Key.BREAKER_FAILURES.key + " and " + Key.BREAKER_PAUSE_MS.key
                        + ".");
    }

    private static ServiceException full(ServiceSettings settings) {
        return new ServiceException(
                "too-many-calls",
                "There are " + settings.bounds().maxCalls() + " calls to the relpred service at " + settings.address()
                        + " already, and no more at once.",
                "Ask again in a moment, ask about a list of nodes instead of calling once for each, or raise "
                        + Key.MAX_CALLS.key + ".");
    }

    /** A call on its way. When it is closed its place is free again, and what was learnt of the service counts. */
    final class Pass implements AutoCloseable {
        private enum Verdict {
            NONE,
            WELL,
            ILL
        }

        private final boolean trial;
        private final long sinceBefore;
        private Verdict verdict = Verdict.NONE;
        private String code = "";
        private boolean closed;

        private Pass(boolean trial, long sinceBefore) {
            this.trial = trial;
            this.sinceBefore = sinceBefore;
        }

        /** The service answers. The last that is said holds. */
        void well() {
            verdict = Verdict.WELL;
        }

        /** The service is better left alone. */
        void ill(String why) {
            verdict = Verdict.ILL;
            code = why;
        }

        /** Nobody knows, since nobody waited. */
        void unknown() {
            verdict = Verdict.NONE;
        }

        @Override
        public void close() {
            synchronized (Gate.this) {
                if (closed) {
                    return;
                }
                closed = true;
                inside--;
                switch (verdict) {
                    case WELL -> failures = 0;
                    case ILL -> {
                        failures++;
                        lastCode = code;
                        since = System.nanoTime();
                    }
                    case NONE -> since = trial ? sinceBefore : since; // the next call may try
                }
            }
        }
    }
}
