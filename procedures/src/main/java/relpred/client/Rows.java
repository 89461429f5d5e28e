package relpred.client;

import java.util.Map;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.function.Consumer;

/** The rows of an answer, read as they are wanted: never more than one of them is held. */
final class Rows extends Spliterators.AbstractSpliterator<Prediction> {
    private final Call call;
    private final Body body;
    private final long most;
    private long count;

    Rows(Call call, Body body, long most) {
        super(Long.MAX_VALUE, Spliterator.ORDERED | Spliterator.NONNULL);
        this.call = call;
        this.body = body;
        this.most = most;
    }

    @Override
    public boolean tryAdvance(Consumer<? super Prediction> action) {
        Prediction next;
        try {
            next = next();
        } catch (RuntimeException error) {
            call.close();
            throw error;
        }
        if (next != null) {
            action.accept(next);
        }
        return next != null;
    }

    private Prediction next() {
        call.check();
        byte[] line = body.nextLine();
        if (line == null) {
            return null;
        }
        Map<String, Object> row = Json.read(line);
        if (row.containsKey("code")) {
            throw Call.refusal(row); // the service failed after its first rows were on their way
        }
        if (++count > most) {
            throw new ServiceException(
                    "too-many-rows",
                    "The relpred service sent more than " + most + " rows.",
                    "Ask for less (topK), or raise " + Key.MAX_ROWS.key + ".");
        }
        return new Prediction(
                Json.node(row, "head"),
                Json.text(row, "relation"),
                Json.node(row, "tail"),
                Json.number(row, "score"),
                Json.number(row, "probability"),
                Json.whole(row, "rank"),
                Json.textOrNull(row, "model"),
                Json.textOrNull(row, "run"),
                Json.textOrNull(row, "evidence"));
    }
}
