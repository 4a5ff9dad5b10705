"""`forwarder reshard` as a person or a script meets it."""

import asyncio
import signal
import sys
from collections.abc import Callable

from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.keys import Keys
from forwarder.queue.queue import lists_of_a_queue
from forwarder.simulator import Simulator
from tests.support.servers.proxy import Proxy
from tests.support.service import WorkerProcess, command, environment, event, eventually, port_of, settings

Start = Callable[[Settings], WorkerProcess]


async def _waiting(redis: Redis, queue: str, shards: int) -> int:
    return sum([await redis.llen(keys.list) for keys in lists_of_a_queue(queue, shards)])


async def test_from_one_list_to_four_in_the_words_of_an_operator(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    one = settings(redis_url, queue_name, api)
    four = environment(settings(redis_url, queue_name, api, shards=4))
    await redis_client.rpush(queue_name, *[event(f"u{n % 9}", n) for n in range(100)])
    code, out, err = await command("reshard", "4", environment=environment(one))
    assert (code, out) == (1, "")
    assert err == (
        f"forwarder: 100 events waiting and 0 claimed ({queue_name}): let the workers drain them first, "
        "or stop all workers and producers, and add --move\n"
    )
    code, out, err = await command("reshard", "4", "--move", "--dry-run", environment=environment(one))
    assert (code, err) == (0, "")
    assert out == f"would reshard {queue_name} from 1 to 4 lists: 100 events waiting, 0 claimed, 0 dead letters\n"
    assert await redis_client.llen(queue_name) == 100
    code, out, err = await command("reshard", "4", "--move", environment=environment(one))
    assert (code, err) == (0, "")
    await redis_client.rpush(queue_name, event("late", 0))
    assert out.splitlines()[1].startswith("moved 100 events and 0 dead letters. ")
    assert out.splitlines()[1].endswith("now has 4 lists. Start workers and producers with FORWARDER_SHARDS=4")
    assert await _waiting(redis_client, queue_name, 4) == 100
    code, _, err = await command("run", environment=environment(one))
    assert (code, "set FORWARDER_SHARDS=4" in err) == (78, True)
    code, out, _ = await command("check", environment=four)
    assert f"strays: {queue_name}: 1 waiting, 0 claimed, and no worker drains it" in out
    code, out, err = await command("reshard", "4", "--move", environment=four)
    assert (code, "moved 101 events" in out) == (0, True), err
    code, out, _ = await command("reshard", "4", environment=four)
    assert (code, out) == (0, f"{queue_name} already has 4 lists; nothing to do\n")
    worker(settings(redis_url, queue_name, api, shards=4))
    await eventually(lambda: api.ledger.accepted_events == 101)
    code, _, err = await command("reshard", "1", "--move", environment=four)
    assert (code, "forwarder: workers are running: " in err, "stop all workers" in err) == (1, True, True)
    code, _, _ = await command("audit", environment=four)
    assert code == 0


async def test_half_way_a_worker_and_the_other_commands_say_how_to_finish(
    redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await redis_client.rpush(queue_name, event("u", 1))
    port = port_of(redis_server.url)
    async with Proxy(port) as proxy:
        given = environment(settings(proxy.url, queue_name, api))
        proxy.stop_at("unload_events", "after")
        process = asyncio.create_task(command("reshard", "4", "--move", environment=given))
        await proxy.reached.wait()
        proxy.cut()
        code, _, err = await process
        proxy.go_on()
        assert (code, err.count("\n")) == (1, 1)
        assert "nothing is lost: run the same command again to finish it" in err
        for name in ("run", "status", "audit", "check"):
            code, out, err = await command(name, environment=given)
            assert code == (1 if name == "check" else 78)
            assert "is being resharded (1 to 4 " in out + err
            assert "run `forwarder reshard 4 --move` to finish it" in out + err
        code, _, err = await command("push", environment=given, stdin=event("u", 2))
        assert (code, "is being resharded (1 to 4 " in err) == (78, True), err
        code, _, err = await command("reshard", "2", "--move", environment=given)
        assert (code, "finish that first with `forwarder reshard 4 --move`" in err) == (1, True)
        code, out, _ = await command("reshard", "4", environment=given)
        assert (code, "resuming the resharding of" in out) == (0, True)
    assert await _waiting(redis_client, queue_name, 4) == 1


async def test_interrupted_it_says_what_to_do(
    redis_server: EmbeddedRedis, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await redis_client.rpush(queue_name, event("u", 1))
    port = port_of(redis_server.url)
    async with Proxy(port) as proxy:
        given = environment(settings(proxy.url, queue_name, api))
        proxy.stop_at("set_aside", "before")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "forwarder", "reshard", "4", "--move"), env=given, stderr=asyncio.subprocess.PIPE
        )
        await proxy.reached.wait()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert (process.returncode, b"run the same command again" in err) == (130, True), err


async def test_wrong_usage_ends_with_64() -> None:
    for wrong in ([], ["0"], ["1025"]):
        code, _, err = await command("reshard", *wrong, environment={})
        assert (code, err.count("\n")) == (64, 1), (wrong, err)


async def test_a_redis_that_is_gone_is_said_so(queue_name: str) -> None:
    given = {"FORWARDER_REDIS_URL": "redis://127.0.0.1:1/0", "FORWARDER_QUEUE": queue_name}
    code, _, err = await command("reshard", "4", environment=given)
    assert (code, err.count("\n")) == (1, 1)
    assert Keys(queue_name).list not in err
