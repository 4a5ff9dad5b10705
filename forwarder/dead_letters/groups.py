"""The dead letters of all lists, grouped by reason, status and event name. Pure.

If a queue has several lists, the first and the last ID of a group start with the shard, as all IDs do.
"""

import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from forwarder.dead_letters.letter import order
from forwarder.dead_letters.selection import Filter
from forwarder.outcome import LetterReason
from forwarder.queue.groups import Groups, LetterGroup, Names

#: What this service writes as reasons and statuses has this form. Anything else is shown as "other".
_WORD = re.compile(r"[a-z0-9_]{0,20}", re.ASCII)
_OTHER = "other"
#: Ends a name that was cut.
_CUT = "…"


@dataclass(frozen=True, slots=True)
class Group:
    """Dead letters with the same reason, status and event name; in all lists.

    Attributes:
        name: the event name; None if the letters have none that can be read, or different ones.
        names: how many event names there are, at least. 0 if none can be read.
        count: how many letters.
        others_accepted: of how many it is known that events of their users with other names were accepted.
        first, last: the IDs of the first and of the last one. Either may have been replayed or deleted since.
        lists: how many lists have some.
        any_name: whether it is a group by reason and status alone.
    """

    reason: str
    status: str
    name: str | None
    names: int
    count: int
    others_accepted: int
    first: str
    last: str
    lists: int = 1
    any_name: bool = False

    @property
    def id(self) -> str:
        """Identifies the group, and reveals no name."""
        text = f"{self.reason} {self.status} {self.any_name} {self.names == 1} {self.name}"
        return "g-" + hashlib.blake2s(text.encode(errors="replace"), digest_size=6).hexdigest()

    @property
    def exact_name(self) -> str | None:
        """The name for a filter; None if a filter by name would not find exactly this group's letters."""
        name = self.name
        if name is None or name.endswith(_CUT) or "\ufffd" in name or not name.isprintable():
            return None
        return name

    @property
    def options(self) -> tuple[str, ...]:
        """The options of the commands that select its letters, each with its value; empty if none do."""
        if self.reason not in set(LetterReason) or self.status == _OTHER:
            return ()
        status = (f"--status {self.status}",) if self.status else ()
        name = (f"--name {shlex.quote(self.exact_name)}",) if self.exact_name is not None else ()
        return (f"--reason {self.reason}", *status, *name)

    @property
    def listing(self) -> tuple[str, ...]:
        """The command that lists its newest letters, in parts that belong on one line; empty if none does."""
        return ("forwarder dead list", *self.options, "--newest", "--limit 20") if self.options else ()

    @property
    def hint(self) -> str:
        """What is known of other events of the same users; empty if nothing is."""
        if not self.others_accepted:
            return ""
        begin = "T" if self.others_accepted == self.count else f"For {self.others_accepted:,} of these, t"
        return f"{begin}he API accepted other events of the same user, so the user and the key are fine."

    def __add__(self, other: "Group") -> "Group":
        """Both together."""
        return replace(
            self,
            count=self.count + other.count,
            others_accepted=self.others_accepted + other.others_accepted,
            first=min(self.first, other.first, key=order),
            last=max(self.last, other.last, key=order),
            lists=self.lists + other.lists,
        )


def by_name(lists: Sequence[Groups]) -> list[Group]:
    """The groups of all lists, by shard. The largest comes first."""
    found: dict[tuple[str, str, str | Names], Group] = {}
    for shard, groups in enumerate(lists):
        for each in groups.groups:
            group = _of_list(each, shard, len(lists))
            key = (each.reason, each.status, each.name)
            found[key] = found[key] + group if key in found else group
    return _largest_first(found.values())


def without_names(groups: Iterable[Group]) -> list[Group]:
    """The same by reason and status alone. The largest comes first."""
    found: dict[tuple[str, str], Group] = {}
    lists: dict[tuple[str, str], int] = {}
    for each in groups:
        key, before = (each.reason, each.status), found.get((each.reason, each.status))
        lists[key] = max(lists.get(key, 0), each.lists)
        names = each.names + (before.names if before else 0)
        both = before + each if before else each
        found[key] = replace(both, name=None, names=names, lists=lists[key], any_name=True)
    return _largest_first(found.values())


def by_reason(lists: Iterable[Groups]) -> dict[str, int]:
    """How many letters have each reason. A reason that this version does not know counts as "other"."""
    found = sum((each.by_reason for each in lists), Counter[str]())
    known = {reason.value: found[reason] for reason in LetterReason}
    return known | {_OTHER: found.total() - sum(known.values())}


def matching(groups: Iterable[Group], which: Filter) -> int | None:
    """How many letters match a filter by reason, status and name; None if the groups do not say it."""
    found = [group for group in groups if which.reason in {None, group.reason} and which.status in {None, group.status}]
    if which.name is None:
        return sum(group.count for group in found)
    if any(group.names and group.exact_name is None for group in found):
        return None
    return sum(group.count for group in found if group.exact_name == which.name)


def word(text: str) -> str:
    """A reason or a status as it may be shown to anybody."""
    return text if _WORD.fullmatch(text) else _OTHER


def _of_list(group: LetterGroup, shard: int, lists: int) -> Group:
    prefix = f"{shard}/" if lists > 1 else ""
    name = group.name if isinstance(group.name, str) else None
    return Group(
        word(group.reason),
        word(group.status),
        name,
        0 if group.name is Names.NONE else 1 if name is not None else 2,
        group.count,
        group.others_accepted,
        prefix + group.first,
        prefix + group.last,
    )


def _largest_first(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (-group.count, group.reason, group.status, group.name or ""))
