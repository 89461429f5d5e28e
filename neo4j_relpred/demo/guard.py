"""Stands between us and the server: runs it, and ends it as soon as the process that asked for it is gone.

Started as a file of its own by an isolated interpreter, so it may use nothing but the standard library:

    python -I -S guard.py PARENT_PID PROGRAM ARGUMENT ...

A pipe or an exit handler is not enough: SIGKILL runs no handler, and a forked worker may hold a pipe open. The
death signal that Linux offers follows a thread, not a process, and has to be set between fork and exec, which is
not safe in a process with threads. This one has none.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from types import FrameType

POLL_SECONDS = 0.05
GRACE_SECONDS = 15.0
PR_SET_PDEATHSIG = 1


def run(parent: int, command: list[str]) -> int:
    """Run the command until it ends, we are told to stop, or the parent is gone. Returns its exit status.

    SIGTERM stops the command in good order, SIGUSR1 kills it. Either way we end after it, so who waits for us knows
    that it is gone.
    """
    received: list[int] = []

    def receive(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, receive)
    child = start(command)
    while (status := ended(child)) is None:
        if received or os.getppid() != parent:
            return end(child, grace=0.0 if signal.SIGUSR1 in received else GRACE_SECONDS)
        time.sleep(POLL_SECONDS)
    return status


def start(command: list[str]) -> int:
    """Start the command so that it dies with us even when we are killed, where the system offers that."""
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    child = os.fork()
    if child == 0:
        try:
            if libc is not None:
                libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            os.execv(command[0], command)
        finally:
            os._exit(127)
    return child


def ended(child: int) -> int | None:
    """Give the exit status of the child; None while it runs."""
    found, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def end(child: int, grace: float) -> int:
    """Ask the child to end, so that its files are closed well; insist after a while."""
    deadline = time.monotonic() + grace
    if grace > 0:
        os.kill(child, signal.SIGTERM)
    while (status := ended(child)) is None:
        if time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    return status


if __name__ == "__main__":
    status = run(int(sys.argv[1]), sys.argv[2:])
    sys.exit(status if status >= 0 else 128 - status)
