"""The requests of people to try now (`forwarder retry`): which of them this process has followed."""

from collections.abc import Callable

import structlog

from forwarder.api.pacing.permits import Pacer

#: Seconds between two requests that are followed: each sends a probe, also to an API that is down.
_APART = 1.0

log = structlog.get_logger()


class Requests:
    """Follows each request once, but not the one that is there at the first heartbeat: it is old.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, pacer: Pacer, clock: Callable[[], float]) -> None:
        self._pacer = pacer
        self._clock = clock
        self._followed: bytes | None = None
        self._at: float | None = None

    def heard(self, request: bytes | None) -> None:
        """The latest request, as it is in Redis now; to be called with each heartbeat. None if there is none."""
        now = self._clock()
        if self._at is None:
            self._followed, self._at = request, now - _APART
        elif request is not None and request != self._followed and now - self._at >= _APART:
            self._followed, self._at = request, now
            log.info("trying now, as a person has asked for", backoffs=self._pacer.try_now())
