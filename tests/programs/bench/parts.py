"""The parts of the benchmark, in the order in which they are measured. Each is kept as soon as it is there."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from tests.programs.bench import duplicates, filling, push_cost, rate
from tests.programs.bench.bench import Bench
from tests.programs.bench.findings import Finding
from tests.programs.bench.idle import measure_idle
from tests.programs.bench.killing import kill_half_way
from tests.programs.bench.measure import Measurement
from tests.programs.bench.peers.peer import Peer
from tests.programs.bench.report import Report
from tests.programs.bench.work import COMPARED, Work

_RATE = 120
#: Two runs that differ by less than this need no third one.
_ALIKE = 1.05
#: Seconds between the starts of runs that go on side by side, so that each can read its backlog in peace.
_APART = 3.0


def _unlimited(bench: Bench) -> Report:
    """In turns, so that other work on the machine affects all alike."""
    found: list[Measurement] = []
    for turn in range(bench.asked.repeats):
        for work in bench.works:
            for peer in bench.peers:
                before = [each for each in found if (each.peer, each.work) == (peer.name, work.name)]
                if _takes_part(peer, work) and not _enough(work, before):
                    found += filter(None, [bench.run(peer, work, 0, turn)])
    return bench.report(found)


def _takes_part(peer: Peer, work: Work) -> bool:
    """Rows tell the cost of a POST, which concerns the forwarder and the limit.

    To a contestant that sends one event in a POST, the shop's events are the same as those of the first backlog.
    """
    if work.name.startswith("rows"):
        return peer.name in {"forwarder", "limit"}
    if work.name == "shop" and not peer.groups:
        return False
    return work.name in COMPARED and peer.only in {"", work.name}


def _enough(work: Work, found: Sequence[Measurement]) -> bool:
    """Whether another run would say nothing new. Rows are compared with a target, and run every time."""
    seconds = [each.seconds for each in found]
    return len(found) > 1 and work.name in COMPARED and max(seconds) <= _ALIKE * min(seconds)


def _memory(bench: Bench) -> Report:
    runs = [
        bench.run(peer, work, 0)
        for work in bench.works
        if work.name.startswith("deep")
        for peer in bench.peers
        if peer.name == "forwarder"
    ]
    return bench.report([run for run in runs if run])


def _paced(bench: Bench) -> Report:
    """Side by side: at this rate all runs together need about half of a core.

    A contestant that sends one event in a POST needs as many POSTs as there are events, which needs no measuring. Those
    that need most POSTs start first.
    """
    pairs = [
        (peer, work)
        for work in bench.works
        if work.name in COMPARED
        for peer in reversed(bench.peers)
        if peer.groups and not peer.only
    ]
    with ThreadPoolExecutor(max(1, len(pairs))) as pool:
        futures = []
        for peer, work in pairs:
            futures.append(pool.submit(bench.run, peer, work, _RATE))
            time.sleep(_APART / bench.scale)
    return bench.report([found for future in futures if (found := future.result())])


def _killed(bench: Bench) -> Report:
    """Side by side, each in a process of its own, which is also the API that it sends to."""
    peers = [peer for peer in bench.peers if peer.name != "limit" and not peer.only]
    with ProcessPoolExecutor(max(1, len(peers)), mp_context=get_context("spawn")) as pool:
        futures = {}
        for peer in peers:
            futures[peer.name] = pool.submit(kill_half_way, peer, bench.runs / f"kill-{peer.name}")
            time.sleep(_APART / bench.scale)
    found = [bench.done(f"{name}, killed", future) for name, future in futures.items()]
    return bench.report(killed=[each for each in found if each])


def _idle(bench: Bench) -> Report:
    return bench.report(idle=measure_idle(bench.runs / "idle"))


def _rate(bench: Bench) -> Sequence[Finding]:
    return rate.measure(bench.runs, seconds=rate.SECONDS / (10 if bench.asked.quick else 1))


def _duplicates(bench: Bench) -> Sequence[Finding]:
    return duplicates.measure(bench.runs, kills=2 if bench.asked.quick else duplicates.KILLS)


def _filling(bench: Bench) -> Sequence[Finding]:
    return filling.measure(bench.runs, events=filling.EVENTS // bench.scale)


def _push(bench: Bench) -> Sequence[Finding]:
    return list(push_cost.findings(push_cost.measure(scale=1 / bench.scale)))


@dataclass(frozen=True)
class Part:
    """One of them, and about how many minutes it takes."""

    minutes: float
    measure: Callable[[Bench], Report]


def _finding(measure: Callable[[Bench], Sequence[Finding]]) -> Callable[[Bench], Report]:
    return lambda bench: bench.report(findings=measure(bench))


PARTS: Mapping[str, Part] = {
    "unlimited": Part(8.5, _unlimited),
    "memory": Part(1.0, _memory),
    "paced": Part(5.0, _paced),
    "killed": Part(2.0, _killed),
    "idle": Part(0.3, _idle),
    "rate": Part(1.8, _finding(_rate)),
    "duplicates": Part(0.4, _finding(_duplicates)),
    "filling": Part(1.5, _finding(_filling)),
    "push": Part(0.4, _finding(_push)),
}
