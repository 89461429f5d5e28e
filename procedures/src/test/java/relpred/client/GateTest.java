package relpred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class GateTest {
    private static final String BROKEN = "{\"code\": \"internal\", \"message\": \"Ada broke it.\", \"hint\": \"\"}";

    private final Stub stub = new Stub();
    private final Asking asking = new Asking(stub.address()).with("BREAKER_FAILURES", 3);
    private final AtomicInteger arrived = new AtomicInteger();
    private volatile int status = 200;
    private volatile String body = Asking.ROW;

    @BeforeEach
    void answer() {
        Gate.SHARED.clear(); // a port may come again
        pauseFor(Duration.ofHours(1));
        stub.on("/v1/relations", exchange -> {
            arrived.incrementAndGet();
            byte[] bytes = body.getBytes();
            exchange.sendResponseHeaders(status, bytes.length);
            exchange.getResponseBody().write(bytes);
        });
    }

    @AfterEach
    void stop() {
        stub.close();
    }

    private void pauseFor(Duration pause) {
        asking.with("BREAKER_PAUSE_MS", pause.toMillis());
    }

    private void answers(int newStatus, String newBody) {
        status = newStatus;
        body = newBody;
    }

    private void failThrice() {
        answers(500, BROKEN);
        for (int call = 1; call <= 3; call++) {
            assertEquals("internal", asking.code());
        }
    }

    @Test
    void whatCannotBeReadOpensItToo() {
        answers(200, Asking.ROW + Asking.ROW.substring(0, 40));
        for (int call = 1; call <= 3; call++) {
            assertEquals("unreadable-answer", asking.code());
        }
        assertEquals("service-paused", asking.code());
        assertEquals(3, arrived.get());
    }

    @Test
    void aRedirectOpensItToo() {
        answers(302, "");
        for (int call = 1; call <= 3; call++) {
            assertEquals("redirected", asking.code());
        }
        assertEquals("service-paused", asking.code());
    }

    /** After a pause of a millisecond, which is over at once. */
    private String codeAfterThePause() throws InterruptedException {
        pauseFor(Duration.ofMillis(1));
        Thread.sleep(5);
        try {
            return asking.code();
        } finally {
            pauseFor(Duration.ofHours(1));
        }
    }

    @Test
    void afterSomeFailuresInARowCallsAreRefusedAtOnceAndToldWhatToDo() {
        failThrice();
        var error = assertThrows(ServiceException.class, asking::rows);
        assertEquals("service-paused", error.code());
        for (String part : List.of(stub.address(), "3 times", "internal", "relpred.health()", "relpred serve")) {
            assertTrue(error.getMessage().contains(part), error.getMessage());
        }
        assertFalse(error.getMessage().contains("Ada"), "what another was told is not for all");
        assertEquals(3, arrived.get());
    }

    @Test
    void oneSuccessBetweenFailuresKeepsItClosed() {
        for (int round = 0; round < 3; round++) {
            answers(500, BROKEN);
            assertEquals("internal", asking.code());
            assertEquals("internal", asking.code());
            answers(200, Asking.ROW);
            assertEquals("", asking.code());
        }
    }

    @Test
    void afterThePauseOneCallTriesAndItsSuccessLetsAllThrough() throws InterruptedException {
        failThrice();
        answers(200, Asking.ROW);
        assertEquals("", codeAfterThePause());
        assertEquals("", asking.code());
        answers(500, BROKEN);
        assertEquals("internal", asking.code());
        assertEquals("internal", asking.code(), "it counts from the start again");
    }

    @Test
    void aTryThatFailsBeginsAnotherPause() throws InterruptedException {
        failThrice();
        assertEquals("internal", codeAfterThePause());
        assertEquals("service-paused", asking.code());
    }

    @Test
    void whileOneCallTriesTheOthersWait() throws InterruptedException {
        failThrice();
        answers(200, Asking.ROW);
        pauseFor(Duration.ofSeconds(1));
        Thread.sleep(1100);
        try (Stream<Prediction> trial = asking.client().ask(Asking.QUESTION, asking.limits())) {
            assertEquals("service-paused", asking.code());
            assertEquals(1, trial.count());
        }
        assertEquals("", asking.code());
    }

    @Test
    void changedSettingsTakeEffectAtOnce() {
        failThrice();
        assertEquals("service-paused", asking.code());
        asking.with("BREAKER_FAILURES", 4);
        assertEquals("internal", asking.code());
        assertEquals("service-paused", asking.code());
        asking.with("BREAKER_FAILURES", 0);
        for (int call = 1; call <= 10; call++) {
            assertEquals("internal", asking.code());
        }
        asking.with("BREAKER_FAILURES", 3);
        assertEquals("internal", asking.code(), "what happened while it was off does not count");
    }

    @Test
    void anotherAddressIsAnotherService() {
        failThrice();
        try (var other = new Stub()) {
            other.on("/v1/relations", 200, Asking.ROW);
            asking.with("ADDRESS", other.address());
            assertEquals("", asking.code());
        }
        asking.with("ADDRESS", stub.address());
        assertEquals("service-paused", asking.code());
    }

    @Test
    void whatAWellServiceRefusesIsNoFailure() {
        for (int refusal : List.of(400, 404, 409, 429, 503)) {
            answers(refusal, BROKEN);
            for (int call = 1; call <= 4; call++) {
                assertEquals("internal", asking.code());
            }
        }
        answers(503, "<html>Nobody is there</html>");
        for (int call = 1; call <= 3; call++) {
            assertEquals("service-failed", asking.code(), "but a 503 that the service did not tell itself is one");
        }
        assertEquals("service-paused", asking.code());
    }

    @Test
    void aServiceThatIsDownOrBreaksOffIsPaused() {
        answers(200, Asking.ROW + BROKEN + "\n");
        pausedAfterThree("internal");
        try (var lost = new RawStub(out -> out.write("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".getBytes()))) {
            asking.with("ADDRESS", lost.address());
            pausedAfterThree("service-lost");
        }
        try (var down = new Stub()) {
            asking.with("ADDRESS", down.address());
        }
        pausedAfterThree("service-down");
    }

    private void pausedAfterThree(String code) {
        for (int call = 1; call <= 3; call++) {
            assertEquals(code, asking.code());
        }
        assertEquals("service-paused", asking.code());
    }

    @Test
    void onlyAQuestionThatWasGivenAllItsTimeCountsAsSlow() {
        try (var hole = RawStub.blackHole()) {
            asking.with("ADDRESS", hole.address()).with("DEADLINE_MS", 60_000).within(Duration.ofMillis(20));
            for (int call = 1; call <= 4; call++) {
                assertEquals("service-slow", asking.code());
            }
            asking.with("DEADLINE_MS", 20);
            var undo = Errand.undo("a-run", false);
            for (int call = 1; call <= 4; call++) {
                var error =
                        assertThrows(ServiceException.class, () -> asking.client().undo(undo, Optional.empty()));
                assertEquals("service-slow", error.code(), "it may have waited for a lock");
            }
            pausedAfterThree("service-slow");
        }
    }

    @Test
    void aBodyThatTricklesCountsAsSlowThoughItsHeadWasThere() {
        try (var trickle = RawStub.trickle()) {
            asking.with("ADDRESS", trickle.address()).with("DEADLINE_MS", 300);
            pausedAfterThree("service-slow");
        }
    }

    @Test
    void aTerminatedQueryCountsNeitherWay() throws InterruptedException {
        var terminated = new IllegalStateException("terminated");
        try (var hole = RawStub.blackHole()) {
            asking.with("ADDRESS", hole.address());
            for (int call = 1; call <= 4; call++) {
                asking.until(terminatedAt(3, terminated));
                assertSame(terminated, assertThrows(IllegalStateException.class, asking::rows));
            }
        }
        asking.with("ADDRESS", stub.address()).until(() -> {});
        failThrice();
        answers(200, Asking.ROW.repeat(9));
        pauseFor(Duration.ofMillis(1));
        Thread.sleep(5);
        var now = new AtomicBoolean();
        asking.until(() -> {
            if (now.get()) {
                throw terminated;
            }
        });
        try (var trial = asking.client().ask(Asking.QUESTION, asking.limits())) {
            var rows = trial.iterator();
            rows.next();
            now.set(true);
            assertSame(terminated, assertThrows(IllegalStateException.class, rows::next));
        }
        asking.until(() -> {});
        pauseFor(Duration.ofHours(1));
        assertEquals("service-paused", asking.code(), "the failures are not forgotten");
        assertEquals("", codeAfterThePause(), "and the next call tries");
    }

    @Test
    void healthIsAskedDuringAPauseAndDoesNotEndIt() {
        stub.on("/healthz", 200, "{\"status\": \"ok\", \"version\": \"0.1.0\", \"wire\": 1, \"model\": null}");
        failThrice();
        assertEquals("ok", asking.client().health().status());
        assertEquals("service-paused", asking.code());
    }

    @Test
    void moreCallsAtOnceThanTheCapAreRefusedAtOnceAndToldWhatToDo() {
        asking.with("MAX_CALLS", 2);
        try (var closed = asking.client().ask(Asking.QUESTION, asking.limits())) {
            var readToItsEnd = asking.client().ask(Asking.QUESTION, asking.limits());
            var error = assertThrows(ServiceException.class, asking::rows);
            assertEquals("too-many-calls", error.code());
            assertTrue(error.getMessage().contains("service.max_calls"), error.getMessage());
            assertEquals(2, arrived.get());
            asking.with("MAX_CALLS", 3);
            assertEquals("", asking.code(), "a changed setting takes effect");
            asking.with("MAX_CALLS", 2);
            assertEquals(1, readToItsEnd.count());
            assertEquals("", asking.code());
            assertNotNull(closed);
        }
        asking.with("MAX_CALLS", 1);
        assertEquals("", asking.code());
    }

    @Test
    void thePlacesAreNeverMoreThanTheCapHoweverManyCallAtOnce() throws InterruptedException, ExecutionException {
        asking.with("MAX_CALLS", 4);
        var inside = new AtomicInteger();
        var most = new AtomicInteger();
        stub.on("/v1/tails", exchange -> {
            most.accumulateAndGet(inside.incrementAndGet(), Math::max);
            try {
                Thread.sleep(10);
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
            }
            inside.decrementAndGet();
            exchange.sendResponseHeaders(200, -1);
        });
        var threads = Executors.newFixedThreadPool(16);
        var codes = new ArrayList<Future<String>>();
        for (int call = 0; call < 200; call++) {
            codes.add(threads.submit(() -> {
                try (var rows = asking.client().ask(Question.tails("4:a:1", "KNOWS"), asking.limits())) {
                    return "" + rows.count();
                } catch (ServiceException error) {
                    return error.code();
                }
            }));
        }
        threads.shutdown();
        var seen = new HashSet<String>();
        for (Future<String> code : codes) {
            seen.add(code.get());
        }
        assertEquals(Set.of("0", "too-many-calls"), seen);
        assertTrue(most.get() <= 4, most + " at once");
        assertEquals("", asking.code());
    }

    /** Ends the query at its look of this number. */
    private static Runnable terminatedAt(int look, RuntimeException error) {
        var looks = new AtomicInteger();
        return () -> {
            if (looks.incrementAndGet() == look) {
                throw error;
            }
        };
    }
}
