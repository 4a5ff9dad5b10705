"""How fast the backlog changes, and when it will be gone. Made from what the queue added up to about every 15 s.

Example: 90,000 events are not decided. In the last minute 60,000 were accepted and 30,000 pushed, so the backlog went
down by 500 a second. It will be gone in 180 s.

A burst is left out: 300,000 events are pushed at once, and 1,200 a second are decided. Half a minute later the mean of
the last minute would say that the backlog grows by 4,400 a second, while it goes down. So rates are about the time
since the burst.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from forwarder.queue.totals import Totals

#: Seconds that rates are about. With 15 s, one late count would show as a jump. With five minutes, the number would
#: still be about an outage that ended four minutes ago.
_LATELY = 60.0
#: Seconds without which there is no rate. Example: 2 s after the first count a first settlement of 3,000 events
#: arrived. Nobody knows yet whether these were 1,500 a second.
_LEAST = 10.0
#: Events came in a burst if the backlog grew while this many times as many per second were pushed as in the quietest
#: 15 s of the last minute. Example: 300,000 within 15 s, and 300 a second before. A producer that pushes 1,000 every
#: ten seconds makes no burst: 15 s have one or two of its pushes.
_BURST = 5.0
#: Seconds that the letters are about: 15 minutes.
_LETTERS = 900.0


@dataclass(frozen=True, slots=True)
class Trend:
    """What happened to a queue lately, per second. None is unknown.

    Attributes:
        accepted: events per second that the API accepted.
        pushed: events per second that producers pushed.
        refused: events per second that became dead letters.
        replayed: dead letters per second that were pushed again.
        seconds: the time that these are about; 0 if they are unknown.
        letters: how many events became dead letters in the last 15 minutes, or since the first count after that.
        to_go: seconds until the backlog is gone if all goes on like this; 0 if it is gone; None if it does not go down,
            or if that is unknown.
        burst: whether so much was pushed a moment ago that nobody knows yet how the backlog changes since.
        turnover: seconds in which as many events are decided as the backlog holds; None if none is. Example: 120 events
            and 1,200 a second are 0.1 s. The queue keeps up, although such a backlog never goes down.
    """

    accepted: float | None = None
    pushed: float | None = None
    refused: float | None = None
    replayed: float | None = None
    seconds: float = 0.0
    letters: int = 0
    to_go: float | None = None
    turnover: float | None = None
    burst: bool = False


def trend(past: Sequence[Totals], now: Totals) -> Trend:
    """What has happened lately, from what was kept of the past, oldest first, and from the present.

    A counter that went back, as after FLUSHALL or a failover, makes what was before it unknown.
    """
    entries = _known(past, now)
    pairs = pairwise([now, *entries])
    letters = sum(max(0, later.dead_lettered - earlier.dead_lettered) for later, earlier in pairs)
    since = _since_a_burst(now, entries)
    after = _before(now, since, _went_back)
    before = after or _before(now, entries, _went_back)
    if before is None:
        return Trend(letters=letters, to_go=None if now.backlog else 0.0)
    seconds = now.at - before.at
    decided = _decided(now) - _decided(before)
    return Trend(
        accepted=(now.accepted - before.accepted) / seconds,
        pushed=(now.pushed - before.pushed) / seconds,
        refused=(now.dead_lettered - before.dead_lettered) / seconds,
        replayed=(now.replayed - before.replayed) / seconds,
        seconds=seconds,
        letters=letters,
        to_go=_to_go(now, since),
        turnover=now.backlog * seconds / decided if decided else None,
        burst=after is None,
    )


def _known(past: Sequence[Totals], now: Totals) -> list[Totals]:
    """What is known of the last 15 minutes, the newest first. What was before a clock was set back is left out."""
    known: list[Totals] = []
    later = now
    # Of the future: written by somebody else, or by a clock that was set back since.
    for entry in (each for each in reversed(past) if each.at < now.at):
        if entry.at >= later.at or now.at - entry.at > _LETTERS:
            break
        known.append(entry)
        later = entry
    return known


def _since_a_burst(now: Totals, entries: Sequence[Totals]) -> Sequence[Totals]:
    """The entries since the latest burst of the last minute, the newest first; all of them if there was none."""
    lately = [now, *(each for each in entries if now.at - each.at >= _LEAST)]
    steps = [
        *takewhile(lambda step: now.at - step[0].at < _LATELY and not _went_back(step[1], step[0]), pairwise(lately))
    ]
    rates = [(later.pushed - earlier.pushed) / (later.at - earlier.at) for later, earlier in steps]
    for (later, earlier), rate in zip(steps, rates, strict=True):
        if rate > _BURST * min(rates) and later.backlog > earlier.backlog:
            return [each for each in entries if each.at >= later.at]
    return entries


def _to_go(now: Totals, entries: Sequence[Totals]) -> float | None:
    """Seconds until the backlog is gone.

    Only the time counts in which events were decided without a pause: 15 s after an outage of an hour, the rate is that
    of these 15 s, and 10 s after an outage began there is none.
    """
    if not now.backlog:
        return 0.0
    before = _before(now, entries, lambda earlier, later: _went_back(earlier, later) or _stood(earlier, later))
    if before is None or before.backlog <= now.backlog:
        return None
    # Less by this many: accepted + refused - pushed - replayed.
    return now.backlog * (now.at - before.at) / (before.backlog - now.backlog)


def _before(now: Totals, entries: Sequence[Totals], broken: Callable[[Totals, Totals], bool]) -> Totals | None:
    """What to compare the present with: the newest entry that is a minute old, or the oldest one.

    None if there is none that is old enough for a rate. Nothing before a `broken` step from one entry to the next is
    used.
    """
    found, later = None, now
    for entry in (each for each in entries if now.at - each.at >= _LEAST):
        if broken(entry, later):
            break
        found = later = entry
        if now.at - entry.at >= _LATELY:
            break
    return found


def _went_back(earlier: Totals, later: Totals) -> bool:
    """Whether these are not two moments of the same history. Waiting events may also have been deleted by hand."""
    return (
        later.accepted < earlier.accepted
        or later.dead_lettered < earlier.dead_lettered
        or later.replayed < earlier.replayed
        or later.sequence < earlier.sequence
        or later.pushed < earlier.pushed
    )


def _stood(earlier: Totals, later: Totals) -> bool:
    """Whether nothing was decided although there was something to decide: an outage, a halt, a pause, no worker."""
    return bool(earlier.backlog) and _decided(earlier) == _decided(later)


def _decided(totals: Totals) -> int:
    return totals.accepted + totals.dead_lettered
