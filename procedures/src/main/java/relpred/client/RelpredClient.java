package relpred.client;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** Asks the service. One is made for each call; the connections behind it are shared. */
public final class RelpredClient {
    private static final String WIRE_HEADER = "X-Relpred-Wire";
    private static final long MAX_ERROR_BYTES = 65_536;

    private final ServiceSettings settings;
    private final Runnable stillWanted;

    /**
     * Makes a client for one call.
     *
     * @param stillWanted called again and again; throws as soon as the answer is not wanted any more
     */
    public RelpredClient(ServiceSettings settings, Runnable stillWanted) {
        this.settings = settings;
        this.stillWanted = stillWanted;
    }

    /** The answers, best first, as they arrive. Closing the stream gives up the rest. */
    public Stream<Prediction> ask(Question question, Limits limits) {
        checkTopK(limits.topK());
        return rows(question.errand(limits), limits.timeout(), Prediction::of);
    }

    /** The properties that tell nodes apart, as far as the service has said; see {@link Question#seeing}. */
    public List<String> keyProperties() {
        return KeyProperties.of(settings.address());
    }

    /** What asking would cost; nothing is asked. */
    public Stream<Estimate> estimate(Question question, Limits limits) {
        return rows(question.estimate(limits), limits.timeout(), Estimate::of);
    }

    /** How long a call may take that wants to wait for so long. */
    public Duration budget(Optional<Duration> timeout) {
        Duration most = settings.deadline();
        return timeout.filter(wanted -> wanted.compareTo(most) < 0).orElse(most);
    }

    /** Triples that wait for a decision, or decisions; of an errand that decides, the one decision. */
    public Stream<ReviewedTriple> review(Errand errand, Optional<Duration> timeout) {
        return rows(errand, timeout, ReviewedTriple::of);
    }

    /** Why a triple is scored as it is: the kinds of evidence, then the rules that fired. */
    public Stream<Clue> explain(Errand errand, Optional<Duration> timeout) {
        return rows(errand, timeout, Clue::of);
    }

    /** The publications, the newest first. */
    public Stream<LedgerRun> runs(Errand errand, Optional<Duration> timeout) {
        return rows(errand, timeout, LedgerRun::of);
    }

    /** What taking a run back did. */
    public Stream<Undone> undo(Errand errand, Optional<Duration> timeout) {
        return rows(errand, timeout, Undone::of);
    }

    /** Jobs as they stand. */
    public Stream<JobInfo> jobs(Errand errand) {
        return jobs(errand, Optional.empty());
    }

    /** Jobs as they stand, waited for at most so long. */
    public Stream<JobInfo> jobs(Errand errand, Optional<Duration> timeout) {
        return rows(errand, timeout, JobInfo::of);
    }

    /** Versions of the model. */
    public Stream<ModelInfo> models(Errand errand) {
        return rows(errand, Optional.empty(), ModelInfo::of);
    }

    /** What a training would take. */
    public Stream<TrainingEstimate> trainingEstimate(Errand errand) {
        return rows(errand, Optional.empty(), TrainingEstimate::of);
    }

    /** What a publication would ask. */
    public Stream<PublishingEstimate> publishingEstimate(Errand errand) {
        return rows(errand, Optional.empty(), PublishingEstimate::of);
    }

    /** How the daemon is, after an errand that tells it something. */
    public Stream<SyncState> sync(Errand errand) {
        return rows(errand, Optional.empty(), SyncState::of);
    }

    /** What the last sync left out. */
    public Stream<SyncFailure> syncFailures(Errand errand) {
        return rows(errand, Optional.empty(), SyncFailure::of);
    }

    /** The settings of the service. */
    public Stream<Setting> settings(Errand errand) {
        return rows(errand, Optional.empty(), Setting::of);
    }

    /** Refuses to ask for more rows than a call may give. */
    public void checkTopK(long topK) {
        if (topK > settings.maxRows()) {
            throw new ServiceException(
                    "too-many-rows",
                    "topK is " + topK + ", and a call gives at most " + settings.maxRows() + " rows.",
                    "Ask for less, or raise " + Key.MAX_ROWS.key + ".");
        }
    }

    private <T> Stream<T> rows(Errand errand, Optional<Duration> timeout, Function<Map<String, Object>, T> read) {
        HttpRequest request = request(errand.path())
                .header("Accept", "application/x-ndjson")
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(Json.write(errand.body())))
                .build();
        var call = new Call(settings, request, errand.effect(), new Patience(budget(timeout), stillWanted));
        var rows = new Rows<>(call, new Body(call::piece, settings.maxBytes()), settings.maxRows(), read);
        return StreamSupport.stream(rows, false).onClose(call::close);
    }

    /** What the service says of itself. */
    public Health health() {
        HttpRequest request =
                request("/healthz").header("Accept", "application/json").GET().build();
        var patience = new Patience(settings.deadline(), stillWanted);
        // A gate of its own: to tell how the service is, it is asked however it is.
        try (var call = new Call(settings, request, Effect.NONE, patience, new Gate())) {
            Map<String, Object> body = Json.read(new Body(call::piece, MAX_ERROR_BYTES).rest());
            return new Health(
                    Json.text(body, "status"),
                    Json.text(body, "version"),
                    Json.whole(body, "wire"),
                    Json.textOrNull(body, "model"));
        }
    }

    private HttpRequest.Builder request(String path) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(settings.address() + path))
                .header(WIRE_HEADER, Integer.toString(Version.WIRE))
                .header("User-Agent", "relpred-procedures/" + Version.JAR);
        settings.tokenFile().ifPresent(file -> request.header("Authorization", "Bearer " + token(file)));
        return request;
    }

    /** The token as the file has it now, so that it can be changed without a restart. It is in no message. */
    private static String token(Path file) {
        String token;
        try {
            token = Files.readString(file).strip();
        } catch (IOException error) {
            throw new ServiceException(
                    "invalid-settings",
                    Key.TOKEN_FILE.key + " names " + file + ", which cannot be read.",
                    "Create it, or correct the setting.");
        }
        if (token.isEmpty() || !token.chars().allMatch(letter -> letter > ' ' && letter < 127)) {
            throw new ServiceException(
                    "invalid-settings",
                    "The token in " + file + " is empty or has characters that no token has.",
                    "Write one line of letters and digits.");
        }
        return token;
    }

    /** Refuses a service that speaks another version of the protocol. One that does not say is taken at its word. */
    static void checkWire(HttpHeaders headers) {
        headers.firstValue(WIRE_HEADER)
                .filter(wire -> !wire.equals(Integer.toString(Version.WIRE)))
                .ifPresent(wire -> {
                    throw Version.mismatch(wire);
                });
    }
}
