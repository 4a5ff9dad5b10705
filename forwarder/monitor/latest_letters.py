"""The dead letters as the page shows them: how many of each reason, and the latest, without users' data."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from forwarder.dead_letters.anomalies import Label, named, unnamed
from forwarder.dead_letters.explain import explain
from forwarder.dead_letters.letter import claimed_at, order, with_shard
from forwarder.outcome import LetterReason
from forwarder.queue.census import Census
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
#: The reasons and statuses that this service writes have this form. Anything else is shown as "other".
_WORD = re.compile(r"[a-z0-9_]{0,20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest letters of all lists, each with the length of its element, and how many letters have each reason."""

    letters: tuple[tuple[DeadLetter, int], ...] = ()
    by_reason: Counter[str] = field(default_factory=Counter)


async def read(queue: Queue, censuses: Sequence[Census]) -> Latest:
    """Reads the latest letters of all lists that have some, by their counts. Raises UnreachableError."""
    shards = len(queue.lists)
    most, most_bytes = max(1, _COUNTED // shards), _COUNTED_BYTES // shards
    found: list[tuple[DeadLetter, int]] = []
    reasons: Counter[str] = Counter()
    for each in (one for one, census in zip(queue.lists, censuses, strict=True) if census.letters):
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
    """The latest letters without anything that producers wrote: neither values nor the names of members."""
    return [_public(letter, length) | {"explanation": said} for letter, length, said in _explained(found, unnamed)]


def revealed(found: Latest) -> list[dict[str, object]]:
    """The latest letters with user data."""
    return [
        _public(letter, length) | {"explanation": said} | _user_data(letter, length)
        for letter, length, said in _explained(found, named)
    ]


def _explained(found: Latest, label: Label) -> Iterator[tuple[DeadLetter, int, str]]:
    sizes = accumulate(len(letter.element) for letter, _ in found.letters)
    for (letter, length), size in zip(found.letters, sizes, strict=True):
        yield letter, length, _explanation(letter, label) if size <= _EXPLAINED_BYTES else _UNEXPLAINED


def _public(letter: DeadLetter, length: int) -> dict[str, object]:
    return {
        "id": letter.id,
        "reason": _word(letter.reason),
        "status": _word(letter.status),
        "claimed_at": claimed_at(letter),
        "attempts": letter.attempts,
        "bytes": length,
    }


def _word(text: str) -> str:
    return text if _WORD.fullmatch(text) else "other"


def _explanation(letter: DeadLetter, label: Label) -> str:
    return explain(
        letter.reason,
        _word(letter.status),
        letter.detail,
        letter.element,
        claimed_at=letter.claimed_at,
        attempts=letter.attempts,
        label=label,
    )


def _user_data(letter: DeadLetter, length: int) -> dict[str, object]:
    shown = letter.element[:_SHOWN_BYTES]
    cut = " … cut here" if length > len(shown) else ""
    return {
        "user_id": letter.user_id[:_FIELD],
        "detail": letter.detail[:_FIELD],
        "element": shown.decode(errors="backslashreplace") + cut,
    }
