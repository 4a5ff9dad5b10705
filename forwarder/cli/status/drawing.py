"""What `forwarder status` prints, as lines of text: what is wrong, the figures, the workers, the lists. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from rich.text import Text

from forwarder.cli.layout import Paper, joined, wrapped
from forwarder.cli.status import charts, rows
from forwarder.cli.status.words import number, rate, safe
from forwarder.diagnosis.finding import Finding
from forwarder.diagnosis.findings import without_redis
from forwarder.diagnosis.spans import span
from forwarder.diagnosis.states import outlook
from forwarder.errors import UnreachableError
from forwarder.logs.printable import visible
from forwarder.operations.status import Status

_TONES = {"good": "bold green", "calm": "bold cyan", "warn": "bold yellow", "bad": "bold red"}


def drawn(found: Status, paper: Paper) -> Iterator[Text]:
    """The lines of a status. A terminal gets the small charts, too."""
    first, *others = found.findings
    said = [_headline(first, paper, _since(found) if first.is_halt else "")]
    said += [_further(each, paper) for each in others]
    return joined([[Text(visible(found.queue), "bold")], *said, *_known(found, paper)])


def drawn_old(found: Status, paper: Paper, age: float, problem: str) -> Iterator[Text]:
    """The lines of a status that is `age` seconds old, while Redis does not answer: why, and the figures in grey."""
    finding = absence(problem, age)
    old = [Text(line.plain, "dim") for line in joined(_known(found, paper))]
    return joined([[Text(visible(found.queue), "bold")], _headline(finding, paper), old])


def absence(problem: str, age: float | None = None) -> Finding:
    """What there is to say while Redis gives no answer.

    Args:
        problem: why; empty if it has not answered in time so far.
        age: how old the figures are that are shown meanwhile, in seconds; None if none are.
    """
    found = without_redis(problem or "Redis has not answered in time", UnreachableError.remedy)
    return found if age is None else replace(found, detail=f"{found.detail} The figures below are {span(age)} old.")


def _known(found: Status, paper: Paper) -> Iterator[Iterable[Text]]:
    facts = found.facts
    yield _figures(found, paper)
    if paper.width is not None:
        yield charts.drawn(found.past, paper)
    yield rows.of_workers(found.workers, paper, idle=facts.is_idle)
    yield rows.of_lists(found.lists, paper)


def _headline(finding: Finding, paper: Paper, since: str = "") -> Iterator[Text]:
    """The worst that there is to say, in full: what it means, and what to do in which order."""
    title = safe(finding.title, _TONES.get(finding.tone, "bold"))
    yield from wrapped(title.append(since, "default"), paper)
    for sentence in (finding.sentence, finding.detail):
        if sentence:
            yield from wrapped(safe(sentence), paper)
    for place, step in enumerate(finding.steps, 1):
        yield from wrapped(_step(step), paper, Text(f"  {place}. " if len(finding.steps) > 1 else "  "))
    if finding.anchor is not None:
        yield Text(f"Runbook: {finding.anchor}", "dim")


def _since(found: Status) -> str:
    """Since when the service is halted, and how long ago that is by Redis' clock."""
    if found.halt is None:
        return ""
    try:
        ago = found.past[-1].at - datetime.fromisoformat(found.halt.since).timestamp()
    except (ValueError, IndexError):  # somebody else has written the halt
        return f" since {visible(found.halt.since)}"
    return f" since {visible(found.halt.since)}, {span(ago)} ago"


def _further(finding: Finding, paper: Paper) -> Iterator[Text]:
    """Something else, in short: what it is, and the first step."""
    title = safe(f"{finding.title}. ", _TONES.get(finding.tone, "bold"))
    yield from wrapped(title.append_text(safe(finding.detail or finding.sentence, "default")), paper)
    for step in finding.steps[:1]:
        yield from wrapped(_step(step), paper, Text("  "))


def _step(step: str) -> Text:
    """What can be copied is bold."""
    text = safe(step)
    text.highlight_regex(r"`[^`]*`", "bold")
    return text


def _figures(found: Status, paper: Paper) -> Iterator[Text]:
    facts, trend = found.facts, found.facts.trend
    figures = [
        ("backlog", number(facts.backlog), outlook(facts) if facts.backlog else ""),
        ("waiting", number(facts.waiting), ""),
        ("claimed", number(facts.claimed), ""),
        ("accepted", rate(trend.accepted), f"{found.total.accepted:,} in total"),
        ("pushed", rate(trend.pushed), ""),
        ("oldest event", "unknown" if facts.oldest is None else span(facts.oldest), ""),
        ("dead letters", number(facts.letters), _reasons(found)),
    ]
    if not facts.backlog:
        figures = [each for each in figures if each[0] != "oldest event"]
    names, values = (max(len(each[at]) for each in figures) for at in (0, 1))
    for name, value, note in figures:
        begin = Text(f"{name:<{names}}  ").append(f"{value:>{values}}", "bold")
        yield from wrapped(safe(note), paper, begin.append("  ")) if note else [begin]


def _reasons(found: Status) -> str:
    """How many dead letters have each reason."""
    uncounted = (found.facts.letters or 0) - sum(found.letters.values())
    reasons = [f"{count:,} {reason}" for reason, count in found.letters.items()]
    return ", ".join([*reasons, *([f"{uncounted:,} not counted yet"] if reasons and uncounted > 0 else [])])
