"""What a process that stays tells systemd, where that started it."""

from __future__ import annotations

import contextlib
import os
import socket

__all__ = ["notify"]


def notify(words: str) -> None:
    """The protocol of sd_notify(3): one datagram to the socket that the environment names, if it names one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(words.encode(), "\0" + address[1:] if address.startswith("@") else address)
