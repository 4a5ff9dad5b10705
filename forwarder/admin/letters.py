"""The dead letters as the page shows them: how many of each reason, and the latest, without users' data."""

from forwarder.dead import claimed_at
from forwarder.explain import explain
from forwarder.outcome import LetterReason
from forwarder.queue import DeadLetter, LatestLetters, Records

#: How many of the latest letters are shown, and of how many the reasons are counted.
_SHOWN, _COUNTED = 20, 1_000
#: Counting ends after so many bytes of elements. Of one, so many are shown; `forwarder dead show` prints all.
_COUNTED_BYTES, _ELEMENT_BYTES = 2_000_000, 8_000


async def read(records: Records) -> LatestLetters:
    """Looks at the latest letters. Raises UnreachableError."""
    return await records.latest_letters(full=_SHOWN, most=_COUNTED, most_bytes=_COUNTED_BYTES, cut=_ELEMENT_BYTES)


def by_reason(found: LatestLetters) -> dict[str, int]:
    """How many of each reason; what is none of ours is "other"."""
    known = {reason.value: found.by_reason[reason] for reason in LetterReason}
    return known | {"other": found.by_reason.total() - sum(known.values())}


def hidden(found: LatestLetters) -> list[dict[str, object]]:
    """The latest letters without anything that the producers wrote."""
    return [_hidden(letter, length) for letter, length in found.letters]


def revealed(found: LatestLetters) -> list[dict[str, object]]:
    """The latest letters with the user, the element, and an explanation that may quote them."""
    return [_hidden(letter, length) | _user_data(letter, length) for letter, length in found.letters]


def _hidden(letter: DeadLetter, length: int) -> dict[str, object]:
    return {
        "id": letter.id,
        "reason": letter.reason,
        "status": letter.status,
        "detail": letter.detail,
        "claimed_at": claimed_at(letter),
        "attempts": letter.attempts,
        "bytes": length,
        "explanation": explain(letter.reason, letter.status, letter.detail, b""),
    }


def _user_data(letter: DeadLetter, length: int) -> dict[str, object]:
    cut = length > len(letter.element)
    return {
        "user_id": letter.user_id,
        "element": letter.element.decode(errors="backslashreplace") + (" … cut here" if cut else ""),
        "explanation": explain(letter.reason, letter.status, letter.detail, b"" if cut else letter.element),
    }
