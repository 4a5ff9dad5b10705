"""The examples under deploy/producers, on its page and in the README, run as they stand.

The tests compare the shards that they compute, what they push, and how often.
Node's packages are fetched if the registry answers. Building the Go example takes most of a minute, so that is done
only with TEST_EXAMPLES=all.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
from redis import Redis

from forwarder import SyncProducer
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.event import decode
from tests.support.documents import PRODUCERS, README, fenced
from tests.support.servers.proxy import Proxy
from tests.support.service import eventually, free_port, port_of
from tests.unit.queue.test_sharding import DEPLOY, FILE, NUMBERS

EXAMPLES = DEPLOY / "producers"
#: The address in the examples, instead of which a test's own server is used.
SHOWN_URL = "redis://127.0.0.1:6379/0"
USERS = [str(vector["user_id"]) for vector in FILE["vectors"]]
#: Stated on the page, and what the tests were last run with.
IOREDIS, GO_REDIS = "6.0.0", "v9.23.0"


PUSHES = FILE["pushes"]


class Example(NamedTuple):
    command: list[str]
    members: list[str]


def tool(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"no {name} here")


def fenced_in(page: Path, language: str) -> list[str]:
    return fenced(page.read_text(encoding="utf-8"), language)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    for file in EXAMPLES.iterdir():
        shutil.copy(file, folder)
    return folder


@pytest.fixture(scope="module")
def ioredis(workshop: Path) -> Path:
    """A folder with the Node example, and its package."""
    tool("node")
    (workshop / "package.json").write_text('{"private": true}\n')
    fetch = [tool("npm"), "install", "--no-fund", "--no-audit", "--ignore-scripts", f"ioredis@{IOREDIS}"]
    try:
        subprocess.run(fetch, cwd=workshop, check=True, capture_output=True, timeout=60)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"npm cannot fetch ioredis: {error}")
    return workshop


@pytest.fixture(scope="module")
def go_example(workshop: Path) -> str:
    if os.environ.get("TEST_EXAMPLES") != "all":
        pytest.skip("most of a minute: only with TEST_EXAMPLES=all")
    go = tool("go")
    for step in (
        [go, "mod", "init", "example"],
        [go, "get", f"github.com/redis/go-redis/v9@{GO_REDIS}"],
        [go, "build", "-o", "push", "."],
    ):
        subprocess.run(step, cwd=workshop, check=True, capture_output=True, timeout=300)
    return str(workshop / "push")


@pytest.fixture(params=["shell", "node", "go"])
def printed_by(request: pytest.FixtureRequest) -> list[str]:
    """A command that only prints something; Node needs no package for that."""
    match request.param:
        case "shell":
            return [tool("sh"), str(EXAMPLES / "push.sh")]
        case "node":
            return [tool("node"), str(EXAMPLES / "push.mjs")]
    return [request.getfixturevalue("go_example")]


@pytest.fixture(params=["shell", "node", "go"])
def example(request: pytest.FixtureRequest) -> Example:
    match request.param:
        case "shell":
            tool("redis-cli")
            return Example([tool("sh"), str(EXAMPLES / "push.sh")], ['"n":1.10'])
        case "node":
            return Example([tool("node"), str(request.getfixturevalue("ioredis") / "push.mjs")], ['{"n": 1.1}'])
    return Example([request.getfixturevalue("go_example")], [])


@pytest.fixture
def server(own_redis: Callable[..., EmbeddedRedis]) -> EmbeddedRedis:
    return own_redis(port=free_port())


async def run(*command: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        text, _ = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, text.decode()


@pytest.mark.parametrize("number", NUMBERS)
async def test_an_example_computes_the_shards_of_the_vectors(printed_by: list[str], number: int) -> None:
    code, text = await run(*printed_by, "--shard", str(number), *USERS)
    assert code == 0, text
    assert [int(line) for line in text.split()] == [v["shards"][NUMBERS.index(number)] for v in FILE["vectors"]]


async def test_an_example_computes_the_markers_of_the_vectors(printed_by: list[str]) -> None:
    for push in PUSHES:
        code, text = await run(*printed_by, "--marker", push["list"], push["key"], *push["events"])
        assert (code, text) == (0, f"{push['marker']} {push['value']}\n")


async def test_a_program_may_import_the_example_for_node(workshop: Path) -> None:
    program = workshop / "shop.mjs"
    program.write_text('import { shardOf } from "./push.mjs";\nconsole.log(shardOf("u-1", 16));\n')
    assert await run(tool("node"), str(program), "u-1", "purchase", REDIS_URL="redis://127.0.0.1:1") == (0, "12\n")


async def test_dash_computes_the_same(workshop: Path) -> None:
    code, text = await run(tool("dash"), str(workshop / "push.sh"), "--shard", "16", *USERS)
    assert (code, text.split()) == (0, [str(v["shards"][NUMBERS.index(16)]) for v in FILE["vectors"]])
    push = PUSHES[2]
    code, text = await run(tool("dash"), str(workshop / "push.sh"), "--marker", "events", push["key"], *push["events"])
    assert (code, text) == (0, f"{push['marker']} {push['value']}\n")


@pytest.mark.parametrize("shards", [1, 4])
async def test_an_example_pushes_an_event_onto_its_list(server: EmbeddedRedis, example: Example, shards: int) -> None:
    given = {"REDIS_URL": server.url, "QUEUE": "jobs", "SHARDS": str(shards)}
    users = ["u-1", "u-2", "é", "🙂", 'say "hi"\\']
    for user in users:
        code, text = await run(*example.command, user, 'na"me', *example.members, **given)
        assert code == 0, text
    found: dict[str, list[str]] = {}
    with Redis.from_url(server.url) as redis:
        for key in redis.scan_iter(_type="list"):
            for element in redis.lrange(key, 0, -1):
                event = decode(element, max_bytes=1_000)
                members = json.loads(event.body)
                assert (members["name"], members.get("n", 1.1), "date" in json.loads(element)) == ('na"me', 1.1, True)
                found.setdefault(key.decode(), []).append(event.user)
    vectors = {str(vector["user_id"]): vector["shards"][NUMBERS.index(4)] for vector in FILE["vectors"]}
    expected: dict[str, list[str]] = {}
    for user in users:
        expected.setdefault("jobs" if shards == 1 else f"jobs:{vectors[user]}", []).append(user)
    assert found == expected


async def test_an_example_refuses_another_number_of_shards(server: EmbeddedRedis, example: Example) -> None:
    with Redis.from_url(server.url) as redis:
        redis.set("{events}:shards", "8")
        code, text = await run(*example.command, "u-1", "n", REDIS_URL=server.url, SHARDS="4")
        assert (code, "8" in text, redis.dbsize()) == (1, True, 1), text
        code, text = await run(*example.command, "u-1", "n", REDIS_URL=server.url, SHARDS="8")
        assert (code, len([*redis.scan_iter(_type="list")])) == (0, 1), text


@pytest.mark.parametrize("shards", ["x", "0"])
async def test_an_example_refuses_what_is_no_number_of_shards(
    server: EmbeddedRedis, example: Example, shards: str
) -> None:
    code, text = await run(*example.command, "u-1", "n", REDIS_URL=server.url, SHARDS=shards)
    with Redis.from_url(server.url) as redis:
        assert (code, redis.dbsize(), text.count("\n")) == (1, 0, 1), text


@asynccontextmanager
async def losing_first_reply(server: EmbeddedRedis) -> AsyncIterator[Proxy]:
    """A way to the server on which the first RPUSH gets no reply."""
    async with Proxy(port_of(server.url)) as proxy:
        seen = count()
        proxy.loses_reply_to = lambda data: b"RPUSH" in data.upper() and next(seen) == 0
        yield proxy
        assert proxy.lost == 1


async def losing_a_reply(server: EmbeddedRedis, *command: str) -> tuple[int, int]:
    """Runs a command whose RPUSH gets no reply; its exit code, and how many events there are."""
    async with losing_first_reply(server) as proxy:
        code, _ = await run(*command, REDIS_URL=proxy.url)
    with Redis.from_url(server.url) as redis:
        return code, redis.llen("events")


async def test_an_example_repeats_what_got_no_reply_and_doubles_nothing(
    server: EmbeddedRedis, example: Example
) -> None:
    assert await losing_a_reply(server, *example.command, "u-1", "n") == (0, 1)
    assert await losing_a_reply(server, *example.command, "u-1", "n") == (0, 2), "without a key it is another push"
    with Redis.from_url(server.url) as redis:
        lives = [redis.pttl(key) for key in redis.scan_iter("{events}:pushed:*")]
    assert [30_000 < life <= 120_000 for life in lives] == [True, True]


async def test_the_shell_example_says_what_is_known_after_a_lost_reply(server: EmbeddedRedis, workshop: Path) -> None:
    """Redis may refuse what is repeated: soon it serves again, or it never will. Then the first try may have pushed."""
    push = [tool("sh"), str(workshop / "push.sh"), "u-1", "n"]
    with Redis.from_url(server.url) as redis:
        for refusing, code, known in (
            (["REPLICAOF", "127.0.0.1", "1"], 0, ""),
            (["ACL", "SETUSER", "default", "-getex"], 1, "it may have been pushed: "),
        ):
            before = redis.llen("events")
            async with losing_first_reply(server) as proxy:
                pushing = asyncio.create_task(run(*push, REDIS_URL=proxy.url))
                await eventually(lambda: proxy.lost, pause=0.001)
                redis.execute_command(*refusing)
                await asyncio.sleep(1.2)
                redis.replicaof("NO", "ONE")
                ended, text = await pushing
            assert (ended, known in text, redis.llen("events") - before) == (code, True, 1), text
        code, text = await run(*push, REDIS_URL=server.url)
        assert (code, text.startswith("push.sh: not pushed: ")) == (1, True), text


async def test_an_example_pushes_nothing_twice_under_one_key(server: EmbeddedRedis, example: Example) -> None:
    given = {"REDIS_URL": server.url, "IDEMPOTENCY_KEY": "order 1017/paid"}
    for _ in range(2):
        code, text = await run(*example.command, "u-1", "n", **given)
        assert (code, len(pushed_to(server))) == (0, 1), text
    code, text = await run(*example.command, "u-1", "other", **given)
    assert (code, "used for another event" in text, len(pushed_to(server))) == (1, True, 1), text
    with Redis.from_url(server.url) as redis:
        assert 86_000_000 < redis.pttl("{events}:pushed:order 1017/paid") <= 86_400_000


async def test_an_example_and_a_producer_push_nothing_twice_under_one_key(
    server: EmbeddedRedis, example: Example
) -> None:
    """They name the marker alike, also with several lists."""
    code, text = await run(*example.command, "u-1", "n", REDIS_URL=server.url, SHARDS="4", IDEMPOTENCY_KEY="a job")
    assert code == 0, text
    with SyncProducer(server.url, shards=4) as producer:
        producer.push("u-1", "n", idempotency_key="a job")
    with Redis.from_url(server.url) as redis:
        assert [redis.llen(f"events:{shard}") for shard in range(4)] == [1, 0, 0, 0]


async def test_the_command_on_the_page_pushes_once(server: EmbeddedRedis, workshop: Path) -> None:
    (command,) = (each for each in fenced_in(PRODUCERS, "sh") if each.startswith("redis-cli "))
    command = command.replace("redis-cli", f"{tool('redis-cli')} -u {server.url}", 1)
    for _ in range(2):
        code, text = await run("sh", "-c", f"cd {workshop} && {command}")
        assert (code, text, len(pushed_to(server))) == (0, "1\nok\n", 1)
    with Redis.from_url(server.url) as redis:
        found = redis.get("{events}:pushed:order-1017-paid")
    assert found == PUSHES[0]["value"].encode()
    assert pushed_to(server) == [json.loads(PUSHES[0]["events"][0])]


def in_node(ioredis: Path, options: str) -> list[str]:
    """The program of the README, with a client of these options."""
    (program,) = fenced_in(README, "js")
    changed = re.sub(r'new Redis\(".*\)', f"new Redis(process.env.REDIS_URL{options})", program)
    assert changed != program
    (ioredis / "default.mjs").write_text(changed)
    return [tool("node"), str(ioredis / "default.mjs")]


async def test_ioredis_by_itself_doubles_it(server: EmbeddedRedis, ioredis: Path) -> None:
    assert await losing_a_reply(server, *in_node(ioredis, "")) == (0, 3)


#: What most people would write.
GO_DEFAULT = """package main

import (
	"context"
	"os"

	"github.com/redis/go-redis/v9"
)

func main() {
	options, _ := redis.ParseURL(os.Getenv("REDIS_URL"))
	if redis.NewClient(options).RPush(context.Background(), "events", "x").Err() != nil {
		os.Exit(1)
	}
}
"""


async def test_go_redis_by_itself_doubles_it(server: EmbeddedRedis, workshop: Path, go_example: str) -> None:
    folder = workshop / "default"
    folder.mkdir()
    (folder / "main.go").write_text(GO_DEFAULT)
    build = [tool("go"), "build", "-o", f"{go_example}-default", "./default"]
    subprocess.run(build, cwd=workshop, check=True, capture_output=True, timeout=300)
    assert await losing_a_reply(server, f"{go_example}-default") == (0, 2)


def pushed_to(server: EmbeddedRedis) -> list[dict[str, object]]:
    with Redis.from_url(server.url) as redis:
        return [json.loads(element) for element in redis.lrange("events", 0, -1)]


async def test_the_program_on_the_page_runs(server: EmbeddedRedis) -> None:
    program, _ = fenced_in(PRODUCERS, "python")  # the other one, an outbox, is run by test_pushed_again
    assert await run(sys.executable, "-c", program.replace(SHOWN_URL, server.url)) == (0, "")
    assert [event["name"] for event in pushed_to(server)] == ["purchase", "visit", "visit"]


#: What each example of the README pushes.
VISIT_AND_PURCHASE = [("u-1", "visit"), ("u-1", "purchase")]


def look_at(server: EmbeddedRedis) -> None:
    found = pushed_to(server)
    assert [(event["user_id"], event["name"]) for event in found] == VISIT_AND_PURCHASE
    assert all("date" in event for event in found)


@pytest.mark.parametrize("which", ["SyncProducer", "asyncio"])
@pytest.mark.parametrize("way", ["a script", "pasted into an interpreter"])
async def test_a_python_program_of_the_readme_works(
    server: EmbeddedRedis, which: str, way: str, tmp_path: Path
) -> None:
    (program,) = (each for each in fenced_in(README, "python") if f"import {which}\n" in each)
    script = tmp_path / "script.py"
    script.write_text(program.replace(SHOWN_URL, server.url) + "\n")  # the line break that ends a pasted block
    if way == "a script":
        assert await run(sys.executable, str(script)) == (0, "")
    else:
        code, text = await run("sh", "-c", f"exec {sys.executable} -i -q <{script}")
        assert (code, "Error" in text) == (0, False), text
    look_at(server)


async def test_the_shell_command_of_the_readme_works(server: EmbeddedRedis) -> None:
    cli = shutil.which("redis-cli", path=f"{os.environ['PATH']}:{Path(sys.executable).parent}")
    (command,) = (each for each in fenced_in(README, "sh") if each.startswith("redis-cli "))
    command = command.replace("redis-cli", f"{cli or pytest.skip('no redis-cli here')} -u {server.url}", 1)
    assert (await run("sh", "-c", command))[0] == 0
    look_at(server)


def readme_in_node(ioredis: Path, url: str) -> list[str]:
    (program,) = fenced_in(README, "js")
    (ioredis / "readme.mjs").write_text(program.replace(SHOWN_URL, url))
    return [tool("node"), str(ioredis / "readme.mjs")]


async def test_the_node_program_of_the_readme_works(server: EmbeddedRedis, ioredis: Path) -> None:
    assert await run(*readme_in_node(ioredis, server.url)) == (0, "")
    look_at(server)


async def test_the_node_program_of_the_readme_doubles_no_event_whose_reply_is_lost(
    server: EmbeddedRedis, ioredis: Path
) -> None:
    async with losing_first_reply(server) as proxy:
        code, text = await run(*readme_in_node(ioredis, proxy.url))
    assert (code, len(pushed_to(server))) == (1, 1), text


def test_the_page_names_the_versions_that_are_tested() -> None:
    page = PRODUCERS.read_text(encoding="utf-8")
    for client, version in (("ioredis", IOREDIS), ("go-redis", GO_REDIS.removeprefix("v"))):
        assert f"| {client} {version.rpartition('.')[0]} | doubles |" in page
