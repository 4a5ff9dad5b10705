"""From what Redis and the settings say to the facts of a diagnosis."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from forwarder.config import Settings, api_url, proxy_url
from forwarder.diagnosis.facts import Facts, Halted, Own, Setup
from forwarder.diagnosis.trend import Trend
from forwarder.queue.about import About
from forwarder.queue.census import Census, Memory
from forwarder.queue.halts import HaltRecord


@dataclass(frozen=True, slots=True)
class Reading:
    """What Redis said of a queue.

    Attributes:
        names: of the lists, by shard, as are the censuses.
        workers: those that run, by their IDs.
    """

    names: Sequence[str]
    censuses: Sequence[Census]
    workers: Mapping[str, About]
    halt: HaltRecord | None
    pause: HaltRecord | None
    trend: Trend
    memory: Memory | None = None
    foreign: tuple[str, ...] = ()


def setup_of(settings: Settings) -> Setup:
    """The settings that a remedy names, without a secret."""
    proxy = settings.api_proxy
    return Setup(
        queue=settings.queue,
        api=f"{api_url.shown(settings.api_url)}/{settings.api_version}",
        key_file=str(settings.api_key_file or ""),
        lease_ttl=settings.lease_ttl,
        proxy="" if proxy is None else proxy_url.parse(proxy.get_secret_value()).address,
    )


def halted(halt: HaltRecord) -> Halted:
    return Halted(halt.reason, halt.detail, halt.since, named=bool(halt.fingerprint))


def facts_of(reading: Reading, setup: Setup, *, oldest: float | None = None, own: Own | None = None) -> Facts:
    """The facts of a queue.

    Args:
        reading: what Redis said.
        setup: the settings of the process that shows this.
        oldest: seconds since the oldest event was pushed, as far as this process has seen it.
        own: what this process knows of itself, if it is a worker.
    """
    ages = [each.oldest for each in reading.workers.values() if each.oldest is not None]
    return Facts(
        lists=len(reading.censuses),
        halt=None if reading.halt is None else halted(reading.halt),
        pause=None if reading.pause is None else halted(reading.pause),
        workers=tuple(reading.workers.values()),
        orphans=dict(_orphans(reading, setup.lease_ttl)),
        ownerless=sum(each.lease is None for each in reading.censuses),
        waiting=sum(each.waiting for each in reading.censuses),
        claimed=sum(each.claimed for each in reading.censuses),
        untouched=not any(each.sequence or each.waiting for each in reading.censuses),
        letters=sum(each.letters for each in reading.censuses),
        imbalance=sum(each.imbalance for each in reading.censuses),
        oldest=max((*ages, *([] if oldest is None else [oldest])), default=None),
        trend=_trend(reading),
        memory=None if reading.memory is None else reading.memory.part,
        foreign=reading.foreign,
        setup=setup,
        own=own,
    )


def _trend(reading: Reading) -> Trend:
    """The trend. From the moment when nobody delivers, nothing is decided, and no end is in sight."""
    if any(map(_delivers, reading.workers.values())):
        return reading.trend
    to_go = 0.0 if reading.trend.to_go == 0 else None
    return replace(reading.trend, accepted=0.0, refused=0.0, to_go=to_go, turnover=None)


def _delivers(worker: About) -> bool:
    """Whether the API takes events from it. A worker of the version before does not say."""
    if not worker.state:
        return True
    return worker.state == "delivering" and worker.lists > 0 and not (worker.silence and worker.silence.outage)


def _orphans(reading: Reading, lease_ttl: float) -> Iterator[tuple[str, float]]:
    for name, census in zip(reading.names, reading.censuses, strict=True):
        if census.is_orphan(reading.workers, lease_ttl):
            yield name, census.lease_milliseconds / 1000
