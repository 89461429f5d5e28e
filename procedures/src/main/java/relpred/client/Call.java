package relpred.client;

import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.security.cert.CertificateException;
import java.util.Map;
import javax.net.ssl.SSLHandshakeException;

/**
 * A request that was answered with success; its body is still to be read. Whatever fails is told in our words, and
 * where it fails it is also noted whether the service is to blame.
 */
final class Call implements AutoCloseable {
    private static final long MAX_ERROR_BYTES = 65_536;
    private static final int UNAVAILABLE = 503;

    private final ServiceSettings settings;
    private final Effect effect;
    private final Patience patience;
    private final Gate.Pass pass;
    private Exchange exchange;

    /** Sends it through the gate that all calls to this service pass. */
    Call(ServiceSettings settings, HttpRequest request, Effect effect, Patience patience) {
        this(settings, request, effect, patience, Gate.of(settings.address()));
    }

    Call(ServiceSettings settings, HttpRequest request, Effect effect, Patience patience, Gate gate) {
        this.settings = settings;
        this.effect = effect;
        this.patience = patience;
        this.pass = gate.enter(settings);
        try {
            Exchange.Head head = send(request);
            if (head.status() < 500) {
                pass.well();
            } else {
                pass.ill("service-failed");
            }
            RelpredClient.checkWire(head.headers());
            if (head.status() != 200) {
                throw refusal(head.status());
            }
            KeyProperties.heard(settings.address(), head.headers());
        } catch (RuntimeException | Error error) {
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
            exchange = new Exchange(Connections.within(settings), request, patience);
            Exchange.Event event = next();
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
                && !unreached(failure.cause());
    }

    /** Whether it failed before anything of the request was sent. */
    private static boolean unreached(Throwable cause) {
        return cause instanceof ConnectException
                || cause instanceof HttpConnectTimeoutException
                || cause instanceof SSLHandshakeException;
    }

    /** What arrives next; null when patience is at its end. */
    private Exchange.Event next() {
        try {
            return exchange.next();
        } catch (RuntimeException terminated) {
            pass.unknown();
            throw terminated;
        }
    }

    /** The next piece of the body, or its end. */
    Exchange.Event piece() {
        Exchange.Event event = next();
        if (event instanceof Exchange.Piece || event instanceof Exchange.End) {
            return event;
        }
        throw failed(event);
    }

    /** Throws when the query was terminated. */
    void check() {
        try {
            patience.check();
        } catch (RuntimeException terminated) {
            pass.unknown();
            throw terminated;
        }
    }

    /** What answers in a way that cannot be read is better left alone, even where it answers at once. */
    void blame(RuntimeException error) {
        if (error instanceof ServiceException told && told.code().equals(Json.UNREADABLE)) {
            pass.ill(told.code());
        }
    }

    private ServiceException failed(Exchange.Event event) {
        ServiceException error = event instanceof Exchange.Failure failure ? failed(failure.cause()) : slow();
        if (blames(error)) {
            pass.ill(error.code());
        } else {
            pass.unknown();
        }
        return error;
    }

    /**
     * Slowness is the service's fault only when it was given all the time that the settings allow, and only for a
     * question: what writes may wait for locks, even for those of the caller. A certificate is for the operator to set
     * right, who is to see the effect at once.
     */
    private boolean blames(ServiceException error) {
        return switch (error.code()) {
            case "service-slow" -> effect == Effect.NONE && patience.budget().compareTo(settings.deadline()) >= 0;
            case "service-untrusted" -> false;
            default -> true;
        };
    }

    private String who() {
        return "The relpred service at " + settings.address();
    }

    private ServiceException slow() {
        return new ServiceException(
                "service-slow",
                who() + " did not answer within " + patience.budget().toMillis() + " ms.",
                effect.remedy((effect == Effect.NONE ? "Ask for less (topK), give" : "Give")
                        + " it more time (timeoutMillis, " + Key.DEADLINE_MS.key
                        + "), or look whether it runs. " + settings.remedy()));
    }

    private ServiceException failed(Throwable cause) {
        for (Throwable reason = cause; reason != null; reason = reason.getCause()) {
            if (reason instanceof CertificateException) {
                return new ServiceException(
                        "service-untrusted",
                        who() + " has a certificate that is not trusted: " + reason.getMessage() + ".",
                        "Put the certificate of the CA that signed it, in PEM, into the file that " + Key.CA_FILE.key
                                + " names, and ask by a name that is in the certificate. " + settings.remedy());
            }
        }
        if (cause instanceof SSLHandshakeException) {
            return new ServiceException(
                    "service-down",
                    who() + " cannot be reached by TLS: " + cause.getMessage() + ".",
                    settings.remedy());
        }
        if (unreached(cause)) {
            return new ServiceException("service-down", who() + " cannot be reached.", settings.remedy());
        }
        return new ServiceException(
                "service-lost",
                who() + " broke off its answer.",
                effect.remedy("Its log says why. " + settings.remedy()));
    }

    private ServiceException refusal(int status) {
        if (status >= 300 && status < 400) {
            pass.ill("redirected"); // our service sends nobody elsewhere: something else answers in its place
            return new ServiceException(
                    "redirected",
                    who() + " sent us elsewhere (status " + status + "), which is not followed.",
                    settings.remedy());
        }
        byte[] body = new Body(this::piece, MAX_ERROR_BYTES).rest();
        try {
            ServiceException told = refusal(Json.read(body));
            if (status == UNAVAILABLE) {
                pass.well(); // it says at once why it cannot answer now, which helps more than a pause
            } else if (status >= 500) {
                pass.ill(told.code());
            }
            return told;
        } catch (ServiceException unreadable) {
            return new ServiceException(
                    "service-failed",
                    who() + " answered with status " + status + ".",
                    "Is it the relpred service? Its log says more. " + settings.remedy());
        }
    }

    /** The error that the service itself tells. */
    static ServiceException refusal(Map<String, Object> body) {
        String hint = Json.textOrNull(body, "hint");
        return new ServiceException(Json.text(body, "code"), Json.text(body, "message"), hint == null ? "" : hint);
    }

    /** The error that the service tells after its first rows were on their way. */
    ServiceException brokenOff(Map<String, Object> row) {
        ServiceException told = refusal(row);
        pass.ill(told.code());
        return told;
    }

    @Override
    public void close() {
        try (pass) {
            if (exchange != null) {
                exchange.close();
            }
        }
    }
}
