"""The dead letters as the page shows them: how many of each reason, and the latest, without users' data."""

from collections import Counter
from dataclasses import dataclass, field

from forwarder.dead import claimed_at
from forwarder.explain import explain
from forwarder.outcome import LetterReason
from forwarder.queue import DeadLetter, Records

#: How many of the latest letters are shown.
_SHOWN = 20
#: Reading ends after so many letters, or bytes of them: thousands of long letters must not hold up Redis.
_COUNTED, _COUNTED_BYTES = 1_000, 2_000_000
#: Of an element, at most so many bytes are shown; `forwarder dead show` prints all.
_ELEMENT_BYTES = 4_000

_REASONS = frozenset(LetterReason)


@dataclass(frozen=True, slots=True)
class Latest:
    """What was read: the latest letters, and from the latest on how many of each reason."""

    letters: tuple[DeadLetter, ...] = ()
    by_reason: Counter[str] = field(default_factory=Counter)

    def hidden(self) -> list[dict[str, object]]:
        """The latest letters without anything that the producers wrote."""
        return [_hidden(letter) for letter in self.letters]

    def revealed(self) -> list[dict[str, object]]:
        """The latest letters with the user, the element, and an explanation that may quote them."""
        return [_hidden(letter) | _user_data(letter) for letter in self.letters]


async def read(records: Records) -> Latest:
    """Reads the latest letters. Raises UnreachableError."""
    shown: list[DeadLetter] = []
    reasons: Counter[str] = Counter()
    size = 0
    async for letter in records.latest_letters():
        if len(shown) < _SHOWN:
            shown.append(letter)
        reasons[letter.reason if letter.reason in _REASONS else "other"] += 1
        size += len(letter.element)
        if reasons.total() >= _COUNTED or size >= _COUNTED_BYTES:
            break
    return Latest(tuple(shown), reasons)


def _hidden(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "reason": letter.reason,
        "status": letter.status,
        "detail": letter.detail,
        "claimed_at": claimed_at(letter),
        "attempts": letter.attempts,
        "bytes": len(letter.element),
        "explanation": explain(letter.reason, letter.status, letter.detail, b""),
    }


def _user_data(letter: DeadLetter) -> dict[str, object]:
    cut = " … cut here" if len(letter.element) > _ELEMENT_BYTES else ""
    return {
        "user_id": letter.user_id,
        "element": letter.element[:_ELEMENT_BYTES].decode(errors="backslashreplace") + cut,
        "explanation": explain(letter.reason, letter.status, letter.detail, letter.element),
    }
