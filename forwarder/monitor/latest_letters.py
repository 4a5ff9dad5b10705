"""The dead letters as the page shows them: how many of each reason, and the latest, without users' data."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate

from forwarder.dead_letters.explain import explain
from forwarder.dead_letters.letter import claimed_at, order, with_shard
from forwarder.outcome import LetterReason
from forwarder.queue.letters import DeadLetter
from forwarder.queue.queue import Queue

#: This many of the latest letters are shown.
_SHOWN = 20
#: The reasons of this many of the latest letters are counted.
_COUNTED = 1_000
#: Counting stops after this many bytes of elements.
_COUNTED_BYTES = 2_000_000
#: At most this many bytes of an element are read: as many as an event may have by default.
_READ_BYTES = 65_536
#: At most this many bytes of an element are shown.
_SHOWN_BYTES = 8_000
#: Of the latest elements, this many bytes are explained. An absurd element takes a millisecond per kilobyte, and no
#: event is sent meanwhile.
_EXPLAINED_BYTES = 65_536
_UNEXPLAINED = "`forwarder dead show` explains what is probably wrong."
#: Characters of any other field that are shown.
_FIELD = 1_000


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest letters of all lists, each with the length of its element, and how many letters have each reason."""

    letters: tuple[tuple[DeadLetter, int], ...] = ()
    by_reason: Counter[str] = field(default_factory=Counter)


async def read(queue: Queue) -> Latest:
    """Reads the latest letters of all lists. Raises UnreachableError."""
    shards = len(queue.lists)
    most, most_bytes = max(1, _COUNTED // shards), _COUNTED_BYTES // shards
    found: list[tuple[DeadLetter, int]] = []
    reasons: Counter[str] = Counter()
    for each in queue.lists:
        latest = await each.letters.latest(full=_SHOWN, most=most, most_bytes=most_bytes, cut=_READ_BYTES)
        found += [(with_shard(letter, shards), length) for letter, length in latest.letters]
        reasons += latest.by_reason
    found.sort(key=lambda each: order(each[0].id), reverse=True)
    return Latest(tuple(found[:_SHOWN]), reasons)


def by_reason(found: Latest) -> dict[str, int]:
    """How many letters have each reason. A reason that this version does not know counts as "other"."""
    known = {reason.value: found.by_reason[reason] for reason in LetterReason}
    return known | {"other": found.by_reason.total() - sum(known.values())}


def hidden(found: Latest) -> list[dict[str, object]]:
    """The latest letters without anything that producers wrote."""
    sizes = accumulate(len(letter.element) for letter, _ in found.letters)
    return [_hidden(*each, size <= _EXPLAINED_BYTES) for each, size in zip(found.letters, sizes, strict=True)]


def revealed(found: Latest) -> list[dict[str, object]]:
    """The latest letters with the user and the element."""
    return [shown | _user_data(*each) for shown, each in zip(hidden(found), found.letters, strict=True)]


def _hidden(letter: DeadLetter, length: int, explained: bool) -> dict[str, object]:  # noqa: FBT001
    return {
        "id": letter.id,
        "reason": letter.reason[:_FIELD],
        "status": letter.status[:_FIELD],
        "detail": letter.detail[:_FIELD],
        "claimed_at": claimed_at(letter),
        "attempts": letter.attempts,
        "bytes": length,
        "explanation": _explanation(letter) if explained else _UNEXPLAINED,
    }


def _explanation(letter: DeadLetter) -> str:
    """Names members of the event, and quotes no value."""
    return explain(
        letter.reason,
        letter.status,
        letter.detail,
        letter.element,
        claimed_at=letter.claimed_at,
        attempts=letter.attempts,
    )


def _user_data(letter: DeadLetter, length: int) -> dict[str, object]:
    shown = letter.element[:_SHOWN_BYTES]
    cut = " … cut here" if length > len(shown) else ""
    return {"user_id": letter.user_id[:_FIELD], "element": shown.decode(errors="backslashreplace") + cut}
