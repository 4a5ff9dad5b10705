"""The models and the scripts agree: what a model says that Redis replies, a real Redis replies."""

import os
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import redis as blocking

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue import mover
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import connect_blocking
from tests.model import spin
from tests.model.replay import Result, replay
from tests.model.sample import CLAIMS, MOVER, sample
from tests.model.trace import Schedule, schedules
from tests.programs.mutations.catalogue import CATALOGUE, Mutation

THIS = "tests/model/test_agreement.py"
#: How much smaller than thousands of schedules the sample is; TEST_HOURS_SCALE=1 is the whole of it.
SCALE = int(os.environ.get("TEST_HOURS_SCALE", "10"))
#: 2,100 schedules take 24 s of CPU, and 690 take 8.
COUNT = max(690, 2_100 // SCALE)

#: Written by hand: each command and each reply of a list once.
BY_HAND = """
> producer push event=1 | pushed
> producer push event=2 | pushed
> producer push event=3 | pushed
> w1 acquire token=1 | acquired sequence=0 settlement=0 claimed=0
> w2 acquire token=2 | busy
> w1 claim token=1 expected=0 most=2 | claimed before=0 stamp=1 events=1,2 waiting=1
# reply lost
= waiting=3 fields=1-1,2-1 events=1,2 sequence=2 settlement=0 accepted=0 dead_lettered=0 letters=- holder=1
> w1 claim token=1 expected=0 most=2 | again sequence=2
> w1 scan | fields=1-1,2-1 events=1,2
> redis replicate
> w1 settle token=1 number=1 accepted=1-1 letters=2-1 | settled
# reply lost
= waiting=3 fields=- events=- sequence=2 settlement=1 accepted=1 dead_lettered=1 letters=2 holder=1
> w1 settle token=1 number=1 accepted=1-1 letters=2-1 | settled
> w1 renew token=1 | renewed
> person replay event=2 | pushed
> person replay event=2 | gone
> person delete event=2 | gone
> redis expire
> w2 acquire token=2 | acquired sequence=2 settlement=1 claimed=0
> w2 scan | fields=- events=-
> w2 claim token=2 expected=2 most=1 | claimed before=2 stamp=2 events=3 waiting=1
> late claim token=1 expected=2 most=1 | lost
> w1 settle token=1 number=2 accepted=- letters=- | lost
> w1 renew token=1 | lost
> w1 release token=1 | lost
> redis failover
= waiting=3 fields=1-1,2-1 events=1,2 sequence=2 settlement=0 accepted=0 dead_lettered=0 letters=- holder=1
> redis expire
> w1 acquire token=3 | acquired sequence=2 settlement=0 claimed=2
> w1 scan | fields=1-1,2-1 events=1,2
> w1 settle token=3 number=1 accepted=- letters=1-1 | settled
> late settle token=3 number=3 accepted=2-1 letters=- | rolled_back
> late claim token=3 expected=3 most=1 | rolled_back
> person delete event=1 | deleted
= waiting=3 fields=2-1 events=2 sequence=2 settlement=1 accepted=0 dead_lettered=1 deleted=1 letters=- holder=3
> w1 claim token=3 expected=2 most=5 | claimed before=2 stamp=3 events=3 waiting=0
> w1 claim token=3 expected=3 most=5 | claimed before=3 stamp=0 events=- waiting=0
> w1 release token=3 | released
= fields=2-1,3-3 events=2,3 holder=0
"""


needs_spin = pytest.mark.skipif(bool(spin.missing()), reason=spin.missing())


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[blocking.Redis]:
    with connect_blocking(redis_server.url) as client:
        yield client


def by_hand() -> Schedule:
    (schedule,) = schedules(BY_HAND.splitlines())
    return schedule


def agreed(results: Iterator[Result]) -> int:
    """How many schedules there are. The first one that disagrees fails the test, and is printed whole."""
    found = []
    for result in results:
        assert result.different is None, f"\n{result}"
        found.append(result)
    return len(found)


async def test_a_schedule_by_hand_runs_on_a_real_redis_from_both_sides(client: blocking.Redis) -> None:
    assert agreed(replay(client, [by_hand(), by_hand()])) == 2
    assert not client.keys("model-*")


async def test_a_schedule_by_hand_runs_on_a_full_redis(own_redis: Callable[..., EmbeddedRedis]) -> None:
    with connect_blocking(own_redis().url) as client:
        assert agreed(replay(client, [by_hand(), by_hand()], is_full=True)) == 2


@needs_spin
@pytest.mark.long
@pytest.mark.timeout(300)
async def test_the_real_scripts_do_what_the_model_says_in_hundreds_of_schedules(client: blocking.Redis) -> None:
    seed = random.randrange(2**31)
    print(f"seed {seed}")
    assert agreed(replay(client, sample("claims.pml", CLAIMS, seed=seed, count=COUNT))) == COUNT


@needs_spin
@pytest.mark.long
async def test_so_they_do_while_the_lists_are_moved(client: blocking.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = random.randrange(2**31)
    print(f"seed {seed}")
    monkeypatch.setattr(mover, "PAGE", 1)
    assert agreed(replay(client, sample("mover.pml", MOVER, seed=seed, count=60))) == 60


@needs_spin
@pytest.mark.long
async def test_the_scripts_do_so_on_every_server(each_server: EmbeddedRedis) -> None:
    seed = random.randrange(2**31)
    print(f"seed {seed}")
    with connect_blocking(each_server.url) as client:
        assert agreed(replay(client, sample("claims.pml", CLAIMS, seed=seed, count=150))) == 150


@needs_spin
@pytest.mark.long
async def test_the_scripts_do_so_while_redis_is_full(own_redis: Callable[..., EmbeddedRedis]) -> None:
    seed = random.randrange(2**31)
    print(f"seed {seed}")
    with connect_blocking(own_redis().url) as client:
        assert agreed(replay(client, sample("claims.pml", CLAIMS, seed=seed, count=150), is_full=True)) == 150


#: Scripts that only a resharding runs.
OF_THE_MOVER = {"set_aside", "unload_events", "unload_letters", "load"}


@needs_spin
@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("is_of_mover", [False, True], ids=["one list", "a resharding"])
async def test_a_schedule_disagrees_if_a_script_is_broken(
    own_redis: Callable[..., EmbeddedRedis], monkeypatch: pytest.MonkeyPatch, *, is_of_mover: bool
) -> None:
    monkeypatch.setattr(mover, "PAGE", 1)
    if is_of_mover:
        schedules = list(sample("mover.pml", MOVER, seed=1, count=120))
    else:
        schedules = [by_hand(), by_hand(), *sample("claims.pml", CLAIMS, seed=1, count=900)]
    mutations = [each for each in CATALOGUE if is_meant(each) and (script_of(each) in OF_THE_MOVER) == is_of_mover]
    assert mutations
    with connect_blocking(own_redis().url) as client:
        unnoticed = [each.what for each in mutations if not notices(client, schedules, each)]
    assert unnoticed == []


def script_of(mutation: Mutation) -> str:
    return Path(mutation.file).stem


def is_meant(mutation: Mutation) -> bool:
    """Whether this test must notice it. One that is in this tree already is left to the other tests."""
    return THIS in mutation.tests and mutation.old in scripts.source(script_of(mutation))


def notices(client: blocking.Redis, schedules: Iterable[Schedule], mutation: Mutation) -> bool:
    """Whether Redis and the model disagree on one of these schedules after this mutation."""
    name = script_of(mutation)
    broken = {name: scripts.source(name).replace(mutation.old, mutation.new)}
    return any(result.different for result in replay(client, schedules, broken, is_full=True))


#: What the model finds without a guard, and the same guard taken out of the script.
WITHOUT = (
    ("a claim does not check the lease's token", {"EXPIRIES": 1, "NO_FENCE_CLAIM": 1}),
    ("a settlement does not check the lease's token", {"EXPIRIES": 1, "NO_FENCE_SETTLE": 1}),
    ("a repeated claim is executed again", {"LOST_REPLIES": 1, "NO_AGAIN": 1}),
    ("a repeated settlement is taken for a rollback", {"LOST_REPLIES": 1, "NO_REPEAT": 1}),
)


@needs_spin
@pytest.mark.long
@pytest.mark.parametrize(("what", "bounds"), WITHOUT, ids=[what for what, _ in WITHOUT])
async def test_a_counter_example_of_the_model_happens_for_real_if_the_script_is_broken(
    client: blocking.Redis, what: str, bounds: dict[str, int]
) -> None:
    found = spin.verify("claims.pml", {"EVENTS": 2, **bounds}, search=spin.Search.SHORTEST)
    assert found.broken
    (mutation,) = [each for each in CATALOGUE if each.what == what]
    counter_example = list(schedules(["= waiting=1,2", *found.trail]))
    name = script_of(mutation)
    broken = {name: scripts.source(name).replace(mutation.old, mutation.new)}
    assert agreed(replay(client, counter_example, broken)) == 1
    (result,) = replay(client, counter_example)
    assert result.different
