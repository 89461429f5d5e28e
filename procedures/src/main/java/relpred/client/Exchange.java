package relpred.client;

import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * One request and its answer, as a queue of events that one thread waits on. The body is asked for piece by piece, so
 * a service that sends faster than the query reads is held back by TCP and not by our memory.
 */
final class Exchange implements Flow.Subscriber<List<ByteBuffer>>, AutoCloseable {
    /** Something that arrived. */
    sealed interface Event {}

    record Head(int status, java.net.http.HttpHeaders headers) implements Event {}

    record Piece(List<ByteBuffer> buffers) implements Event {}

    record End() implements Event {}

    record Failure(Throwable cause) implements Event {}

    private record Answer(HttpResponse<Flow.Publisher<List<ByteBuffer>>> response) implements Event {}

    private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
    private final CompletableFuture<HttpResponse<Flow.Publisher<List<ByteBuffer>>>> pending;
    private final Patience patience;
    private volatile Flow.Subscription subscription;
    private volatile boolean closed;

    Exchange(HttpClient client, HttpRequest request, Patience patience) {
        this.patience = patience;
        this.pending = client.sendAsync(request, BodyHandlers.ofPublisher());
        this.pending.whenComplete(
                (response, error) -> events.add(error == null ? new Answer(response) : failure(error)));
    }

    /** What arrives next; null when patience is at its end. */
    Event next() {
        Event event = patience.await(events);
        if (event instanceof Answer answer) {
            answer.response().body().subscribe(this);
            return new Head(answer.response().statusCode(), answer.response().headers());
        }
        if (event instanceof Piece) {
            subscription.request(1);
        }
        return event;
    }

    @Override
    public void onSubscribe(Flow.Subscription given) {
        subscription = given;
        if (closed) {
            given.cancel();
        } else {
            given.request(1);
        }
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
        events.add(new Piece(buffers));
    }

    @Override
    public void onError(Throwable error) {
        events.add(failure(error));
    }

    @Override
    public void onComplete() {
        events.add(new End());
    }

    /** Gives up what has not arrived yet, and its connection. */
    @Override
    public void close() {
        closed = true;
        pending.cancel(true);
        if (subscription != null) {
            subscription.cancel();
        } else {
            // Headers that nobody waited for: a body without subscriber would hold its connection open.
            pending.thenAccept(response -> response.body().subscribe(this));
        }
    }

    private static Failure failure(Throwable error) {
        return new Failure(error instanceof CompletionException && error.getCause() != null ? error.getCause() : error);
    }
}
