package relpred.client;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Supplier;

/** The body of an answer, line by line or as a whole, within a number of bytes. */
final class Body {
    /** Far more than any row of ours takes: what sends no end of a line is not our service. */
    private static final int MAX_LINE_BYTES = 1_048_576;

    private final Supplier<Exchange.Event> arriving;
    private final long maxBytes;
    private final Deque<ByteBuffer> unread = new ArrayDeque<>();
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private long bytes;
    private boolean ended;

    /** Takes pieces from the supplier until it gives an End; any other event is the supplier's to refuse. */
    Body(Supplier<Exchange.Event> arriving, long maxBytes) {
        this.arriving = arriving;
        this.maxBytes = maxBytes;
    }

    /** The next line without its end; null after the last. */
    byte[] nextLine() {
        line.reset();
        while (fill()) {
            ByteBuffer buffer = unread.element();
            while (buffer.hasRemaining()) {
                byte one = buffer.get();
                if (one == '\n') {
                    return line.toByteArray();
                }
                line.write(one);
            }
            if (line.size() > MAX_LINE_BYTES) {
                throw Json.unreadable("it has a line that does not end");
            }
        }
        return line.size() == 0 ? null : line.toByteArray();
    }

    /** All that is left. */
    byte[] rest() {
        line.reset();
        while (fill()) {
            ByteBuffer buffer = unread.remove();
            byte[] piece = new byte[buffer.remaining()];
            buffer.get(piece);
            line.writeBytes(piece);
        }
        return line.toByteArray();
    }

    /** Sees to it that there is something to read; false at the end. */
    private boolean fill() {
        while (!unread.isEmpty() && !unread.element().hasRemaining()) {
            unread.remove();
        }
        while (unread.isEmpty() && !ended) {
            if (arriving.get() instanceof Exchange.Piece piece) {
                piece.buffers().stream().filter(ByteBuffer::hasRemaining).forEach(this::take);
            } else {
                ended = true;
            }
        }
        return !unread.isEmpty();
    }

    private void take(ByteBuffer buffer) {
        bytes += buffer.remaining();
        if (bytes > maxBytes) {
            throw new ServiceException(
                    "answer-too-large",
                    "The answer of the relpred service is longer than " + maxBytes + " bytes.",
                    "Ask for less (topK), or raise " + Key.MAX_BYTES.key + ".");
        }
        unread.add(buffer);
    }
}
