"""Collects what the status page shows: what this process knows, what Redis knows, and the last 15 minutes."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, replace

import msgspec

from forwarder import __version__
from forwarder.admin.notices import Notices
from forwarder.api.pacing.permits import Pacer
from forwarder.config import Settings
from forwarder.diagnosis.facts import Facts
from forwarder.diagnosis.findings import findings
from forwarder.diagnosis.states import outlook
from forwarder.metrics import Metrics
from forwarder.monitor import shown_letters
from forwarder.monitor.history import Pace, Sample
from forwarder.monitor.monitor import Monitor
from forwarder.monitor.summary import Values
from forwarder.monitor.watch import SAMPLED, Seen
from forwarder.operations.facts import Reading, facts_of
from forwarder.outcome import HaltReason
from forwarder.queue.census import Census
from forwarder.queue.queue import lists_of_a_queue
from forwarder.worker.condition import Condition

#: Seconds between two looks for what should be in the log.
_REPORTED = 2.5
#: This many of the most frequent causes are named.
_CAUSES = 4


class StatusPage:
    """What the page shows: bounded in memory, however many pages are open.

    Args:
        actions: whether the page offers actions.
    """

    def __init__(
        self,
        settings: Settings,
        monitor: Monitor,
        condition: Condition,
        metrics: Metrics,
        pacer: Pacer,
        *,
        actions: bool,
    ) -> None:
        self._settings = settings
        self._monitor = monitor
        self._condition = condition
        self._metrics = metrics
        self._pacer = pacer
        self._actions = actions
        self._names = [keys.list for keys in lists_of_a_queue(settings.queue, settings.shards)]
        self._started = monitor.clock()

    async def show(self) -> dict[str, object]:
        """All that the page shows, ready for JSON, without user data. If Redis hangs, it takes about a second."""
        seen = await self._monitor.watch.refresh(in_full=True)
        values = self._metrics.values()
        sample = self._monitor.sample(seen, values)
        pace, answers = self._monitor.history.now(sample), self._monitor.history.answers(sample)
        facts, own = self._facts(seen, sample), self._condition.own
        readiness = self._condition.readiness
        halt = self._condition.halt
        return {
            "queue": self._settings.queue,
            "version": __version__,
            "worker": {"name": self._condition.name, "seconds": round(sample.at - self._started)},
            "state": own.state,
            "ready": readiness.ready,
            "findings": [asdict(each) | {"runbook": each.anchor} for each in findings(facts)],
            "untouched": facts.untouched,
            "halted_since": halt and halt.since,
            "brake": readiness.reason == HaltReason.DEAD_LETTER_BRAKE,
            "silence": own.silence,
            "actions": self._actions,
            "redis": {"age": self._age(seen), "problem": self._monitor.watch.problem},
            "now": _now(facts, pace),
            "notes": _notes(seen, sample, values, answers) | self._limit_notes(pace),
            "answers": answers,
            "limits": self._limits(),
            "lists": self._lists(seen, facts),
            "workers": self._workers(facts),
            "letters": _letters(seen),
            "history": self._monitor.history.columns(sample.at),
        }

    async def report(self) -> None:
        """Logs, for ever, when something is found that a person should know, and when it is over."""
        notices = Notices(self._monitor.clock)
        while True:
            await asyncio.sleep(_REPORTED)
            seen = await self._monitor.watch.refresh(max_age=SAMPLED)
            notices.tell(findings(self._facts(seen, self._monitor.sample(seen, self._metrics.values()))))

    def _facts(self, seen: Seen | None, sample: Sample) -> Facts:
        own, setup = self._condition.own, self._condition.setup
        if seen is None:
            return Facts(setup=setup, own=replace(own, redis_age=None))
        # The page counts down to the next try by itself, so its words do without.
        silence = own.silence and msgspec.structs.replace(own.silence, next_try=None)
        counted_age = self._monitor.clock() - seen.counted
        own = replace(own, redis_age=self._age(seen), counted_age=counted_age, silence=silence)
        said = (seen.halt, seen.pause, seen.trend, seen.memory, seen.foreign)
        reading = Reading(self._names, seen.censuses, seen.workers, *said)
        facts = facts_of(reading, setup, oldest=sample.oldest, own=own)
        return replace(facts, rolled_back=self._monitor.history.went_back(sample))

    def _age(self, seen: Seen | None) -> float | None:
        return None if seen is None else round(max(0.0, self._monitor.clock() - seen.at), 1)

    def _limits(self) -> dict[str, dict[str, float]]:
        pacer, settings = self._pacer, self._settings
        return {
            "concurrency": {"used": pacer.in_flight, "now": int(pacer.limit), "most": settings.concurrency},
            "rate": {"now": round(pacer.rate, 1), "most": round(pacer.part, 1)},
        }

    def _limit_notes(self, pace: Pace) -> dict[str, str]:
        pacer, most = self._pacer, self._settings.concurrency
        return {
            "concurrency": _limit(pacer.in_flight, int(pacer.limit), most, "5xx or missing answers"),
            "rate": _limit(pace.posts or 0.0, pacer.rate, pacer.part, "429 answers"),
        }

    def _lists(self, seen: Seen | None, facts: Facts) -> list[dict[str, object]]:
        if seen is None:
            return []
        named = enumerate(zip(self._names, seen.censuses, strict=True))
        return [_list(seen, shard, census, gone=name in facts.orphans) for shard, (name, census) in named]

    def _workers(self, facts: Facts) -> list[dict[str, object]]:
        mine = self._condition.name
        # A worker that has nothing to deliver is idle for a person, as in the headline.
        resting = "idle" if facts.is_idle else "delivering"
        return [
            {
                "name": each.name,
                "this": each.name == mine,
                "version": each.version,
                "uptime": each.uptime,
                "state": resting if each.state == "delivering" else each.state,
                "reason": each.reason,
                "lists": each.lists,
                "accepted": each.accepted,
            }
            for each in facts.workers
        ]


def _now(facts: Facts, pace: Pace) -> dict[str, object]:
    trend = facts.trend
    return {
        "backlog": facts.backlog,
        "waiting": facts.waiting,
        "claimed": facts.claimed,
        "to_go": trend.to_go,
        "outlook": outlook(facts),
        "pushed": trend.pushed,
        "oldest": facts.oldest,
        **asdict(pace),
        # The mean of the last seconds would contradict a headline that says that nothing is sent.
        **({"accepted": 0.0} if trend.accepted == 0.0 else {}),
    }


def _list(seen: Seen, shard: int, census: Census, *, gone: bool) -> dict[str, object]:
    owner = seen.workers.get(census.owner)
    held = census.lease is not None
    unknown = f"worker {census.owner} (gone)" if gone else f"worker {census.owner}"
    return {
        "list": str(shard),
        "owner": owner.name if owner else unknown if held else "nobody",
        "alive": held and not gone,
        "held": held,
        "lease_seconds": max(0, census.lease_milliseconds) / 1000,
        "waiting": census.waiting,
        "claimed": census.claimed,
    }


def _notes(seen: Seen | None, sample: Sample, values: Values, answers: Mapping[str, int]) -> dict[str, str]:
    """A line below each number."""
    retries = causes(values.get("retries_total", {}))
    ambiguous, halved = values["posts_ambiguous_total"][""], values["bisections_total"][""]
    return {
        "backlog": f"{seen.census.waiting:,} waiting, {seen.census.claimed:,} claimed" if seen is not None else "",
        "accepted": f"{seen.census.accepted:,} in total, by all workers" if seen is not None else "",
        "posts": f"{sample.posts:,.0f} since this worker started",
        "events_per_post": "more events, fewer POSTs",
        "retries": f"{retries or 'none'} since this worker started",
        "oldest": "waiting or claimed",
        "answers": causes(answers) or "none",
        "totals": f"Since this worker started: {ambiguous:,.0f} POSTs got no answer but may have arrived; "
        f"{halved:,.0f} batches were halved.",
    }


def _limit(used: float, now: float, most: float, cause: str) -> str:
    if not now:
        return f"{used:,.0f}, no limit"
    lowered = f", lowered from {most:,.0f} because of {cause}" if now < most else ""
    return f"{used:,.0f} of {now:,.0f}{lowered}"


def causes(counts: Mapping[str, float]) -> str:
    """The most frequent of these, with their numbers; empty if there are none."""
    ranked = sorted(((count, name) for name, count in counts.items() if count), reverse=True)
    return ", ".join(f"{name}: {count:,.0f}" for count, name in ranked[:_CAUSES])


def _letters(seen: Seen | None) -> dict[str, object] | None:
    if seen is None:
        return None
    return shown_letters.hidden(seen.letters, seen.census.letters, seen.letters_problem)
