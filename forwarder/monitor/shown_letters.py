"""The dead letters as the page shows them: without the token neither user data nor the names of events and members."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from forwarder.dead_letters.anomalies import Label, named, unnamed
from forwarder.dead_letters.groups import Group, by_reason, word
from forwarder.dead_letters.letter import came_at, claimed_at
from forwarder.event import name_of
from forwarder.monitor.latest_letters import EXPLAINED_BYTES, Latest, explained
from forwarder.outcome import LetterReason
from forwarder.queue.letters import DeadLetter

#: This many groups are shown, the largest ones.
_GROUPS = 100
#: At most this many bytes of an element are shown.
_SHOWN_BYTES = 8_000
#: Characters of any other field that are shown.
_FIELD = 1_000


def hidden(found: Latest, kept: int, problem: str | None) -> dict[str, object]:
    """What anybody may see. `kept`: how many letters there are; `problem`: why the letters cannot be read."""
    return {
        **_counted(found, kept, problem),
        "groups": [_group(found, group) for group in found.without_names[:_GROUPS]],
        "latest": rows(found.letters, unnamed),
    }


def revealed(found: Latest, kept: int, problem: str | None) -> dict[str, object]:
    """What people with the token may see: the groups by name too, and users' data."""
    alike = Counter((each.reason, each.status) for each in found.by_name)
    return {
        **_counted(found, kept, problem),
        "groups": [
            _group(found, each)
            | {"name": each.name, "filter": selects(each, alone=found.exact and alike[each.reason, each.status] == 1)}
            for each in found.by_name[:_GROUPS]
        ],
        "letters": examples(found.letters),
    }


def examples(letters: Sequence[DeadLetter]) -> list[dict[str, object]]:
    """Letters with user data."""
    return [row | _user_data(letter) for letter, row in zip(letters, rows(letters, named), strict=True)]


def rows(letters: Sequence[DeadLetter], label: Label) -> list[dict[str, object]]:
    """Letters without anything that producers wrote, but for what `label` reveals in the explanations."""
    return [_row(letter, said) for letter, said in _explained(letters, label)]


def selects(group: Group, *, alone: bool) -> dict[str, str] | None:
    """What selects the letters of a group and no others, for an action; None if nothing does.

    Without a name, a reason and a status select the letters of all names. So that must be the only group of these.
    """
    if not group.options or not (alone or group.exact_name is not None):
        return None
    which = {"reason": group.reason, "status": group.status}
    return which if group.exact_name is None else which | {"name": group.exact_name}


def _counted(found: Latest, kept: int, problem: str | None) -> dict[str, object]:
    counted, groups = sum(by_reason(found.lists).values()), len(found.by_name)
    more = f"; the {_GROUPS} largest of {groups:,} groups are shown" if groups > _GROUPS else ""
    return {
        "said": (f"{kept:,} kept" if kept else "none")
        + ("" if found.exact else f"; {counted:,} counted so far")
        + more,
        "kept": kept,
        "exact": found.exact,
        "by_reason": by_reason(found.lists),
        "problem": problem,
    }


def _group(found: Latest, group: Group) -> dict[str, object]:
    example = found.examples.get(group.id)
    return {
        "id": group.id,
        "reason": group.reason,
        "status": group.status,
        "names": group.names,
        "count": group.count,
        "first": came_at(group.first),
        "last": came_at(group.last),
        "lists": group.lists,
        "example": example and example.id,
        "explanation": example and example.explanation,
        "hint": group.hint,
        "replay": group.reason != LetterReason.INVALID,
        "command": " ".join(group.listing) or None,
    }


def _explained(letters: Iterable[DeadLetter], label: Label) -> Iterator[tuple[DeadLetter, str]]:
    letters = list(letters)
    for letter, size in zip(letters, accumulate(len(each.element) for each in letters), strict=True):
        yield letter, explained(letter, label, enough=size > EXPLAINED_BYTES).explanation


def _row(letter: DeadLetter, explanation: str) -> dict[str, object]:
    return {
        "id": letter.id,
        "reason": word(letter.reason),
        "status": word(letter.status),
        "claimed_at": claimed_at(letter),
        "attempts": letter.attempts,
        "bytes": letter.size,
        "explanation": explanation,
    }


def _user_data(letter: DeadLetter) -> dict[str, object]:
    shown = letter.element[:_SHOWN_BYTES]
    cut = " … cut here" if letter.size > len(shown) else ""
    return {
        "user_id": letter.user_id[:_FIELD],
        "name": (name_of(letter.element) or "")[:_FIELD],
        "detail": letter.detail[:_FIELD],
        "element": shown.decode(errors="backslashreplace") + cut,
    }
