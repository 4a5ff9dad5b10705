"""Pushes over a network that loses, delays and refuses commands at random: what a producer says about each is true.

The producer's own steps, and the script in a real Redis; only the network and the clock between them are made up. A
command whose reply is lost may be executed at once, at any later moment (also after the push has ended), or never.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import NoScriptError, RedisError

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.errors import PushError
from forwarder.producer import portions
from forwarder.producer.idempotency import Keys
from forwarder.producer.pushes import Pushes
from forwarder.producer.target import Durability, Target
from forwarder.queue.sharding import list_name
from forwarder.queue.wire.refusals import refusal
from forwarder.queue.wire.replies import Lost, Refusal, RefusalKind
from tests.support.service import event

USERS = 5


class Network:
    """Carries out commands, or does not."""

    def __init__(self, redis: Redis, chance: random.Random, trouble: float) -> None:
        self._redis = redis
        self._chance = chance
        self._late: list[tuple[Any, ...]] = []
        self.trouble = trouble
        self.now = 0.0

    def replies(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        return [self._reply(command) for command in commands]

    def _reply(self, command: tuple[Any, ...]) -> Any:
        self.deliver(0.3)
        if self._chance.random() >= self.trouble:
            return self._execute(command)
        if self._chance.random() < 0.02:
            return Refusal(
                "no", self._chance.choice([RefusalKind.FULL, RefusalKind.DENIED, RefusalKind.UNKNOWN_SCRIPT])
            )
        match self._chance.randrange(4):
            case 0:
                return Refusal("ConnectionError: refused", RefusalKind.PASSING)
            case 1:
                self._execute(command)
            case 2:
                self._late.append(command)
        self.now += 0.2
        return Lost("TimeoutError: lost")

    def deliver(self, share: float) -> None:
        """Executes some of what is late, in any order."""
        self._chance.shuffle(self._late)
        for command in list(self._late):
            if self._chance.random() < share:
                self._late.remove(command)
                self._execute(command)

    def _execute(self, command: tuple[Any, ...]) -> Any:
        try:
            return self._redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except NoScriptError as error:
            return refusal(error)
        except RedisError as error:
            return refusal(error)


def push(pushes: Pushes, network: Network, events: list[bytes], key: str | None) -> PushError | None:
    steps = pushes.steps(events, key)
    replies: Any = None
    try:
        while True:
            step = steps.send(replies)
            if isinstance(step, float):
                network.now += step
                replies = ()
            else:
                replies = network.replies(step)
    except StopIteration:
        return None
    except PushError as error:
        return error


@pytest.fixture
def no_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "_MOST_EVENTS", 3)


@example(seed=1, shards=2, most=None, key=None, trouble=0.5)
@example(seed=1, shards=1, most=9, key="key", trouble=0.9)
@given(
    seed=st.integers(0, 2**32),
    shards=st.integers(1, 3),
    most=st.sampled_from([None, 4, 9]),
    key=st.sampled_from([None, "key"]),
    trouble=st.sampled_from([0.1, 0.5, 0.9]),
)
@pytest.mark.usefixtures("no_larger")
def test_what_is_said_of_a_push_is_true_whatever_the_network_does(
    push_model_redis: Callable[[], Redis], seed: int, shards: int, most: int | None, key: str | None, trouble: float
) -> None:
    chance, queue = random.Random(seed), f"t-{random.randrange(2**40):x}"
    redis = push_model_redis()
    network = Network(redis, chance, trouble)
    target = Target(queue, shards, "left", most, Durability())
    keys = Keys(retry_for=2.0, remember_for=86_400, answer_timeout=5.0)
    pushes = Pushes(target, 65_536, keys, 2.0, clock=lambda: network.now)
    names = [list_name(queue, shard, shards) for shard in range(shards)]
    said: list[tuple[list[bytes], list[PushError | None]]] = []
    for number in range(4):
        events = [event(f"u{chance.randrange(USERS)}", 100 * number + each) for each in range(chance.randrange(1, 12))]
        times = 1 if key is None else chance.randrange(1, 4)
        said.append((events, [push(pushes, network, events, key and f"{key}-{number}") for _ in range(times)]))
        if most:
            drained(redis, names, chance)
    network.trouble = 0
    network.deliver(1.0)
    there = [element for name in names for element in found(redis, name)]
    assert len(there) == len(set(there)), "twice"
    for events, errors in said:
        check(events, errors, there)
    for left in redis.keys(f"*{queue}*"):
        redis.delete(left)


def drained(redis: Redis, names: Sequence[str], chance: random.Random) -> None:
    """A worker takes some: they stay known, in another list."""
    for name in names:
        for _ in range(chance.randrange(6)):
            redis.lmove(name, f"taken:{name}", "LEFT", "RIGHT")


def found(redis: Redis, name: str) -> list[bytes]:
    taken: Any = redis.lrange(f"taken:{name}", 0, -1)
    waiting: Any = redis.lrange(name, 0, -1)
    return [*taken, *waiting]


def check(events: list[bytes], errors: list[PushError | None], there: list[bytes]) -> None:
    explained: set[int] = set()
    for error in errors:
        pushed = range(len(events)) if error is None else error.pushed
        assert all(events[position] in there for position in pushed), (error, "said to be pushed")
        explained.update(pushed, error.uncertain if error else ())
    # With a key, an earlier call may have pushed what the last one has not.
    not_pushed = set(errors[-1].not_pushed if errors[-1] else ()) - explained
    assert not any(events[position] in there for position in not_pushed), (errors, "said not to be pushed")
    for user in range(USERS):
        of_user = [there.index(each) for each in events if each in there and b'"u%d"' % user in each]
        assert of_user == sorted(of_user), "out of order"


@pytest.fixture(scope="module")
def push_model_redis(redis_server: EmbeddedRedis) -> Iterator[Callable[[], Redis]]:
    with Redis.from_url(redis_server.url) as client:
        yield lambda: client
