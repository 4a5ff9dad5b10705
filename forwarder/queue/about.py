"""What a worker writes of itself for people, beside its row in the fleet's hash. Pure.

No script reads it, and other workers read it only to show it. So it may grow without making heartbeats dearer.
"""

import msgspec


class Silence(msgspec.Struct, frozen=True, omit_defaults=True):
    """The API has accepted and refused nothing since the first POST that failed.

    Attributes:
        seconds: since that POST.
        cause: of the latest failure: a status, such as "503", or why there was no answer, such as "timeout".
        next_try: seconds until the next POST may start; None if that is not known.
        outage: whether it has lasted for five seconds, and at least three users failed, so that it is the API and not
            their events.
    """

    seconds: float
    cause: str
    next_try: float | None = None
    outage: bool = False


class About(msgspec.Struct, frozen=True, omit_defaults=True):
    """A running worker, as people see it. A new field needs a default: workers of another version do not write it.

    Attributes:
        name: host name and process ID.
        version: of the package.
        uptime: seconds since the process started.
        state: what the worker is doing; the words of /readyz.
        reason: why it is not ready; empty if it is. The words of /readyz.
        lists: how many it owns.
        accepted: events per second that the API accepted from it in the last seconds; None if that is not known.
        oldest: seconds since the oldest event that it knows of was pushed or claimed; None if it knows of none.
        silence: how long the API has accepted nothing from it; None if the latest POST was answered well.
        refused: of the fleet's newest decisions, how many were refusals, and how many decisions there were; the
            dead-letter brake halts at four of five. None while there is nothing to suspect.
    """

    name: str
    version: str = ""
    uptime: float = 0.0
    state: str = ""
    reason: str = ""
    lists: int = 0
    accepted: float | None = None
    oldest: float | None = None
    silence: Silence | None = None
    refused: tuple[int, int] | None = None

    @property
    def text(self) -> bytes:
        """As it is in Redis."""
        return msgspec.json.encode(self)


def read(text: bytes) -> About | None:
    """What a worker has written; None if somebody else has written this, or nothing is there."""
    try:
        return msgspec.json.decode(text, type=About)
    except (msgspec.DecodeError, RecursionError):
        return None
