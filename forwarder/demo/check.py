"""What the demo pushes, what must become of it, and whether it did: event by event, from the API's own ledger."""

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import islice

import aiohttp

from forwarder.queue import Census, QueueList

#: The shop's purchases: the CDNOW data of Fader and Hardie, http://www.brucehardie.com/datasets/
ALL_EVENTS = 69_659
#: Name of the events that the stand-in refuses.
REFUSED = "refused-by-the-stand-in"
#: One event in a hundred is bad with --faults, in turn without a name and of a name that is refused.
_BAD = 100


@dataclass(slots=True)
class Purchases:
    """What is pushed, and what must become of it; events are known by the member ``demo_id``."""

    elements: list[bytes] = field(default_factory=list)
    #: The ids of each user's good events, in the order they are pushed.
    good: dict[str, list[int]] = field(default_factory=dict)
    invalid: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, and whether it does."""

    holds: bool
    text: str


def plan(events: int, *, faults: bool) -> Purchases:
    """The first `events` purchases; with `faults` every hundredth one spoilt."""
    found = Purchases()
    with (
        (files("forwarder.demo") / "data" / "cdnow-purchases.ndjson.gz").open("rb") as packed,
        gzip.open(packed) as lines,
    ):
        for number, line in enumerate(islice(lines, events)):
            element = line.rstrip()[:-1] + b',"demo_id":%d}' % number
            if faults and number % (2 * _BAD) == _BAD // 2:
                found.invalid.add(number)
                element = element.replace(b'"name":"purchase",', b"")
            elif faults and number % (2 * _BAD) == _BAD + _BAD // 2:
                found.refused.add(number)
                element = element.replace(b'"purchase"', f'"{REFUSED}"'.encode())
            else:
                found.good.setdefault(json.loads(element)["user_id"], []).append(number)
            found.elements.append(element)
    return found


@dataclass(slots=True)
class Seen:
    """What the ledger, the dead letters and the worker's metrics tell."""

    #: The ids of each user's accepted events in the order of their first acceptance, with the POST that did it.
    accepted: dict[str, dict[int, int]] = field(default_factory=dict)
    doubled: int = 0
    #: Of these, the ones that came twice in one and the same POST, which no lost answer explains.
    doubled_within: int = 0
    #: The POSTs that had accepted first what came again later.
    doubled_posts: set[int] = field(default_factory=set)
    dead: dict[str, list[int]] = field(default_factory=lambda: {"invalid": [], "rejected": []})
    metrics: str = ""

    def total(self, name: str) -> int:
        """The sum of a metric's series."""
        return _total(self.metrics, name)

    def accept(self, line: bytes) -> None:
        """One line of the ledger."""
        entry = json.loads(line)
        ids = self.accepted.setdefault(entry["user"], {})
        number, post = entry["event"]["demo_id"], entry["post"]
        if number not in ids:
            ids[number] = post
            return
        self.doubled += 1
        if ids[number] == post:
            self.doubled_within += 1
        else:
            self.doubled_posts.add(ids[number])


def _total(metrics: str, name: str) -> int:
    series = (x for x in metrics.splitlines() if x.startswith((f"{name} ", f"{name}{{")))
    return int(sum(float(x.rsplit(" ", 1)[1]) for x in series))


@asynccontextmanager
async def scraping(admin: str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """How to read the worker's metrics again and again, over one connection."""
    async with aiohttp.ClientSession() as session:

        async def scrape() -> str:
            async with session.get(f"{admin}/metrics") as metrics:
                return await metrics.text()

        yield scrape


def live(metrics: str) -> tuple[int, int]:
    """POSTs and retries so far."""
    return _total(metrics, "forwarder_posts_total"), _total(metrics, "forwarder_retries_total")


async def observe(queue: QueueList, api_url: str, admin: str) -> Seen:
    """Asks everybody."""
    seen = Seen()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{api_url}/ledger") as ledger:
            async for line in ledger.content:
                seen.accept(line)
        async with session.get(f"{admin}/metrics") as metrics:
            seen.metrics = await metrics.text()
    async for letter in queue.letters.all():
        seen.dead.setdefault(letter.reason, []).append(json.loads(letter.element)["demo_id"])
    return seen


def verdict(planned: Purchases, seen: Seen, census: Census) -> list[Check]:
    """What must hold, and whether it does."""
    good = sum(map(len, planned.good.values()))
    there = sum(len(set(ids) & seen.accepted.get(user, {}).keys()) for user, ids in planned.good.items())
    accepted = sum(map(len, seen.accepted.values()))
    disordered = sum(not _ordered(ids, seen.accepted.get(user, {})) for user, ids in planned.good.items())
    lost = seen.total("forwarder_posts_ambiguous_total")
    doubled = f"{seen.doubled:,} events came twice"
    explained = not seen.doubled_within and len(seen.doubled_posts) <= lost
    if seen.doubled and explained:
        doubled += f", all from {len(seen.doubled_posts):,} of the {lost:,} POSTs whose answer was lost"
    elif seen.doubled:
        within, posts = f"{seen.doubled_within:,} within one POST", f"the others from {len(seen.doubled_posts):,} POSTs"
        doubled += f": {within}, {posts}, while {lost:,} answers were lost"
    return [
        Check(
            there == good == accepted,
            f"{good - there:,} of {good:,} good events are missing, {accepted - there:,} are where they do not belong",
        ),
        Check(disordered == 0, f"{disordered:,} of {len(planned.good):,} customers' events are out of order"),
        Check(explained, doubled),
        _letters(planned, seen),
        Check(not census.imbalance, "every claimed event is accounted for, to the unit"),
    ]


def _ordered(ids: list[int], accepted: dict[int, int]) -> bool:
    """Whether those of `ids` that were accepted were so in their order; what is missing is another check's."""
    wanted = set(ids)
    return [x for x in accepted if x in wanted] == [x for x in ids if x in accepted]


def _letters(planned: Purchases, seen: Seen) -> Check:
    wanted = {"invalid": sorted(planned.invalid), "rejected": sorted(planned.refused)}
    text = f"{sum(map(len, seen.dead.values())):,} dead letters"
    if {reason: sorted(ids) for reason, ids in seen.dead.items()} != wanted:
        said = ", ".join(f"{len(ids):,} {reason}" for reason, ids in seen.dead.items())
        return Check(
            holds=False,
            text=f"{text} ({said}) are not the {len(planned.invalid):,} without a name "
            f"and the {len(planned.refused):,} refused",
        )
    if planned.invalid or planned.refused:
        text += f": the {len(planned.invalid):,} without a name, the {len(planned.refused):,} refused, no other"
    return Check(holds=True, text=text)


def figures(seen: Seen, census: Census) -> dict[str, str]:
    """The figures of a run, for people."""
    posts = seen.total("forwarder_posts_total")
    return {
        "events": f"{census.sequence:,}",
        "POSTs": f"{posts:,}",
        "events per POST": f"{census.sequence / max(1, posts):.1f}",
        "retries": f"{seen.total('forwarder_retries_total'):,}",
        "halved batches": f"{seen.total('forwarder_bisections_total'):,}",
        "dead letters": f"{census.letters:,}",
    }
