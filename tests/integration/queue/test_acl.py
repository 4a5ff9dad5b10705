"""The ACL rules of the page about Redis: everything works with them, and no right in them is needless."""

import re
from typing import Any

import pytest
from redis import Redis as Administrator
from redis.exceptions import RedisError

from forwarder import Durability, NotDurableError, NotPushedError, Producer
from forwarder.demo.redis_server import EmbeddedRedis, version_of
from forwarder.errors import ConfigurationError, QueueError
from forwarder.operations.reshard import carry_out, make_plan, refuse
from forwarder.queue.claims import NewLetter, Settlement
from forwarder.queue.file_marks import FileMarks, Step
from forwarder.queue.fleet import Fleet, Place
from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import Keys
from forwarder.queue.queue import Queue
from forwarder.queue.tally import Report, Tally
from forwarder.queue.wire.connection import Redis, connect
from forwarder.simulator import Simulator
from tests.support.claims import owner
from tests.support.documents import PRODUCERS, REDIS
from tests.support.service import event, eventually, running, settings

PAGE = REDIS.read_text()
OF_PRODUCERS = PRODUCERS.read_text()
DENIED = r"(?i)permission|can't run this command"


def rule(name: str) -> list[str]:
    """The words of a rule on the page, after the password."""
    found = re.search(rf"^ACL SETUSER {name} on >\S+ (.*)$", PAGE, re.MULTILINE)
    assert found, name
    return found[1].split()


def permissions(name: str) -> list[str]:
    return [word for word in rule(name) if word.startswith(("+", "~"))]


def more(what: str) -> list[str]:
    """The words that the page about producers adds to the rule, for what it says."""
    found = re.search(rf"^ACL SETUSER producer (.*) # {what}$", OF_PRODUCERS, re.MULTILINE)
    assert found, what
    return found[1].split()


class Allowed:
    """A server with users of rules, in which `events` is a list of the test's own."""

    def __init__(self, server: EmbeddedRedis, queue: str) -> None:
        self.keys = Keys(queue)
        version = version_of(server._server)
        assert version
        self.version = version.numbers
        self._path = server.url.split("//", 1)[1]
        self._administrator = Administrator.from_url(server.url)
        self._users: list[str] = []

    def url(self, name: str, *more: str, without: str = "") -> str:
        user = f"{name}-{self.keys.queue}"
        words = [word.replace("events", self.keys.queue) for word in [*rule(name), *more] if word != without]
        self._administrator.execute_command("ACL", "SETUSER", user, "reset", "on", ">secret", *words)  # type: ignore[no-untyped-call]
        self._administrator.script_flush()  # so that the scripts are sent again, as after a restart
        self._users.append(user)
        return f"redis://{user}:secret@{self._path}"

    def producer(self, *more: str, without: str = "", **options: Any) -> Producer:
        return Producer(self.url("producer", *more, without=without), queue=self.keys.queue, **options)

    def push(self, elements: list[bytes]) -> None:
        self._administrator.rpush(self.keys.list, *elements)

    def waiting(self) -> int:
        return int(self._administrator.llen(self.keys.list))

    def close(self) -> None:
        self._administrator.execute_command("ACL", "DELUSER", *self._users)  # type: ignore[no-untyped-call]
        self._administrator.close()


@pytest.fixture
def allowed(each_server: EmbeddedRedis, queue_name: str) -> "Allowed":
    return Allowed(each_server, queue_name)


async def everything(redis: Redis, allowed: Allowed) -> None:
    """Whatever a worker and an operator's commands ever do to Redis, once."""
    keys, queue = allowed.keys, Queue(redis, allowed.keys.queue, 1)
    [one] = queue.lists
    claims = await owner(redis, keys)
    allowed.push([event("a", 0), event("b", 1), b"x" * 300])
    await claims.wait_for_events(redis, 1.0)
    claimed = await claims.claim(most=10, most_bytes=10_000, most_bytes_of_one=200)
    claims._sequence = 0
    again = await claims.claim(most=10, most_bytes=10_000, most_bytes_of_one=200)
    assert again.elements == claimed.elements
    names = (await claims.claimed_fields()).take(10)
    assert await claims.read(names, most_bytes_of_one=200) == claimed.elements
    assert await claims.peek(most=1, most_bytes_of_one=1) == []
    assert not await queue.recognized()
    found = [
        NewLetter(3, claimed.stamp, "invalid", "", "", "", 0),
        NewLetter(2, claimed.stamp, "rejected", "400", "", "b", 1, allowed=True),
    ]
    await one.allow(3)
    await claims.settle(Settlement({claimed.stamp: [1]}, found))
    await claims.lease.renew()
    letters = [each async for each in one.letters.all()]
    assert [each.reason for each in letters] == ["invalid", "rejected"]
    assert await one.letters.one(letters[1].id)
    assert len(await one.letters.bounded("-", "+", 9, newest=True, most_bytes=9_999, cut=100)) == 2
    assert (await one.letters.groups(calls=9)).by_reason == {"invalid": 1, "rejected": 1}
    number = await one.letters.replay(letters[1].id, letters[1].element, side="left")
    assert number is not None
    assert (await one.still_claimed([number])).waiting == 1
    assert await queue.now()
    assert await one.letters.delete(letters[0].id)
    await queue.write_halt(HaltRecord("credentials", "", "", ""))
    assert await queue.halt()
    assert await queue.end_halt(looked=True)
    assert await one.allowed_refusals() == 2
    fleet = Fleet(redis, keys.queue, 1, name="one", remembered=5.0)
    assert await fleet.attend() == Place(0, 1)
    assert [each.name for each in (await queue.workers()).values()] == ["one"]
    assert await fleet.answers.tally(Report(1, 2, 1), window=10) == Tally(2, 1, 0, "")
    await fleet.leave()
    assert await queue.shards() == "1"
    assert not any((await one.census()).imbalances.values())
    assert await queue.server()
    counted = await queue.counted(0)
    assert await queue.past() == (counted.totals,)
    marks = queue.marks_of("file", "left")  # `forwarder push --once`
    assert await marks.read() == [0]
    assert await marks.push({0: Step(0, 1, [event("a", 0)])}) == {0: 1}
    await claims.lease.release()
    plan = await make_plan(redis, keys.queue, 3, configured=1)
    await refuse(redis, plan, move=True)
    moved = await carry_out(redis, plan, side="left", max_event_bytes=200, progress=lambda _: None)
    assert moved.events


async def test_a_worker_and_an_operator_need_no_more_than_the_rule(allowed: Allowed) -> None:
    async with connect(allowed.url("forwarder")) as redis:
        await everything(redis, allowed)
        queue = Queue(redis, allowed.keys.queue, 1)
        await queue.request_retry("now")
        assert (await queue.orders()).retry == b"now"
    async with Producer(allowed.url("forwarder"), queue=allowed.keys.queue, shards=3) as producer:  # `forwarder push`
        await producer.push_many([event("a", 0)])
    allowed.close()


@pytest.mark.parametrize("permission", permissions("forwarder"))
async def test_nothing_in_the_rule_of_a_worker_can_be_spared(allowed: Allowed, permission: str) -> None:
    async with connect(allowed.url("forwarder", without=permission)) as redis:
        with pytest.raises((QueueError, ConfigurationError), match=DENIED):
            await everything(redis, allowed)
    allowed.close()


async def test_a_producer_can_push_and_nothing_else(allowed: Allowed) -> None:
    async with connect(allowed.url("producer")) as redis:
        with pytest.raises(QueueError, match=DENIED):
            await Queue(redis, allowed.keys.queue, 1).halt()
    async with allowed.producer() as producer:
        await producer.push_many([event("a", 0)])
    async with Producer(allowed.url("producer"), queue=f"{allowed.keys.queue}-other") as producer:
        with pytest.raises(NotPushedError, match=DENIED):
            await producer.push_many([event("a", 0)])
    allowed.close()


@pytest.mark.parametrize("permission", permissions("producer"))
async def test_nothing_in_the_rule_of_a_producer_can_be_spared(allowed: Allowed, permission: str) -> None:
    async with allowed.producer(without=permission) as producer:
        with pytest.raises(NotPushedError, match=DENIED) as refused:
            await producer.push_many([event("a", 0)], idempotency_key="key")
    assert refused.value.not_pushed == (0,)
    allowed.close()


@pytest.mark.parametrize("permission", ["", *more("a bound")])
async def test_a_producer_that_leaves_room_needs_one_command_more(allowed: Allowed, permission: str) -> None:
    words = [word for word in more("a bound") if word != permission]
    async with allowed.producer(*words, max_waiting=10) as producer:
        if permission:
            with pytest.raises(NotPushedError, match=DENIED):
                await producer.push_many([event("a", 0)])
        else:
            await producer.push_many([event("a", 0)])
    allowed.close()


OF_MARKS = ("~{events}:pushed:*", "+eval", "+setnx", "+getex", "+incrby")


@pytest.mark.parametrize("permission", ["", *OF_MARKS])
async def test_push_once_needs_the_rule_of_producers_and_pushes_nothing_without(
    allowed: Allowed, permission: str
) -> None:
    async with connect(allowed.url("producer", without=permission)) as redis:
        marks = Queue(redis, allowed.keys.queue, 1).marks_of("file", "left")
        if permission:
            with pytest.raises(ConfigurationError, match=r"--once needs more rights.*ACL SETUSER"):
                await push_of(marks)
        else:
            await push_of(marks)
    assert allowed.waiting() == (0 if permission else 1)
    allowed.close()


async def push_of(marks: FileMarks) -> None:
    assert await marks.read() == [0]
    await marks.push({0: Step(0, 1, [event("a", 0)])})


@pytest.mark.parametrize("permission", ["", *more("replicas")])
async def test_a_producer_that_waits_for_replicas_needs_one_command_more(allowed: Allowed, permission: str) -> None:
    words = [word for word in more("replicas") if word != permission]
    async with allowed.producer(*words, durability=Durability(replicas=1, within=0.01)) as producer:
        with pytest.raises(NotDurableError, match=DENIED if permission else "on 0 of 1 replicas"):
            await producer.push_many([event("a", 0)])
    allowed.close()


async def test_a_producer_of_several_lists_needs_their_keys_and_may_be_kept_from_writing_another(
    allowed: Allowed,
) -> None:
    if allowed.version < (7, 0):
        pytest.skip("before Redis 7 a key that may be read may be written")
    words = ("~events:*", "%R~{events}:shards", "~{events:*}:pushed:*")
    async with connect(allowed.url("producer", *words, without="~{events}:shards")) as redis:
        with pytest.raises(RedisError, match=DENIED):
            await redis.rpush(f"{{{allowed.keys.queue}}}:shards", "x")
    async with allowed.producer(*words, without="~{events}:shards", shards=4) as producer:
        await producer.push_many([event(f"u-{number}", number) for number in range(20)], idempotency_key="key")
    allowed.close()


async def test_a_producer_may_be_kept_from_everything_but_markers(allowed: Allowed) -> None:
    if allowed.version < (7, 0):
        pytest.skip("before Redis 7 there are no selectors")
    selector = " ".join(more("only markers")).replace("events", allowed.keys.queue)
    url = allowed.url("producer", "%R~{events}:shards", without="~{events}:shards")
    number = f"{{{allowed.keys.queue}}}:shards"
    allowed._administrator.set(number, 1)
    user = url.split("//")[1].split(":")[0]
    allowed._administrator.execute_command("ACL", "SETUSER", user, "-setnx", "-getex", "-incrby", selector)  # type: ignore[no-untyped-call]
    async with Producer(url, queue=allowed.keys.queue) as producer:
        for _ in range(2):
            await producer.push_many([event("a", 0)], idempotency_key="key")
    async with connect(url) as redis:
        assert allowed._administrator.llen(allowed.keys.list) == 1
        allowed._administrator.delete(allowed.keys.list)
        for command in (
            ("SETNX", allowed.keys.list, "x"),
            ("INCRBY", allowed.keys.list, 1),
            ("INCRBY", number, 1),
            ("GETEX", number, "PX", 1),
            ("RPUSH", number, "x"),
        ):
            with pytest.raises(RedisError, match=DENIED):
                await redis.execute_command(*command)  # type: ignore[no-untyped-call]
    allowed.close()


async def test_the_service_runs_as_a_user_of_the_rule(allowed: Allowed, api: Simulator) -> None:
    async with allowed.producer() as producer:
        await producer.push_many([event("a", number) for number in range(50)])
    async with running(settings(allowed.url("forwarder"), allowed.keys.queue, api)) as service:
        await eventually(lambda: api.ledger.accepted_events == 50)
        await service.shows("forwarder_events_accepted_total 50.0")
    allowed.close()
