"""The scenarios: how each is caused and ended, and what must be said meanwhile."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from forwarder.simulator import Answer, Faults, Refusal
from tests.support.scenarios.stage import PATIENCE, Stage, commands
from tests.support.service import eventually

Act = Callable[[Stage], Awaitable[None]]


async def nothing(_stage: Stage) -> None:
    """Does nothing."""


@dataclass(frozen=True)
class Scenario:
    """Something that happens to a queue, and what every place must say about it.

    Attributes:
        name: of its picture.
        title: of its row in the table.
        reason: of the finding that must be the first one.
        step: is in the first step; empty if there is nothing to do.
        cause: makes it happen, while a worker runs unless `workers` is 0.
        end: ends it, as the steps say. It is called with all commands that the page or `status` showed.
        line: is in the one line of the log at warning or above; empty if there must be none.
        first: a line that may come before that one.
        over: is in a line that may say at warning or above that it has ended.
        ready: whether /readyz answers so.
        after: one of these reasons must be first when it has ended.
        before: makes the stage ready before anything is looked at.
        workers: how many run.
        own_redis: whether it needs a Redis that nothing else uses.
    """

    name: str
    title: str
    reason: str
    step: str
    cause: Act
    end: Callable[[Stage, list[str]], Awaitable[None]]
    line: str = ""
    first: str = ""
    over: str = ""
    ready: bool = True
    after: frozenset[str] = frozenset({"idle", "delivering"})
    before: Act = field(default=nothing)
    workers: int = 1
    own_redis: bool = False


async def _produce(stage: Stage) -> None:
    await stage.produce()


async def _keep(_stage: Stage, _steps: list[str]) -> None:
    """There is nothing to end."""


async def _heal(stage: Stage, _steps: list[str]) -> None:
    stage.heal()


async def _heal_and_retry(stage: Stage, steps: list[str]) -> None:
    stage.heal()
    await stage.run(next(each for each in commands(steps) if each == "forwarder retry"))


async def _revoke(stage: Stage) -> None:
    stage.api.api_key = "the-next-key"


async def _renew(stage: Stage, steps: list[str]) -> None:
    assert str(stage.key_file) in steps[0], steps
    stage.key_file.write_text("the-next-key\n")


async def _refuse_one_name(stage: Stage) -> None:
    """Some of what is sent, not most of it."""
    await eventually(lambda: stage.api.ledger.accepted_events > 100, within=PATIENCE, what="more events arrive")
    stage.api.faults = Faults(refuse=(Refusal(name="broken"),))
    stage.also = "broken"


async def _replay(stage: Stage, steps: list[str]) -> None:
    stage.heal()
    for line in commands(steps):
        await stage.run(line)
    await stage.run("forwarder dead replay --all --yes")


async def _refuse_most(stage: Stage) -> None:
    stage.api.faults = Faults(refuse=(Refusal(name="broken"),))
    await stage.stop_producing()
    await stage.push(300, name="broken")


async def _resume(stage: Stage, steps: list[str]) -> None:
    stage.heal()
    for line in commands(steps)[:2]:
        await stage.run(line)
    await stage.idle()
    await stage.run("forwarder dead replay --all --yes")


async def _fail(stage: Stage) -> None:
    stage.api.faults = Faults(status_all=Answer(status=503))


async def _push_back(stage: Stage) -> None:
    stage.api.faults = Faults(status_all=Answer(status=429, retry_after=5))


async def _stop_redis(stage: Stage) -> None:
    await stage.stop_producing()
    stage.server.kill()


async def _start_redis(stage: Stage, _steps: list[str]) -> None:
    stage.server.start()
    await stage.redis.connection_pool.disconnect()


async def _fill_redis(stage: Stage) -> None:
    await stage.stop_producing()
    await stage.idle()
    used = (await stage.redis.info("memory"))["used_memory"]
    await stage.redis.set("something-else", b"x" * 2**20)
    await stage.redis.config_set("maxmemory", used + 2**20)


async def _enlarge_redis(stage: Stage, steps: list[str]) -> None:
    await stage.redis_cli(next(each for each in commands(steps) if each.startswith("redis-cli")))


async def _kill_the_owner(stage: Stage) -> None:
    await stage.push(1)
    owner, survivor = stage.workers
    owner.kill()
    stage.workers[:] = [survivor]


async def _drain(stage: Stage) -> None:
    await stage.produce()
    await stage.stop_producing()
    await stage.idle()


async def _move_the_api(stage: Stage) -> None:
    """A worker with a wrong address is deployed."""
    await stage.stop_producing()
    await stage.idle()
    await stage.workers.pop().stopped()
    await stage.redis.delete(f"{{{stage.queue}}}:address")
    await stage.start(FORWARDER_API_URL=f"{stage.api.url}/wrong")
    await stage.push(50)


async def _correct_the_address(stage: Stage, _steps: list[str]) -> None:
    await stage.workers.pop().stopped()
    await stage.start(FORWARDER_API_URL=stage.api.url)


async def _stop_all(stage: Stage) -> None:
    await stage.push(10)
    await stage.idle()
    await stage.workers.pop().stopped()
    await stage.push(10)


async def _start_one(stage: Stage, steps: list[str]) -> None:
    assert commands(steps) == ["forwarder run"], steps
    await stage.start()


async def _standby(stage: Stage) -> None:
    await stage.produce()
    await eventually(lambda: stage.workers[1].state == "standing by", what="the second worker stands by")


SCENARIOS = (
    Scenario(
        "first-start", "The first start: nothing was ever pushed", "idle", "", cause=nothing, end=_keep,
    ),
    Scenario("idle", "Nothing to do", "idle", "", before=_drain, cause=nothing, end=_keep),
    Scenario(
        "key-revoked", "The API refuses the key (401)", "credentials", "FORWARDER_API_KEY_FILE",
        before=_produce, cause=_revoke, end=_renew, line="halted", ready=False,
    ),
    Scenario(
        "wrong-url", "The URL is wrong: 404 for everybody", "misdirected", "FORWARDER_API_URL",
        before=_produce, cause=_move_the_api, end=_correct_the_address, line="halted", ready=False,
    ),
    Scenario(
        "one-name-refused", "400 for the events of one name", "refusals", "forwarder dead summary",
        before=_produce, cause=_refuse_one_name, end=_replay, line="become dead letters",
    ),
    Scenario(
        "most-refused", "400 for nearly everything", "dead_letter_brake", "forwarder dead summary",
        before=_produce, cause=_refuse_most, end=_resume, line="halted", ready=False,
        first="Events become dead letters",
    ),
    Scenario(
        "outage", "The API answers 503 to everything", "outage", "vendor",
        before=_produce, cause=_fail, end=_heal_and_retry, line="accepts nothing", over="outage is over",
        ready=False,
    ),
    Scenario(
        "too-many-requests", "The API answers 429 to everything", "outage", "FORWARDER_RATE_LIMIT",
        before=_produce, cause=_push_back, end=_heal, line="accepts nothing", over="outage is over",
        ready=False,
    ),
    Scenario(
        "redis-stopped", "Redis is stopped", "redis", "Redis",
        before=_produce, cause=_stop_redis, end=_start_redis, line="Redis is unavailable", ready=False,
        own_redis=True,
    ),
    Scenario(
        "redis-full", "Redis is full (`noeviction`)", "redis_full", "redis-cli CONFIG SET maxmemory",
        before=_produce, cause=_fill_redis, end=_enlarge_redis, line="Redis is full", own_redis=True,
    ),
    Scenario(
        "worker-killed", "Two workers, and the owner is killed", "orphan", "Wait",
        before=_standby, cause=_kill_the_owner, end=_keep, line="A worker is gone", workers=2,
    ),
    Scenario(
        "no-worker", "No worker runs", "no_worker", "forwarder run",
        cause=_stop_all, end=_start_one,
    ),
)  # fmt: skip
