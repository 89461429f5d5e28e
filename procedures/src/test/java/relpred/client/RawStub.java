package relpred.client;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Something at the address of the service that does not keep to HTTP as a decent server does. */
final class RawStub implements AutoCloseable {
    /** The head of an answer whose length nobody knows. */
    static final String HEAD = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

    private final ServerSocket server;
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();

    /** What it writes when a request has arrived; it hangs up when that is written. */
    @FunctionalInterface
    interface Behaviour {
        void answer(OutputStream out) throws IOException, InterruptedException;
    }

    RawStub(Behaviour behaviour) {
        try {
            server = new ServerSocket(0, 300, InetAddress.getLoopbackAddress());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        start(() -> {
            while (true) {
                Socket socket = server.accept();
                open.add(socket);
                start(() -> talk(socket, behaviour));
            }
        });
    }

    /** Takes connections and says nothing. */
    static RawStub blackHole() {
        return new RawStub(out -> Thread.sleep(3_600_000));
    }

    /** Promises an answer and sends one byte a second. */
    static RawStub trickle() {
        return new RawStub(out -> {
            out.write(HEAD.getBytes(StandardCharsets.UTF_8));
            while (true) {
                out.write(' ');
                out.flush();
                Thread.sleep(1000);
            }
        });
    }

    String address() {
        return "http://127.0.0.1:" + server.getLocalPort();
    }

    private void talk(Socket socket, Behaviour behaviour) throws IOException {
        try (socket) {
            byte[] some = new byte[8192];
            if (socket.getInputStream().read(some) < 0) {
                return;
            }
            Thread writer = start(() -> {
                try (socket) {
                    behaviour.answer(socket.getOutputStream());
                }
            });
            while (socket.getInputStream().read(some) >= 0) {
                // until the other side hangs up
            }
            writer.interrupt();
        } finally {
            open.remove(socket);
        }
    }

    @FunctionalInterface
    private interface Work {
        void run() throws IOException, InterruptedException;
    }

    private static Thread start(Work work) {
        var thread = new Thread(
                () -> {
                    try {
                        work.run();
                    } catch (IOException | InterruptedException over) {
                        // the other side hung up, or the test is over
                    }
                },
                "stub");
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    @Override
    public void close() {
        try {
            server.close();
            for (Socket socket : open) {
                socket.close();
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
