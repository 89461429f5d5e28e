package relpred.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.UnixOperatingSystemMXBean;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whatever stands at the address: each call ends in time with an error that says what to do, and hundreds of them leave
 * nothing behind. There is one place for a call, so that one that is not given back is seen by the next.
 */
@Timeout(60)
class BadServiceTest {
    private static final int CALLS = 200;
    /** For those that would never answer: long enough to connect, short enough for hundreds. */
    private static final Duration SHORT = Duration.ofMillis(20);

    private static final Duration LONG = Duration.ofSeconds(5);

    private static Asking asking(String address, Duration deadline) {
        return new Asking(address)
                .with("MAX_CALLS", 1)
                .with("MAX_BYTES", 100_000)
                .with("DEADLINE_MS", deadline.toMillis());
    }

    /** The first calls of all load classes, which takes longer than the shortest deadline. */
    @BeforeAll
    static void warmUp() {
        for (String scheme : List.of("http", "https")) {
            assertEquals("service-down", asking(scheme + "://127.0.0.1:1", LONG).code());
        }
    }

    @Test
    void down() {
        var stub = new Stub();
        stub.close();
        failsOften(stub.address(), LONG, "service-down");
    }

    @Test
    void takesConnectionsAndSaysNothing() {
        try (var stub = RawStub.blackHole()) {
            failsOften(stub.address(), SHORT, "service-slow");
        }
    }

    @Test
    void takesConnectionsAndSaysNothingToTls() {
        try (var stub = RawStub.blackHole()) {
            failsOften(stub.address().replace("http:", "https:"), SHORT, "service-slow");
        }
    }

    @Test
    void sendsOneByteASecond() {
        try (var stub = RawStub.trickle()) {
            failsInTime(asking(stub.address(), Duration.ofMillis(1200)), "service-slow"); // two bytes arrive
            failsOften(stub.address(), SHORT, "service-slow");
        }
    }

    @Test
    void answersWithAnError() {
        try (var stub = new Stub()) {
            String told = "{\"code\": \"internal\", \"message\": \"It broke.\", \"hint\": \"Mend it.\"}";
            stub.on("/v1/relations", 500, told);
            failsOften(stub.address(), LONG, "internal");
        }
    }

    @Test
    void answersWithAPage() {
        try (var stub = new Stub()) {
            stub.on("/v1/relations", 502, "<html>Bad gateway</html>");
            failsOften(stub.address(), LONG, "service-failed");
        }
    }

    @Test
    void cutsItsJson() {
        try (var stub = new Stub()) {
            stub.on("/v1/relations", 200, Asking.ROW + Asking.ROW.substring(0, 40));
            failsOften(stub.address(), LONG, "unreadable-answer");
        }
    }

    @Test
    void hangsUpInTheMidst() {
        String head = "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n";
        try (var stub = new RawStub(out -> write(out, head + Asking.ROW))) {
            failsOften(stub.address(), LONG, "service-lost");
        }
    }

    @Test
    void hangsUpAtOnce() {
        try (var stub = new RawStub(out -> {})) {
            failsOften(stub.address(), LONG, "service-lost");
        }
    }

    @Test
    void sendsRowsWithoutEnd() {
        try (var stub = new RawStub(out -> forEver(out, Asking.ROW))) {
            failsOften(stub.address(), LONG, "answer-too-large");
        }
    }

    @Test
    void sendsALineWithoutEnd() {
        try (var stub = new RawStub(out -> forEver(out, "x".repeat(1000)))) {
            failsOften(stub.address(), LONG, "answer-too-large");
        }
    }

    @Test
    void sendsUsToAnotherHost() {
        var followed = new AtomicInteger();
        try (var other = new Stub();
                var stub = new Stub()) {
            other.on("/", exchange -> followed.incrementAndGet());
            stub.on("/v1/relations", exchange -> {
                exchange.getResponseHeaders().add("Location", other.address().replace("127.0.0.1", "localhost"));
                exchange.sendResponseHeaders(307, -1);
            });
            failsOften(stub.address(), LONG, "redirected");
        }
        assertEquals(0, followed.get());
    }

    @Test
    void hasACertificateOfAStranger(@TempDir Path folder) throws IOException, GeneralSecurityException {
        try (var server = new Authority(folder).signs("here", "ip:127.0.0.1").serve("here")) {
            failsOften(server.address(), LONG, "service-untrusted");
        }
    }

    @Test
    void isNotWaitedForByATerminatedQuery() {
        var terminated = new IllegalStateException("terminated");
        try (var stub = RawStub.blackHole()) {
            leavesNothing(() -> {
                var looks = new AtomicInteger();
                var asking = asking(stub.address(), LONG).until(() -> {
                    if (looks.incrementAndGet() == 2) {
                        throw terminated;
                    }
                });
                assertSame(terminated, assertThrows(IllegalStateException.class, asking::rows));
            });
        }
    }

    @Test
    void isNotWaitedForByAQueryThatHasEnough() {
        try (var stub = new RawStub(out -> forEver(out, Asking.ROW))) {
            leavesNothing(() -> {
                var asking = asking(stub.address(), LONG);
                try (var rows = asking.client().ask(Asking.QUESTION, asking.limits())) {
                    assertEquals(3, rows.limit(3).count());
                }
            });
        }
    }

    @Test
    void aClientWhoseSettingsChangedLeavesNothing() {
        try (var stub = new Stub()) {
            stub.on("/v1/relations", 200, Asking.ROW);
            var connect = new AtomicInteger(1000);
            var asking = asking(stub.address(), LONG);
            leavesNothing(() -> {
                asking.with("CONNECT_MS", connect.incrementAndGet());
                assertEquals(1, asking.rows().size());
            });
        }
    }

    private static void failsOften(String address, Duration deadline, String code) {
        var asking = asking(address, deadline);
        leavesNothing(() -> failsInTime(asking, code));
    }

    private static void failsInTime(Asking asking, String code) {
        long began = System.nanoTime();
        var error = assertThrows(ServiceException.class, asking::rows);
        var took = Duration.ofNanos(System.nanoTime() - began);
        assertEquals(code, error.code(), error.getMessage());
        assertFalse(error.hint().isEmpty(), error.getMessage());
        var most = asking.deadline().plusSeconds(1);
        assertTrue(took.compareTo(most) < 0, "took " + took);
    }

    /** Calls often, and looks whether threads and connections are no more than after the first few. */
    private static void leavesNothing(Runnable call) {
        for (int warming = 0; warming < CALLS / 10; warming++) {
            call.run();
        }
        long threads = threads();
        long files = files();
        for (int called = 0; called < CALLS; called++) {
            call.run();
        }
        // A worker or a kept connection more is chance; what every call leaves is not.
        long few = CALLS / 20;
        falls("threads", BadServiceTest::threads, threads + few);
        falls("open files", BadServiceTest::files, files + few);
    }

    /** Waits for what ends soon: the other side of a connection, or a client that nobody holds any more. */
    private static void falls(String what, LongSupplier number, long most) {
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (number.getAsLong() > most && System.nanoTime() < until) {
            System.gc();
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(100));
        }
        assertTrue(number.getAsLong() <= most, number.getAsLong() + " " + what + ", and at most " + most + " were due");
    }

    private static long threads() {
        return ManagementFactory.getThreadMXBean().getThreadCount();
    }

    /** Both ends of a connection are in this process, so one that either of them keeps is seen. */
    private static long files() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix
                ? unix.getOpenFileDescriptorCount()
                : 0;
    }

    private static void write(OutputStream out, String text) throws IOException {
        out.write(text.getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    private static void forEver(OutputStream out, String text) throws IOException {
        write(out, RawStub.HEAD);
        while (true) {
            write(out, text);
        }
    }
}
