"""Tells systemd that the service is up, how it fares, and that its event loop turns (Type=notify and its watchdog).

The protocol is one datagram for each message (sd_notify(3)), so this is our own: systemd's binding for Python
wants a compiler and libsystemd's headers where it is installed, and what is pure Python does not do more than this.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

#: Seconds between two looks at whether the status has changed.
_LOOK = 1.0
#: systemd ignores a message of more than 4,096 bytes; a character is at most four of them.
_LONGEST_STATUS = 1000

log = structlog.get_logger()


class Systemd:
    """The line to whoever started this process; silent where that is not systemd, or it does not want to be told.

    Sending never blocks and never raises: a systemd that does not listen must not hold up an event.

    Args:
        environment: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, as systemd sets them.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        #: Seconds between two beats: half of what systemd waits for one. None: it waits for none.
        self._interval = _watchdog(environment) if address else None
        self._heard = True

    @asynccontextmanager
    async def notified(self, status: Callable[[], str]) -> AsyncIterator[None]:
        """While entered, notifies systemd that the service is up, that it lives, and of each change of its status.

        The heartbeats come from the event loop and depend on nothing else, as /livez does. Neither a halt nor a Redis
        that is gone stops them, because a restart would fix neither.
        """
        notifying = asyncio.create_task(self._notify(status))
        try:
            yield
        finally:
            notifying.cancel()
            await asyncio.wait({notifying})

    def stopping(self) -> None:
        """Says that the service drains and then ends."""
        self._send("STOPPING=1")

    async def _notify(self, status: Callable[[], str]) -> None:
        """Looks again and again; what systemd did not take is said again at the next look."""
        if not self._address:
            return
        ready, said, beaten = False, "", float("-inf")
        pause = min(_LOOK, self._interval or _LOOK)
        while True:
            ready = ready or self._send("READY=1")
            # A line break would begin another message. On its own, so that none that is refused costs a beat.
            now = " ".join(status().split())[:_LONGEST_STATUS]
            if now != said and self._send(f"STATUS={now}"):
                said = now
            due = self._interval is not None and time.monotonic() + pause > beaten + self._interval
            if due and self._send("WATCHDOG=1"):
                beaten = time.monotonic()
            await asyncio.sleep(pause)

    def _send(self, message: str) -> bool:
        """Whether systemd took it. Says once that it did not."""
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as out:
                out.sendto(message.encode(), self._address)
        except (OSError, ValueError) as error:
            if self._heard:
                log.warning("systemd cannot be notified", message=message, error=str(error))
            self._heard = False
        else:
            self._heard = True
        return self._heard


def _watchdog(environment: Mapping[str, str]) -> float | None:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for the process that started this one
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isascii() and microseconds.isdigit() and int(microseconds) else None
