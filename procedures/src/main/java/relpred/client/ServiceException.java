package relpred.client;

/** What went wrong between us and the service, in words for the person who wrote the query. */
public final class ServiceException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final String code;
    private final String hint;

    public ServiceException(String code, String message, String hint) {
        super(hint.isEmpty() ? message : message + " " + hint);
        this.code = code;
        this.hint = hint;
    }

    /** A stable word for the kind of failure: the service's own code, or one of ours. */
    public String code() {
        return code;
    }

    /** What to do next; may be empty. */
    public String hint() {
        return hint;
    }
}
