"""Notifies systemd that the service is up, what it is doing, and that its event loop runs (Type=notify, watchdog).

The protocol is one datagram per message (sd_notify(3)), so this module speaks it directly: systemd's binding for Python
needs a compiler and libsystemd's headers to install, and the packages in pure Python do no more than this module.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import structlog

#: Seconds between two checks whether the status has changed.
_STATUS_POLL = 1.0
#: Characters of a status. systemd ignores a message of more than 4,096 bytes, and a character may take four of them.
_LONGEST_STATUS = 1000

log = structlog.get_logger()


class Systemd:
    """Sends messages to systemd. Does nothing if systemd has not started this process, or wants no messages.

    Sending never blocks and never raises: a systemd that does not listen must not hold up an event.

    Args:
        environment: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, as systemd sets them.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        #: Seconds between two heartbeats: half of the time that systemd waits for one. None if it does not wait.
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
        """Notifies systemd that the service finishes what is in flight, and then ends."""
        self._send("STOPPING=1")

    async def _notify(self, status: Callable[[], str]) -> None:
        """Checks the status again and again. A message that systemd did not take is sent again at the next check."""
        if not self._address:
            return
        ready, reported, beaten = False, "", float("-inf")
        pause = min(_STATUS_POLL, self._interval or _STATUS_POLL)
        while True:
            ready = ready or self._send("READY=1")
            # A line break would begin another assignment. The status is a message of its own: if it is refused, the
            # heartbeat is not.
            now = " ".join(status().split())[:_LONGEST_STATUS]
            if now != reported and self._send(f"STATUS={now}"):
                reported = now
            due = self._interval is not None and time.monotonic() + pause > beaten + self._interval
            if due and self._send("WATCHDOG=1"):
                beaten = time.monotonic()
            await asyncio.sleep(pause)

    def _send(self, message: str) -> bool:
        """Returns whether systemd took the message. Of failures in a row, only the first is logged."""
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
