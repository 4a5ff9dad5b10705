"""Puts together what the status page shows: what this process knows, what Redis knows, and the last 15 minutes."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict

import structlog

from forwarder import __version__
from forwarder.admin import wording as words
from forwarder.monitor import latest_letters as letters
from forwarder.monitor.gauges import Gauges
from forwarder.monitor.history import LATELY, PERIOD, History, Sample, pace
from forwarder.monitor.summary import Summary, Values, total
from forwarder.monitor.watch import Seen, Watch
from forwarder.outcome import HaltReason
from forwarder.pipeline.parts import Parts
from forwarder.queue import Census
from forwarder.worker.condition import Readiness
from forwarder.worker.worker import State

log = structlog.get_logger()


class StatusPage:
    """One per process; bounded in memory and in what it asks of Redis, however many pages are open."""

    def __init__(self, parts: Parts, readiness: Callable[[], Readiness], *, actions: bool) -> None:
        self._parts = parts
        self._readiness = readiness
        self._actions = actions
        self._history = History()
        self._started = parts.clock()
        self.queue = parts.queue
        self.lookout = Watch(self.queue, Gauges(parts.metrics, len(self.queue.lists), parts.clock), parts.clock)

    async def remember(self) -> None:
        """Takes a sample every five seconds, for ever, so that the charts are there when the page is opened.

        Says once a minute in the log how it goes.
        """
        metrics, clock = self._parts.metrics, self._parts.clock
        digest = Summary(clock(), metrics.values())
        while True:
            seen, values = await self.lookout.look(), metrics.values()
            self._history.add(self._sample(seen, values))
            if line := digest.line(clock(), values):
                log.info("how it goes", state=self._readiness().state, **line)
            await asyncio.sleep(PERIOD)

    async def show(self) -> dict[str, object]:
        """All that the page shows, ready for JSON; no user's data. Takes about a second when Redis hangs."""
        seen = await self.lookout.look(with_letters=True)
        values = self._parts.metrics.values()
        sample = self._sample(seen, values)
        readiness = self._readiness()
        said = words.said(readiness, self._parts.settings.lease_ttl, self._unaccepted(seen, sample))
        return {
            "queue": self._parts.settings.queue,
            "version": __version__,
            "worker": {"name": self._parts.name, "seconds": round(sample.at - self._started)},
            "state": readiness.state,
            "said": asdict(said),
            "halted_since": seen.halt.since if seen and seen.halt and readiness.state == State.HALTED else None,
            "brake": readiness.reason == HaltReason.DEAD_LETTER_BRAKE,
            "notices": self._notices(seen),
            "actions": self._actions,
            "redis": {"age": self._age(seen), "problem": self.lookout.problem},
            "now": {
                "waiting": seen and seen.census.waiting,
                "oldest": sample.oldest,
                **asdict(self._history.now(sample)),
            },
            "notes": _notes(seen, sample, values),
            "answers": self._history.answers(sample),
            "limits": self._limits(),
            "shards": self._shards(seen),
            "letters": _letters(seen),
            "history": self._history.columns(sample.at),
        }

    def _sample(self, seen: Seen | None, values: Values) -> Sample:
        """What is now. What Redis said long ago is unknown now."""
        census = seen.census if seen is not None and self._parts.clock() - seen.at <= PERIOD else None
        return Sample(
            at=self._parts.clock(),
            waiting=None if census is None else census.waiting,
            accepted=None if census is None else census.accepted,
            oldest=self._oldest(census, values),
            posts=total(values, "posts_total"),
            posted_events=values["post_events_sum"][""],
            batches=values["post_events_count"][""],
            retries=total(values, "retries_total"),
            answers=values.get("posts_total", {}),
        )

    def _oldest(self, census: Census | None, values: Values) -> float | None:
        """Seconds that the oldest event has been there. Of what others have claimed nobody else knows the age."""
        claimed = values["oldest_claimed_age_seconds"][""]
        if self._readiness().state == State.DRAINING:
            return max(claimed, values["oldest_waiting_age_seconds"][""])
        return values["oldest_waiting_age_seconds"][""] if census is not None and census.waiting else None

    def _age(self, seen: Seen | None) -> float | None:
        return None if seen is None else round(max(0.0, self._parts.clock() - seen.at), 1)

    def _notices(self, seen: Seen | None) -> list[str]:
        imbalance = sum(each.imbalance for each in (seen.censuses if seen else ()))
        return [*words.stale(self._age(seen)), *words.unbalanced(imbalance)]

    def _unaccepted(self, seen: Seen | None, sample: Sample) -> str:
        before = self._history.before(sample.at, LATELY)
        accepted = None if before is None else pace(before, sample).accepted
        undecided = 0 if seen is None else seen.census.waiting + seen.census.claimed
        return words.unaccepted(undecided, accepted, self._history.answers(sample))

    def _limits(self) -> dict[str, dict[str, float]]:
        pacer, settings = self._parts.pacer, self._parts.settings
        return {
            "concurrency": {"used": pacer.in_flight, "now": int(pacer.limit), "most": settings.concurrency},
            "rate": {"now": round(pacer.rate, 1), "most": settings.rate_limit},
        }

    def _shards(self, seen: Seen | None) -> list[dict[str, object]]:
        """One row for each list."""
        return [] if seen is None else [self._shard(seen, *each) for each in enumerate(seen.censuses)]

    def _shard(self, seen: Seen, shard: int, census: Census) -> dict[str, object]:
        metrics = self._parts.metrics
        mine = shard in metrics.shards and census.lease is not None
        lease = census.lease
        other = seen.workers.get(census.owner, f"another worker ({lease[:8]}…)") if lease else "nobody"
        return {
            "shard": str(shard),
            "owner": "this worker" if mine else other,
            "held": census.lease is not None,
            "lease_seconds": max(0, census.lease_milliseconds) / 1000,
            "waiting": census.waiting,
            "claimed": census.claimed,
            "oldest_age": metrics.of_list(shard).oldest_age if mine else None,
        }


def _notes(seen: Seen | None, sample: Sample, values: Values) -> dict[str, str]:
    """A line below each number."""
    causes = words.causes(values.get("retries_total", {}))
    ambiguous, halved = values["posts_ambiguous_total"][""], values["bisections_total"][""]
    return {
        "waiting": f"and {seen.census.claimed:,} claimed" if seen is not None else "",
        "accepted": f"{seen.census.accepted:,} in all, by whichever worker" if seen is not None else "",
        "posts": f"{sample.posts:,.0f} since this worker started",
        "events_per_post": "the more, the fewer POSTs",
        "retries": f"{causes or 'none'} since this worker started",
        "oldest": "waiting or claimed" if sample.oldest is not None else "of what is claimed, its owner knows",
        "answers": f"Since this worker started: {ambiguous:,.0f} POSTs without an answer may have arrived; "
        f"{halved:,.0f} batches were halved.",
    }


def _letters(seen: Seen | None) -> dict[str, object] | None:
    if seen is None:
        return None
    latest, kept = seen.letters, seen.census.letters
    return {
        "said": words.kept(kept, latest.by_reason.total()),
        "kept": kept,
        "by_reason": letters.by_reason(latest),
        "latest": letters.hidden(latest),
        "problem": seen.letters_problem,
    }
