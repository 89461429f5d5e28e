package relpred.procedures;

import java.time.Duration;
import java.util.Collection;
import java.util.Comparator;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.neo4j.graphdb.Entity;
import org.neo4j.graphdb.Transaction;
import org.neo4j.graphdb.TransactionTerminatedException;

/**
 * Locks of the caller's transaction, waited for no longer than the call may take.
 *
 * <p>Neo4j waits for a lock without a deadline unless the operator sets one, and the only thing that ends the wait from
 * outside is terminating the transaction that waits. Nothing is lost by that: an error of the query would end the
 * transaction, too. Two transactions that wait for each other are found by Neo4j itself, which gives up one of them at
 * once with an error that drivers try again after; it is passed on as it is.
 */
final class Locks {
    /** What free locks may take in any case, when the service has used up the time of the call. */
    private static final long LEAST_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

    /** Any order does, if it is the same for all; this is that of the ids, by which Neo4j orders its own locks. */
    private static final Comparator<Entity> ORDER = Comparator.<Entity>comparingInt(
                    entity -> entity.getElementId().length())
            .thenComparing(Entity::getElementId);

    private final Transaction transaction;
    private final Duration budget;
    private final long end;

    Locks(Transaction transaction, Duration budget) {
        this.transaction = transaction;
        this.budget = budget;
        this.end = System.nanoTime() + budget.toNanos();
    }

    /** Locks all of them for writing, until the transaction ends. */
    void take(Collection<? extends Entity> entities) {
        var waiting = new AtomicBoolean(true); // whoever ends it first, the locks or the deadline, has decided
        long left = Math.max(end - System.nanoTime(), LEAST_NANOS);
        var deadline = CompletableFuture.runAsync(
                () -> {
                    if (waiting.compareAndSet(true, false)) {
                        transaction.terminate();
                    }
                },
                CompletableFuture.delayedExecutor(left, TimeUnit.NANOSECONDS));
        try {
            entities.stream().distinct().sorted(ORDER).forEach(transaction::acquireWriteLock);
        } catch (TransactionTerminatedException ended) {
            if (waiting.get()) {
                throw ended; // by somebody else
            }
        } finally {
            if (waiting.compareAndSet(true, false)) {
                deadline.cancel(false);
            } else {
                deadline.join(); // it must not terminate later what this transaction is used for next
            }
        }
        if (deadline.isDone() && !deadline.isCancelled()) {
            throw new IllegalStateException("Another transaction holds locked what this call would write, and has not"
                    + " let go of it within " + budget.toMillis() + " ms. Nothing was written, and this transaction is"
                    + " ended. Run it again when the other one has ended (SHOW TRANSACTIONS names it), or give the call"
                    + " more time (timeoutMillis, service.deadline_ms).");
        }
    }
}
