"""Collects what the status page shows: what this process knows, what Redis knows, and the last 15 minutes."""

from dataclasses import asdict

from forwarder import __version__
from forwarder.admin import wording as words
from forwarder.api.pacing.permits import Pacer
from forwarder.config import Settings
from forwarder.metrics import Metrics
from forwarder.monitor import latest_letters as letters
from forwarder.monitor.history import LATELY, Sample, pace
from forwarder.monitor.monitor import Monitor
from forwarder.monitor.summary import Values
from forwarder.monitor.watch import Seen
from forwarder.outcome import HaltReason
from forwarder.queue.census import Census
from forwarder.worker.condition import Condition, State


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
        self._started = monitor.clock()

    async def show(self) -> dict[str, object]:
        """All that the page shows, ready for JSON, without user data. If Redis hangs, it takes about a second."""
        seen = await self._monitor.watch.refresh(in_full=True)
        values = self._metrics.values()
        sample = self._monitor.sample(seen, values)
        readiness = self._condition.readiness
        said = words.said(readiness, self._settings.lease_ttl, self._unaccepted(seen, sample))
        return {
            "queue": self._settings.queue,
            "version": __version__,
            "worker": {"name": self._condition.name, "seconds": round(sample.at - self._started)},
            "state": readiness.state,
            "said": asdict(said),
            "halted_since": seen.halt.since if seen and seen.halt and readiness.state == State.HALTED else None,
            "brake": readiness.reason == HaltReason.DEAD_LETTER_BRAKE,
            "notices": self._notices(seen),
            "actions": self._actions,
            "redis": {"age": self._age(seen), "problem": self._monitor.watch.problem},
            "now": {
                "waiting": seen and seen.census.waiting,
                "oldest": sample.oldest,
                **asdict(self._monitor.history.now(sample)),
            },
            "notes": _notes(seen, sample, values),
            "answers": self._monitor.history.answers(sample),
            "limits": self._limits(),
            "shards": self._shards(seen),
            "letters": _letters(seen),
            "history": self._monitor.history.columns(sample.at),
        }

    def _age(self, seen: Seen | None) -> float | None:
        return None if seen is None else round(max(0.0, self._monitor.clock() - seen.at), 1)

    def _notices(self, seen: Seen | None) -> list[str]:
        imbalance = sum(each.imbalance for each in (seen.censuses if seen else ()))
        counted_age = 0.0 if seen is None else self._monitor.clock() - seen.counted
        return [*words.stale(self._age(seen), counted_age), *words.unbalanced(imbalance)]

    def _unaccepted(self, seen: Seen | None, sample: Sample) -> str:
        before = self._monitor.history.before(sample.at, LATELY)
        accepted = None if before is None else pace(before, sample).accepted
        undecided = 0 if seen is None else seen.census.backlog
        return words.unaccepted(undecided, accepted, self._monitor.history.answers(sample))

    def _limits(self) -> dict[str, dict[str, float]]:
        pacer, settings = self._pacer, self._settings
        return {
            "concurrency": {"used": pacer.in_flight, "now": int(pacer.limit), "most": settings.concurrency},
            "rate": {"now": round(pacer.rate, 1), "most": round(pacer.part, 1)},
        }

    def _shards(self, seen: Seen | None) -> list[dict[str, object]]:
        return [] if seen is None else [self._shard(seen, *each) for each in enumerate(seen.censuses)]

    def _shard(self, seen: Seen, shard: int, census: Census) -> dict[str, object]:
        mine = self._condition.owned.get(shard) if census.lease is not None else None
        lease = census.lease
        other = seen.workers.get(census.owner, f"another worker ({lease[:8]}…)") if lease else "nobody"
        return {
            "shard": str(shard),
            "owner": "this worker" if mine else other,
            "held": census.lease is not None,
            "lease_seconds": max(0, census.lease_milliseconds) / 1000,
            "waiting": census.waiting,
            "claimed": census.claimed,
            "oldest_age": mine.oldest_age if mine else None,
        }


def _notes(seen: Seen | None, sample: Sample, values: Values) -> dict[str, str]:
    """A line below each number."""
    causes = words.causes(values.get("retries_total", {}))
    ambiguous, halved = values["posts_ambiguous_total"][""], values["bisections_total"][""]
    return {
        "waiting": f"and {seen.census.claimed:,} claimed" if seen is not None else "",
        "accepted": f"{seen.census.accepted:,} in total, by all workers" if seen is not None else "",
        "posts": f"{sample.posts:,.0f} since this worker started",
        "events_per_post": "more events, fewer POSTs",
        "retries": f"{causes or 'none'} since this worker started",
        "oldest": "waiting or claimed" if sample.oldest is not None else "claimed: known only to their worker",
        "answers": f"Since this worker started: {ambiguous:,.0f} POSTs got no answer but may have arrived; "
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
