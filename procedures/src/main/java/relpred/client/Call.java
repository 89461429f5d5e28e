package relpred.client;

import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.util.Map;

/** A request that was answered with success; its body is still to be read. Whatever fails is told in our words. */
final class Call implements AutoCloseable {
    private static final long MAX_ERROR_BYTES = 65_536;

    private final ServiceSettings settings;
    private final Effect effect;
    private final Patience patience;
    private Exchange exchange;

    Call(ServiceSettings settings, HttpRequest request, Effect effect, Patience patience) {
        this.settings = settings;
        this.effect = effect;
        this.patience = patience;
        try {
            Exchange.Head head = send(request);
            RelpredClient.checkWire(head.headers());
            if (head.status() != 200) {
                throw refusal(head.status());
            }
        } catch (RuntimeException error) {
            close();
            throw error;
        }
    }

    /**
     * Sends the request, a second time when the first was lost without an answer: the service may have closed a
     * connection that we kept from an earlier call. What must not be done twice is not sent twice.
     */
    private Exchange.Head send(HttpRequest request) {
        for (int attempt = 1; ; attempt++) {
            exchange = new Exchange(RelpredClient.Connections.within(settings.connect()), request, patience);
            Exchange.Event event = exchange.next();
            if (event instanceof Exchange.Head head) {
                return head;
            }
            if (attempt == 2 || effect == Effect.ONCE || !lost(event)) {
                throw failed(event);
            }
            exchange.close();
        }
    }

    private static boolean lost(Exchange.Event event) {
        return event instanceof Exchange.Failure failure
                && failure.cause() instanceof IOException
                && !(failure.cause() instanceof ConnectException)
                && !(failure.cause() instanceof HttpConnectTimeoutException);
    }

    /** The next piece of the body, or its end. */
    Exchange.Event piece() {
        Exchange.Event event = exchange.next();
        if (event instanceof Exchange.Piece || event instanceof Exchange.End) {
            return event;
        }
        throw failed(event);
    }

    /** Throws when the query was terminated. */
    void check() {
        patience.check();
    }

    private ServiceException failed(Exchange.Event event) {
        String who = "The relpred service at " + settings.address();
        if (!(event instanceof Exchange.Failure failure)) {
            return new ServiceException(
                    "service-slow",
                    who + " did not answer within " + patience.budget().toMillis() + " ms.",
                    effect.remedy((effect == Effect.NONE ? "Ask for less (topK), give" : "Give")
                            + " it more time (timeoutMillis, " + Key.DEADLINE_MS.key
                            + "), or look whether it runs. " + settings.remedy()));
        }
        if (failure.cause() instanceof ConnectException || failure.cause() instanceof HttpConnectTimeoutException) {
            return new ServiceException("service-down", who + " cannot be reached.", settings.remedy());
        }
        return new ServiceException(
                "service-lost",
                who + " broke off its answer.",
                effect.remedy("Its log says why. " + settings.remedy()));
    }

    private ServiceException refusal(int status) {
        if (status >= 300 && status < 400) {
            return new ServiceException(
                    "redirected",
                    "The relpred service at " + settings.address() + " sent us elsewhere (status " + status
                            + "), which is not followed.",
                    settings.remedy());
        }
        byte[] body = new Body(this::piece, MAX_ERROR_BYTES).rest();
        try {
            return refusal(Json.read(body));
        } catch (ServiceException unreadable) {
            return new ServiceException(
                    "service-failed",
                    "The relpred service at " + settings.address() + " answered with status " + status + ".",
                    "Is it the relpred service? Its log says more. " + settings.remedy());
        }
    }

    /** The error that the service itself tells, in an answer of its own or in the midst of the rows. */
    static ServiceException refusal(Map<String, Object> body) {
        String hint = Json.textOrNull(body, "hint");
        return new ServiceException(Json.text(body, "code"), Json.text(body, "message"), hint == null ? "" : hint);
    }

    @Override
    public void close() {
        if (exchange != null) {
            exchange.close();
        }
    }
}
