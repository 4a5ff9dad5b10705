"""`forwarder dead summary`."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from forwarder import config
from forwarder.cli.connection import queue_of
from forwarder.cli.dead.table import age
from forwarder.cli.options import Json
from forwarder.cli.output import as_line, out, problem, say
from forwarder.cli.progress import bar
from forwarder.dead_letters.anomalies import named
from forwarder.dead_letters.groups import Group, by_name, by_reason
from forwarder.dead_letters.letter import came_at, count_of, explained, id_in_list
from forwarder.dead_letters.letters import Letters
from forwarder.dead_letters.selection import Filter
from forwarder.logs.printable import breaks, visible
from forwarder.outcome import LetterReason
from forwarder.runtime import loop

#: This many of the largest groups are shown to people.
_SHOWN = 20
#: If the latest letter of a group is gone, an example is looked for among this many before it.
_AMONG = 2_000
#: At most this many bytes of an example are read: as many as an event may have by default.
_READ_BYTES = 65_536
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class _Example:
    id: str
    explanation: str


def dead_summary(*, as_json: Json = False) -> None:
    """Group dead letters by cause, with an example and the next command."""
    settings = config.load()

    async def work() -> None:
        async with queue_of(settings) as queue:
            letters = Letters(queue, side=settings.consume_from, cut=_READ_BYTES)
            kept = await letters.kept()
            with bar("counting", kept) as progress:
                lists = await letters.groups(progress.advance)
            groups = by_name(lists)
            shown = groups if as_json else groups[:_SHOWN]
            examples = [await _example(letters, group) for group in shown]
        reasons, exact = by_reason(lists), all(each.exact for each in lists)
        if as_json:
            both = [_json(*each) for each in zip(groups, examples, strict=True)]
            as_line({"kept": kept, "exact": exact, "by_reason": reasons, "groups": both})
            return
        _print(groups, examples, reasons)
        if not exact:
            problem("Redis refuses writes, so dead letters that came since somebody looked are not counted")

    loop.run(work())


async def _example(letters: Letters, group: Group) -> _Example | None:
    """The latest letter of a group that still exists, and what is probably wrong with it."""
    found = await letters.one(group.last)
    if found is None:
        which = Filter(reason=group.reason, status=group.status, name=group.exact_name, limit=1)
        others, _ = await letters.newest(which, among=_AMONG, last=id_in_list(group.last))
        found = others[0] if others else None
    return None if found is None else _Example(found.id, explained(found, named))


def _json(group: Group, example: _Example | None) -> dict[str, object]:
    return {
        "reason": group.reason,
        "status": group.status,
        "name": group.name,
        "names": group.names,
        "count": group.count,
        "first": came_at(group.first),
        "last": came_at(group.last),
        "lists": group.lists,
        "others_accepted": group.others_accepted,
        "example": example and example.id,
        "explanation": example and example.explanation,
        "command": " ".join(group.listing) or None,
    }


def _print(groups: list[Group], examples: list[_Example | None], reasons: dict[str, int]) -> None:
    listed = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
    say(Text.assemble((count_of(sum(reasons.values())), "bold"), f": {listed}" if listed else ""))
    width = len(f"{groups[0].count:,}") if groups else 0
    for group, example in zip(groups, examples, strict=False):
        out.print()
        _print_group(group, example, width)
    out.print()
    if rest := groups[_SHOWN:]:
        say(f"{len(rest):,} smaller groups, with {count_of(sum(each.count for each in rest))}: add --json")
    if any(group.reason != LetterReason.INVALID for group in groups):
        say("Fix the cause, then replay: `forwarder dead replay`, the options of the list, and `--canary 10`.")
    if reasons[LetterReason.INVALID]:
        say("Invalid elements come back unchanged: edit or delete them.")


def _print_group(group: Group, example: _Example | None, width: int) -> None:
    reason = f"{group.reason} {group.status}".rstrip()
    say(Text.assemble((f"{group.count:>{width},}", "bold"), "  ", (reason, "yellow"), "  ", (_named(group), "cyan")))
    for sentence in _sentences(group, example):
        _say_indented(sentence)
    if example is not None:
        _print_command("forwarder dead show", example.id)
    if group.listing:
        _print_command(*group.listing)


def _named(group: Group) -> str:
    if group.name is not None:
        return visible(group.name)
    return "more names" if group.names else ""


def _sentences(group: Group, example: _Example | None) -> Iterator[str]:
    now = time.time()
    first, last = age(group.first, now), age(group.last, now)
    when = f"{last} ago" if group.count == 1 else f"Latest {last} ago, first {first} ago"
    yield when + (f"; in {group.lists} lists" if group.lists > 1 else "")
    if example is not None:
        yield visible(example.explanation)
    if group.hint:
        yield group.hint


def _say_indented(text: str, style: str = "") -> None:
    """Like :func:`say`, with each line below the group's name."""
    for line in Text(text, style).divide(breaks(text, out.width - len(_INDENT)) if out.is_terminal else ()):
        line.rstrip()
        out.print(Text(_INDENT).append(line), soft_wrap=True)


def _print_command(*parts: str) -> None:
    """A command that can be copied as a whole: if a line is too short for it, it goes on below, after a backslash."""
    lines = [""]
    room = out.width - len(f"{2 * _INDENT} \\")
    for part in parts:
        if out.is_terminal and lines[-1] and cell_len(f"{lines[-1]} {part}") > room:
            lines.append("")
        lines[-1] = f"{lines[-1]} {part}".lstrip()
    for number, line in enumerate(lines):
        end = " \\" if number + 1 < len(lines) else ""
        out.print(Text(f"{_INDENT * (1 + bool(number))}{line}{end}", "dim"), soft_wrap=True)
