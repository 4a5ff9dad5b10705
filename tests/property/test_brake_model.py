"""The brake of a whole fleet on a simulated clock: the service's own windows, and a model of what Redis adds up.

The questions are those of a person who deploys something broken: how many dead letters, how soon is the halt, and is
there ever a halt without a cause?
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from forwarder.outcome import Halt
from forwarder.pipeline.brake import Brake, Window
from tests.support.virtual.fleet_model import SequenceModel

SIZE = 100
SEED = 20_160_911
#: Seconds that all is well before the broken deploy.
HEALTHY = 10.0


@dataclass
class Decision:
    """What a worker decides: the user who is refused, if any (empty for an element), and of how many events."""

    refused: str | None = None
    events: int = 1


GOOD = Decision()
#: Called with the random numbers and the time since the broken deploy. Returns a decision.
Deploy = Callable[[random.Random, float], Decision]


@dataclass
class SimulatedWorker:
    name: str
    window: Window
    waiting: int = 0
    stopped: bool = False


@dataclass
class SimulatedFleet:
    """Workers that decide at random, each with a heartbeat, until a verdict is a halt."""

    workers: int
    rate: float
    deploy: Deploy
    of: str = "answers"
    seed: int = SEED
    letters: int = 0
    halted: float | None = None
    halt: Halt | None = None
    sequence: SequenceModel = field(default_factory=SequenceModel)

    def run(self, seconds: float) -> "SimulatedFleet":
        chance = random.Random(f"{self.seed} {self.workers} {self.rate}")
        period = max(1.0, self.workers / 100)
        self._all = [SimulatedWorker(f"w{number}", self._window()) for number in range(self.workers)]
        beats = [(chance.uniform(0, period), number) for number in range(self.workers)]
        heapq.heapify(beats)
        now = 0.0
        while now < HEALTHY + seconds and not all(worker.stopped for worker in self._all):
            now += chance.expovariate(self.rate)
            while beats[0][0] <= now:
                at, number = heapq.heappop(beats)
                heapq.heappush(beats, (at + period, number))
                self._beat(self._all[number], at)
            self._decide(chance.choice(self._all), self.deploy(chance, now - HEALTHY) if now > HEALTHY else GOOD)
        return self

    def _window(self) -> Window:
        brake = Brake(SIZE)
        brake.share(self.workers)
        return brake.elements if self.of == "elements" else brake.answers

    def _decide(self, worker: SimulatedWorker, decision: Decision) -> None:
        if worker.stopped:
            return
        if decision.refused is None:
            worker.window.passed()
        elif worker.window.refused(decision.refused, "because", whole=decision.events > 1):
            worker.waiting += decision.events
        else:
            self.letters += decision.events

    def _beat(self, worker: SimulatedWorker, now: float) -> None:
        if self.halt is not None:
            worker.stopped = True
        elif not worker.stopped and (report := worker.window.report()):
            self.halt = worker.window.judge(self.sequence.tally(worker.name, report, SIZE))
            if self.halt is not None:
                self.halted, worker.stopped = now - HEALTHY, True
            elif not worker.window.waiting:
                self.letters, worker.waiting = self.letters + worker.waiting, 0


def share(part: float, *, events: int = 1, users: int = 1_000_000) -> Deploy:
    """This part of the decisions is refused, for users at random."""

    def decide(chance: random.Random, _: float) -> Decision:
        return Decision(f"u{chance.randrange(users)}", events) if chance.random() < part else GOOD

    return decide


def invalid(part: float) -> Deploy:
    """This part of the elements is invalid."""
    return lambda chance, _: Decision("") if chance.random() < part else GOOD


def flood(others: float) -> Deploy:
    """Nine of ten decisions are refusals of one user; of the others, this part is refused."""

    def decide(chance: random.Random, _: float) -> Decision:
        if chance.random() < 0.9:
            return Decision("the one")
        return Decision(f"u{chance.randrange(1_000_000)}") if chance.random() < others else GOOD

    return decide


#: Workers, decisions per second, and seeds. The short run takes the first.
SIZES = [
    pytest.param(8, 120, 1, id="8 workers"),
    *[
        pytest.param(workers, rate, 2, id=f"{workers} workers at {rate}/s", marks=pytest.mark.long)
        for workers in (1, 8, 64)
        for rate in (120, 2_000)
    ],
]


@pytest.mark.parametrize(("workers", "rate", "seeds"), SIZES)
@pytest.mark.parametrize(
    ("deploy", "of", "most"),
    [
        (share(1.0), "answers", 104),
        (share(0.9), "answers", 104),
        (share(1.0, events=100), "answers", 0),
        (invalid(1.0), "elements", 104),
    ],
    ids=["single events", "nine of ten", "whole batches", "invalid elements"],
)
def test_a_broken_deploy_costs_a_hundred_letters_and_halts_within_two_heartbeats(
    workers: int, rate: float, seeds: int, deploy: Deploy, of: str, most: int
) -> None:
    for seed in range(seeds):
        fleet = SimulatedFleet(workers, rate, deploy, of, seed).run(20)
        assert fleet.halted is not None
        assert (fleet.letters <= most, fleet.halted < 2.5) == (True, True), (fleet.letters, fleet.halted)
        print(f"{fleet.letters} letters, halted after {fleet.halted:.1f} s")


@pytest.mark.parametrize(("workers", "rate", "seeds"), SIZES)
@pytest.mark.parametrize(
    ("deploy", "of"),
    [
        (share(0.1), "answers"),
        (share(0.5), "answers"),
        (invalid(0.5), "elements"),
        (flood(others=0.0), "answers"),
        (flood(others=0.3), "answers"),
        (share(1.0, users=2), "answers"),
        (share(1.0, users=1, events=100), "answers"),
    ],
    ids=["a tenth", "half", "half of the elements", "one user", "one user, and a few others", "two users", "a 404"],
)
def test_nothing_less_halts(workers: int, rate: float, seeds: int, deploy: Deploy, of: str) -> None:
    fleet = SimulatedFleet(workers, rate, deploy, of, seeds).run(30 if rate == 120 else 12)
    assert fleet.halt is None, fleet.halt
    assert fleet.letters > 0, "what waits is never kept for ever"
