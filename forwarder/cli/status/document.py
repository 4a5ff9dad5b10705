"""The status as JSON, for scripts. The names stay the same from version to version. Pure."""

from forwarder.cli.status.drawing import absence
from forwarder.diagnosis.finding import Finding
from forwarder.operations.status import ListStatus, Status
from forwarder.queue.about import About, Silence
from forwarder.queue.census import Census


def document(found: Status) -> dict[str, object]:
    """All of a status. What is not known is null."""
    facts, halt = found.facts, found.halt
    return {
        "queue": found.queue,
        "findings": [_finding(each) for each in found.findings],
        **_counts(found.total),
        "letters_by_reason": dict(found.letters),
        "accepted_per_second": facts.trend.accepted,
        "pushed_per_second": facts.trend.pushed,
        "to_go_seconds": facts.trend.to_go,
        "oldest_seconds": facts.oldest,
        "lists": [_list(shard, each) for shard, each in enumerate(found.lists)],
        "workers": [_worker(each) for each in found.workers],
        "halt": halt and {"reason": halt.reason, "detail": halt.detail, "since": halt.since},
        "balanced": found.balanced,
    }


def without_redis(queue: str, problem: str) -> dict[str, object]:
    """What is known while Redis does not answer."""
    return {"queue": queue, "findings": [_finding(absence(problem))]}


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "reason": finding.reason,
        "tone": finding.tone,
        "title": finding.title,
        "sentence": finding.sentence,
        "detail": finding.detail,
        "steps": list(finding.steps),
        "runbook": finding.anchor,
    }


def _list(shard: int, each: ListStatus) -> dict[str, object]:
    owner = each.owner and {
        "worker": each.owner.worker,
        "lease_seconds": each.owner.lease_seconds,
        "alive": each.owner.alive,
    }
    return {"shard": shard, "list": each.name, **_counts(each.census), "owner": owner}


def _counts(census: Census) -> dict[str, int]:
    return {"backlog": census.backlog, **census.counts}


def _worker(worker: About) -> dict[str, object]:
    return {
        "name": worker.name,
        "version": worker.version,
        "state": worker.state,
        "reason": worker.reason,
        "uptime_seconds": worker.uptime,
        "lists": worker.lists,
        "accepted_per_second": worker.accepted,
        "oldest_seconds": worker.oldest,
        "silence": worker.silence and _silence(worker.silence),
    }


def _silence(silence: Silence) -> dict[str, object]:
    return {
        "seconds": silence.seconds,
        "cause": silence.cause,
        "next_try_seconds": silence.next_try,
        "outage": silence.outage,
    }
