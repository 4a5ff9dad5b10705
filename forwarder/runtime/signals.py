"""Signals that ask a process to end. It imports no library, so that it works from the first line of a command on."""

import os
import signal
from types import FrameType


def ending() -> list[signal.Signals]:
    """The signals that end a process in good order: Ctrl-C, a request to stop, and a terminal that closes."""
    # Under nohup, SIGHUP is ignored and must stay so.
    hangup = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *hangup]


def end_like_any_process() -> None:
    """Makes the first process of a container end at SIGTERM and SIGHUP, as any other process does by default.

    The kernel gives process 1 no default action: without a handler it ignores these signals, and `docker stop` waits
    for its whole grace before it kills. A command that has more to do than to end handles them itself later.
    """
    if os.getpid() == 1:
        for number in ending():
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> None:
    # At once and without cleaning up, as the default action would.
    os._exit(128 + number)
