"""How a push command ended, and what Redis' reply to it means. Pure."""

from enum import StrEnum
from typing import Any, NamedTuple

from forwarder.producer.portions import Portion
from forwarder.queue.wire.replies import Lost, Refusal, RefusalKind, Reply, passing


class PushEnding(StrEnum):
    """How one push command ended.

    Attributes:
        DONE: all of its events were pushed.
        QUEUE_FULL: the list has reached ``max_waiting``. Only the first events were pushed, perhaps none.
        REDIS_FULL: Redis has no memory left. No event was pushed.
        KEY_REUSED: the idempotency key belongs to a push of other events. No event was pushed.
        UNAVAILABLE: Redis cannot be reached, or does not serve now. No event was pushed.
        DENIED: this user may not do that. No event was pushed.
        UNKNOWN_SCRIPT: Redis has to be sent the text of the script. No event was pushed.
        REFUSED: Redis answered with another error. No event was pushed.
        LOST: there was no reply. Nobody knows which events were pushed.
    """

    DONE = "done"
    QUEUE_FULL = "queue full"
    REDIS_FULL = "Redis full"
    KEY_REUSED = "key reused"
    UNAVAILABLE = "unavailable"
    DENIED = "denied"
    UNKNOWN_SCRIPT = "unknown script"
    REFUSED = "refused"
    LOST = "lost"


class Fate(NamedTuple):
    """The result of one push command.

    The first `pushed` events are in the list; the rest are not, unless the reply was lost. `why` is empty if all were
    pushed.
    """

    ending: PushEnding
    pushed: int = 0
    why: str = ""


class Shortfall(NamedTuple):
    """Why events that were pushed may not be durable, and whether asking again may help."""

    why: str
    passing: bool = False


_REFUSALS = {
    RefusalKind.FULL: PushEnding.REDIS_FULL,
    RefusalKind.PASSING: PushEnding.UNAVAILABLE,
    RefusalKind.ELSEWHERE: PushEnding.UNAVAILABLE,
    RefusalKind.DENIED: PushEnding.DENIED,
    RefusalKind.UNKNOWN_SCRIPT: PushEnding.UNKNOWN_SCRIPT,
    RefusalKind.OTHER: PushEnding.REFUSED,
}


def refused(refusal: Refusal) -> Fate:
    """The result of a command that was not executed."""
    return Fate(_REFUSALS[refusal.kind], 0, refusal.why)


def fate(portion: Portion, reply: Reply, max_waiting: int | None) -> Fate:
    """The result of a command, from the reply of `push_once.lua`, `push.lua`, RPUSH or LPUSH."""
    count = len(portion.events)
    match reply:
        case Lost(why):
            return Fate(PushEnding.LOST, 0, why)
        case Refusal():
            return refused(reply)
        case [int(), b"other"]:
            return Fate(
                PushEnding.KEY_REUSED,
                0,
                "this idempotency key was used for other events; give each push a key of its own, "
                "and a push that is repeated exactly the same events",
            )
        case [int(), b"gap"]:
            return Fate(
                PushEnding.REFUSED,
                0,
                "Redis has forgotten the earlier events of this push, perhaps in a failover, and may have lost them",
            )
        case [int(known), b"full"]:
            return _full(known - portion.offset, max_waiting)
        case int(pushed) if max_waiting is not None and pushed < count:
            return _full(pushed, max_waiting)
    return Fate(PushEnding.DONE, count)


def _full(pushed: int, max_waiting: int | None) -> Fate:
    return Fate(PushEnding.QUEUE_FULL, pushed, f"{max_waiting:,} events wait in a list, and max_waiting allows no more")


def shortfall(reply: Reply, replicas: int, within: float) -> Shortfall | None:
    """Why events may not be durable, from the reply of WAIT or WAITAOF; None if they are."""
    found: Any
    match reply:
        case Lost(why) | Refusal(why):
            return Shortfall(f"it is not known whether they are durable: {why}", passing(reply))
        case [int(here), int(found)] if not here:
            return Shortfall(f"not in the append-only file within {within:g} s, and on {found} replicas")
        case [_, int(found)] | int(found) if found < replicas:
            return Shortfall(f"on {found} of {replicas} replicas within {within:g} s")
    return None
