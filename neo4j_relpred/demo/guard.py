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
import subprocess
import sys
import time
from types import FrameType

POLL_SECONDS = 0.1
GRACE_SECONDS = 15.0
PR_SET_PDEATHSIG = 1


def run(parent: int, command: list[str]) -> int:
    """Run the command until it ends, we are told to stop, or the parent is gone. Returns its exit status."""
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None

    def die_with_guard() -> None:
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_guard)
    while child.poll() is None:
        if stopping or os.getppid() != parent:
            return end(child)
        time.sleep(POLL_SECONDS)
    return child.returncode


def end(child: subprocess.Popen[bytes]) -> int:
    """Ask the child to end, so that its files are closed well; insist after a while."""
    child.terminate()
    try:
        return child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


if __name__ == "__main__":
    status = run(int(sys.argv[1]), sys.argv[2:])
    sys.exit(status if status >= 0 else 128 - status)
