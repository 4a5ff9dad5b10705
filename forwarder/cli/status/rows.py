"""The workers and the lists as lines of text: tables, or one below the other where a table has no room. Pure."""

from collections.abc import Iterator, Sequence

from rich.text import Text

from forwarder.cli.layout import Paper, flow, table, wrapped
from forwarder.cli.status.words import rate, safe
from forwarder.diagnosis.spans import span
from forwarder.operations.status import ListStatus
from forwarder.queue.about import About

#: More lists than this are not all shown: only those that need attention or have a backlog, and at most this many.
_SHOWN = 12

_WORKER = ("worker", "state", "version", "running", "lists", "accepted")
_LIST = ("list", "backlog", "waiting", "claimed", "dead letters", "owner", "lease")
#: The columns of a narrow table. The figures above it have the sums of the others.
_NARROW = tuple(map(_LIST.index, ("list", "backlog", "owner", "lease")))


def of_workers(workers: Sequence[About], paper: Paper, *, idle: bool) -> list[Text]:
    """Every worker that runs, also standbys and halted ones. `idle`: the queue is, as in the headline."""
    if not workers:
        return []
    rows = [_of_worker(each, idle=idle) for each in workers]
    lines = table([_head(_WORKER), *rows], right=(4, 5))
    if paper.holds(lines):
        return lines
    return [Text("workers", "dim"), *(line for row in rows for line in _below(row, _WORKER, paper))]


def _of_worker(worker: About, *, idle: bool) -> list[Text]:
    return [
        safe(worker.name),
        _state(worker, idle=idle),
        safe(worker.version or "unknown"),
        Text(span(worker.uptime) if worker.version else "unknown"),
        Text(f"{worker.lists:,}"),
        Text("" if worker.accepted is None else rate(worker.accepted)),
    ]


def _state(worker: About, *, idle: bool) -> Text:
    silence = worker.silence
    if silence is not None and silence.outage:
        return safe(f"outage ({silence.cause})", "yellow")
    if worker.state == "halted":
        return safe(f"halted ({worker.reason})" if worker.reason else "halted", "bold red")
    if worker.state == "delivering":
        return Text("idle" if idle else "delivering", "green")
    return safe(f"{worker.state} ({worker.reason})" if worker.reason else worker.state or "unknown", "cyan")


def of_lists(lists: Sequence[ListStatus], paper: Paper) -> Iterator[Text]:
    """Who owns which list, and what is in it."""
    shown = list(lists)
    if len(lists) > _SHOWN:
        worthy = [each for each in lists if _is_trouble(each) or each.census.backlog]
        shown = sorted(worthy, key=lambda each: (not _is_trouble(each), -each.census.backlog))[:_SHOWN]
    if shown:
        yield from _table(shown, paper)
    if len(shown) < len(lists):
        names = {each.name for each in shown}
        others = [each for each in lists if each.name not in names]
        begin = f"{paper.more} and {len(others):,} more lists" if shown else f"{len(others):,} lists"
        yield from wrapped(Text(f"{begin}, {_others(others)} (all: `forwarder status --json`)", "dim"), paper)


def _table(lists: Sequence[ListStatus], paper: Paper) -> list[Text]:
    rows = [_of_list(each) for each in lists]
    for columns in (range(len(_LIST)), _NARROW):
        cells = [[row[column] for column in columns] for row in (_head(_LIST), *rows)]
        lines = table(cells, right=range(1, len(columns) - 2))
        if paper.holds(lines):
            return lines
    return [Text("lists", "dim"), *(line for row in rows for line in _below(row, _LIST, paper))]


def _of_list(each: ListStatus) -> list[Text]:
    census, owner = each.census, each.owner
    counts = (census.backlog, census.waiting, census.claimed, census.letters)
    named = Text("none", "yellow") if owner is None else safe(owner.worker)
    if owner is not None and not owner.alive:
        named.append(", gone", "yellow")
    lease = "" if owner is None else span(owner.lease_seconds)
    return [safe(each.name), *(Text(f"{count:,}") for count in counts), named, Text(lease)]


def _is_trouble(each: ListStatus) -> bool:
    return each.owner is None or not each.owner.alive or bool(each.census.imbalance)


def _others(lists: Sequence[ListStatus]) -> str:
    """What is to be said of the lists that are not shown."""
    trouble, backlog = sum(map(_is_trouble, lists)), sum(each.census.backlog for each in lists)
    if not trouble and not backlog:
        return "all owned and empty"
    return f"with {backlog:,} events" + (f"; {trouble:,} need attention" if trouble else "")


def _head(names: Sequence[str]) -> list[Text]:
    return [Text(name, "dim") for name in names]


def _below(row: Sequence[Text], names: Sequence[str], paper: Paper) -> Iterator[Text]:
    """A row that has no room: its name on a line, and below it everything else with the names of the columns."""
    yield row[0]
    cells = [Text(f"{name} ", "dim").append_text(cell) for name, cell in zip(names, row, strict=True) if cell]
    yield from flow(cells[1:], paper)
