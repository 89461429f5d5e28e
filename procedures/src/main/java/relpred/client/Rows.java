package relpred.client;

import java.util.Map;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.function.Consumer;
import java.util.function.Function;

/** The rows of an answer, read as they are wanted: never more than one of them is held. */
final class Rows<T> extends Spliterators.AbstractSpliterator<T> {
    private final Call call;
    private final Body body;
    private final long most;
    private final Function<Map<String, Object>, T> read;
    private long count;

    Rows(Call call, Body body, long most, Function<Map<String, Object>, T> read) {
        super(Long.MAX_VALUE, Spliterator.ORDERED | Spliterator.NONNULL);
        this.call = call;
        this.body = body;
        this.most = most;
        this.read = read;
    }

    @Override
    public boolean tryAdvance(Consumer<? super T> action) {
        T next;
        try {
            next = next();
        } catch (RuntimeException error) {
            call.blame(error);
            call.close();
            throw error;
        }
        if (next == null) {
            call.close(); // whoever reads to the end need not close the stream
            return false;
        }
        action.accept(next);
        return true;
    }

    private T next() {
        call.check();
        byte[] line = body.nextLine();
        if (line == null) {
            return null;
        }
        Map<String, Object> row = Json.read(line);
        if (row.containsKey("code")) {
            throw call.brokenOff(row);
        }
        if (++count > most) {
            throw new ServiceException(
                    "too-many-rows",
                    "The relpred service sent more than " + most + " rows.",
                    "Ask for less (topK), or raise " + Key.MAX_ROWS.key + ".");
        }
        return read.apply(row);
    }
}
