"""The operator's commands when replies are lost: they repeat the question, and say the same as otherwise."""

import pytest
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.halts import HaltRecord
from forwarder.queue.queue import Queue
from forwarder.queue.wire import scripts
from forwarder.simulator import Simulator
from tests.support.servers.proxy import Proxy
from tests.support.service import command, environment, event, port_of, settings

HALT = HaltRecord("credentials", "401", "2016-09-11T18:04:23Z", "")


class EachOnce:
    """Of everything that is asked about a queue, the first reply is lost."""

    def __init__(self, queue: str) -> None:
        self._queue = queue.encode()
        self._asked: set[bytes] = set()

    def __call__(self, data: bytes) -> bool:
        if self._queue not in data or not data.startswith(b"*"):
            return False
        _, _, verb, _, argument, *_ = data.split(b"\r\n")
        # The pipelines that look for strays are all alike.
        question = verb if verb == b"LLEN" else verb + argument
        first = question not in self._asked
        self._asked.add(question)
        return first


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["status"], 77),
        (["audit"], 0),
        (["check"], 1),
        (["resume"], 0),
        (["reshard", "2", "--move", "--dry-run"], 0),
        (["dead", "list"], 0),
    ],
)
async def test_a_command_survives_that_the_first_reply_to_each_question_is_lost(
    redis_server: EmbeddedRedis,
    redis_client: Redis,
    queue_name: str,
    api: Simulator,
    words: list[str],
    code: int,
) -> None:
    queue = Queue(redis_client, queue_name, 1)
    await redis_client.rpush(queue_name, event("u", 1))
    await queue.write_halt(HALT)
    for script in ("census", "workers", "server_info", "end_halt"):  # else each is asked for in two ways
        await redis_client.script_load(scripts.source(script))
    async with Proxy(port_of(redis_server.url)) as proxy:
        proxy.loses_reply_to = EachOnce(queue_name)
        ended, out, err = await command(*words, environment=environment(settings(proxy.url, queue_name, api)))
        assert (ended, err) == (code, ""), out
        assert proxy.lost >= 2, out
    assert (await queue.halt() is None) == (words == ["resume"])


async def test_a_wrong_password_is_said_at_once(redis_server: EmbeddedRedis, queue_name: str, api: Simulator) -> None:
    """It is not asked again for five seconds: the answer would stay the same."""
    async with Proxy(port_of(redis_server.url)) as proxy:
        passwords = list[bytes]()

        def watch(data: bytes) -> bool:
            passwords.extend(word for word in data.split() if word == b"wrong")
            return False

        proxy.loses_reply_to = watch
        url = proxy.url.replace("redis://", "redis://somebody:wrong@")
        code, _, err = await command("status", environment=environment(settings(url, queue_name, api)))
    assert (code, len(passwords), "refused the password" in err) == (1, 1, True), err
