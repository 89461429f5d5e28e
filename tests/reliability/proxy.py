"""A TCP proxy that breaks connections where it is told to: between us and the server, as a network would."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

__all__ = ["COMMIT", "Proxy"]

# Bolt sends messages in chunks, each with its length before it and an empty one at the end. COMMIT has no fields: the
# marker of a structure without any (B0) and its signature (12).
COMMIT = b"\x00\x02\xb0\x12\x00\x00"
BLOCK = 65_536


class Proxy:
    """Passes everything on between clients and one server, until `fault` says otherwise.

    A fault is asked about every block from client to server. It answers how many of its bytes still go through before
    both sides are cut, or None to let it pass.
    """

    def __init__(self, host: str, port: int, fault: Callable[[bytes], int | None] = lambda block: None) -> None:
        self._target = host, port
        self.fault = fault
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens on the loopback address."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Closes every connection that is open now."""
        for end in self._open:
            _close(end)
        self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:  # the server is away: whoever wants it hears that
                _close(client)
                continue
            self._open += [client, server]
            for source, sink, watched in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._pass, args=(source, sink), kwargs={"watched": watched}, daemon=True
                ).start()

    def _pass(self, source: socket.socket, sink: socket.socket, *, watched: bool) -> None:
        with suppress(OSError):
            while block := source.recv(BLOCK):
                through = self.fault(block) if watched else None
                if through is None:
                    sink.sendall(block)
                    continue
                self.cuts += 1
                _close(source)  # first, so that no answer reaches the client any more
                sink.sendall(block[:through])
                break
        _close(source)
        _close(sink)


def _close(end: socket.socket) -> None:
    """What was sent before still arrives."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def after_commit(chosen: Callable[[], bool]) -> Callable[[bytes], int | None]:
    """A fault that cuts right after a COMMIT was passed on, where `chosen` says so."""

    def fault(block: bytes) -> int | None:
        place = block.find(COMMIT)
        return place + len(COMMIT) if place >= 0 and chosen() else None

    return fault
