"""No secret shows, wherever somebody may look: logs, metrics, errors, pages, the list of processes, Redis' keys."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import aiohttp
import pytest
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.keys import Keys
from forwarder.queue.letters import ListLetters
from forwarder.queue.queue import Queue
from forwarder.simulator import Faults, Refusal, Simulator
from tests.support.servers.http_proxy import answering, http_proxy
from tests.support.service import (
    WorkerProcess,
    census,
    command,
    environment,
    event,
    eventually,
    fetch,
    port_of,
    settings,
)

Start = Callable[..., WorkerProcess]

#: With all that somebody may quote, escape or encode on its way into a line.
KEY = 'the-kéy\'s-"exact"-\\value-<0451>'
PASSWORD = "pass/w%rd:'\"@\\<0451>+é"
TOKEN = "the-tok'en\"of\\this<test>"
PROXY_PASSWORD = "the/pr%xy:'s\"@\\<0451>+é"
SECRETS = {
    "the API key": KEY,
    "Redis' password": PASSWORD,
    "the admin token": TOKEN,
    "the proxy's password": PROXY_PASSWORD,
}


def forms(secret: str) -> set[bytes]:
    """How a secret may be written; so many bytes of each that no escape at its end matters."""
    ascii_json, plain_json = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    texts = {secret, ascii_json, plain_json, json.dumps(ascii_json)[1:-1], repr(secret)[1:-1]}
    texts |= {quote(secret), quote(secret, safe=""), quote_plus(secret), ascii(secret)[1:-1]}
    encoded = {base64.b64encode(before + secret.encode()).rstrip(b"=") for before in (b"", b":", b"default:", b"me:")}
    return {text.encode() for text in texts} | encoded


class Places:
    """What could be read, and where."""

    def __init__(self) -> None:
        self._read: dict[str, bytes] = {}

    def add(self, where: str, what: str | bytes) -> None:
        self._read[where] = what.encode() if isinstance(what, str) else what

    def showing(self) -> list[str]:
        """Each secret that can be read somewhere."""
        return [
            f"{name} in {where}"
            for where, content in self._read.items()
            for name, secret in SECRETS.items()
            if any(form in content for form in forms(secret))
        ]

    async def add_pages(self, when: str, process: WorkerProcess) -> None:
        """Everything that the admin address says, to those who know the token and to those who do not."""
        asked: list[tuple[str, bytes | None, str | None]] = [
            (path, None, None)
            for path in ("/", "/page.js", "/page.css", "/status.json", "/metrics", "/livez", "/readyz", "/nowhere")
        ]
        for path, body in (("/letters.json", None), ("/replay", b'{"reason":"invalid"}'), ("/resume", b"nonsense")):
            asked += [(path, body, TOKEN), (path, body, None)]
        # More than four wrong ones in all, and the right one would not be looked at any more.
        asked.append(("/letters.json", None, "a-wrong-token"))
        address = await process.admin()
        async with aiohttp.ClientSession(address) as session:
            await asyncio.gather(*(self._add_page(when, session, *each) for each in asked))

    async def _add_page(
        self, when: str, session: aiohttp.ClientSession, path: str, body: bytes | None, token: str | None
    ) -> None:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        async with session.request("POST" if body else "GET", path, data=body, headers=headers) as answer:
            self.add(f"{path} with {token} {when}", f"{answer.status}{answer.headers}{await answer.text()}")

    async def add_redis(self, redis: Redis) -> None:
        """Every key and value, and what Redis tells of its clients."""
        found: list[object] = [await redis.client_list()]
        async for key in redis.scan_iter():
            match await redis.type(key):
                case b"hash":
                    found.append((key, await redis.hgetall(key)))
                case b"stream":
                    found.append((key, await redis.xrange(key)))
                case b"list":
                    found.append((key, await redis.lrange(key, 0, -1)))
                case _:
                    found.append((key, await redis.get(key)))
        assert len(found) > 3
        self.add("Redis", b"\n".join(_parts(found)))

    async def add_command(self, *arguments: str, given: Mapping[str, str]) -> str:
        """Runs a command; returns what it wrote on standard output."""
        code, out, err = await command(*arguments, environment=given, stdin=event("pushed", 1))
        self.add(f"`forwarder {' '.join(arguments)}`, which ended with {code}", out + err)
        return out


def _parts(value: object) -> list[bytes]:
    """All bytes within containers, as they are."""
    match value:
        case bytes():
            return [value]
        case dict():
            return [part for pair in value.items() for part in _parts(pair)]
        case list() | tuple():
            return [part for each in value for part in _parts(each)]
    return [str(value).encode()]


def command_lines(pid: int) -> bytes:
    """What `ps` shows of a process and of those it has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for each in tasks for child in each.read_text().split()]
    return b"\n".join(Path(f"/proc/{each}/cmdline").read_bytes() for each in (pid, *children))


def guarded_url(server: EmbeddedRedis) -> str:
    return f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{port_of(server.url)}/0"


def said(process: WorkerProcess, **members: object) -> Callable[[], bool]:
    return lambda: any(members.items() <= line.items() for line in process.lines())


@pytest.mark.long
async def test_no_secret_shows_through_a_life_of_trouble(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, worker: Start, tmp_path: Path
) -> None:
    server = own_redis(port=None, arguments=["--requirepass", PASSWORD], directory=tmp_path, appendonly=True)
    places = Places()
    refused = Faults(refuse=(Refusal(name="refused"),))
    async with (
        Redis.from_url(guarded_url(server)) as redis,
        Simulator(KEY, faults=refused) as api,
        http_proxy() as proxy,
    ):
        given = settings(
            *(guarded_url(server), queue_name, api),
            api_key=KEY,
            admin_token=TOKEN,
            log_level="debug",
            request_timeout=0.5,
            api_proxy=proxy.url(f"me:{quote(PROXY_PASSWORD, safe='')}"),
        )
        process = worker(given, fresh=True)
        await redis.rpush(queue_name, event("u", 1), event("v", 2, name="refused"), b"nonsense", event("w", 3))
        await eventually(lambda: census_is(redis, queue_name, accepted=2, dead_lettered=2))
        await places.add_pages("at work", process)

        proxy.says = answering(407)
        proxy.cut()
        await redis.rpush(queue_name, event("u", 3))
        await eventually(said(process, event="POST not accepted", status="proxy"))
        await places.add_command("check", given=environment(given))
        proxy.says = None

        api.faults = Faults(hang_rate=1.0)
        await redis.rpush(queue_name, event("u", 4))
        await eventually(said(process, event="POST not accepted", status="timeout"))
        api.faults = Faults()

        await redis.config_set("requirepass", "another")
        await redis.client_kill_filter(_type="normal", skipme=True)
        await eventually(said(process, event="Redis is unavailable; retrying. Nothing is lost."))
        await places.add_pages("with a wrong password", process)
        server.kill()
        await eventually(lambda: refuses_connections(process))
        await places.add_pages("without Redis", process)
        await places.add_command("status", given=environment(given))
        server.start()
        await eventually(lambda: ready(process))
        await redis.connection_pool.disconnect()

        api.api_key = "another"
        await redis.rpush(queue_name, b"nonsense", event("v", 5))
        await eventually(Queue(redis, queue_name, 1).halt)
        await places.add_pages("halted", process)
        await places.add_redis(redis)
        for arguments in (
            "check",
            "status",
            "status --json",
            "audit",
            "dead list",
            "dead list --json",
            "push",
            "resume",
        ):
            out = await places.add_command(*arguments.split(), given=environment(given))
            assert out
        (letter,) = [each async for each in ListLetters(redis, Keys(queue_name)).all()][:1]
        for arguments in (f"dead show {letter.id}", "dead export --all", "dead replay --all --dry-run"):
            await places.add_command(*arguments.split(), given=environment(given))
        places.add("the list of processes", command_lines(process.process.pid))
        assert await process.stopped() == 0
        places.add("the log", process.log.read_bytes())
    assert places.showing() == []


async def refuses_connections(process: WorkerProcess) -> bool:
    return "refused the connection" in (await fetch(await process.admin() + "/status.json"))[1]


async def ready(process: WorkerProcess) -> bool:
    return (await fetch(await process.admin() + "/readyz"))[0] == 200


async def census_is(redis: Redis, queue: str, **expected: int) -> bool:
    now = await census(redis, queue)
    return all(getattr(now, name) == value for name, value in expected.items())


async def test_a_process_that_is_made_to_crash_shows_no_secret(redis_url: str, queue_name: str, worker: Start) -> None:
    places = Places()
    async with Simulator(KEY) as api:
        process = worker(
            settings(redis_url, queue_name, api, api_key=KEY, admin_token=TOKEN, log_level="debug"), fresh=True
        )
        await process.admin()
        await process.stopped(signal.SIGABRT)
    places.add("the log", process.log.read_bytes())
    assert places.showing() == []


#: The real command line with a mistake in it: an exception that has a secret in its message.
CRASH = """
import sys
from forwarder import cli
from forwarder.cli import app
from forwarder.logs import redaction as hiding

secret = sys.stdin.read()
hiding.hide(secret)

class Broken:
    def __format__(self, _):
        try:
            {}[secret]
        except KeyError as error:
            raise RuntimeError(f"cannot write {secret}: {[secret]}") from error

app.__version__ = Broken()
sys.argv[1:] = ["--version"]
cli.main()
"""


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
async def test_what_nobody_catches_is_printed_without_secrets(secret: str) -> None:
    code, err = await python(CRASH, secret)
    assert (code, err.count("Traceback"), "***" in err) == (1, 2, True)
    places = Places()
    places.add("the traceback", err)
    assert places.showing() == []


async def python(code: str, stdin: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(stdin.encode()), 30)
    assert process.returncode is not None
    return process.returncode, err.decode()


@pytest.mark.long
async def test_a_redis_that_quotes_the_password_it_does_not_understand_is_not_quoted(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, worker: Start
) -> None:
    server, places = own_redis(port=None, arguments=["--rename-command", "AUTH", ""]), Places()
    async with Simulator(KEY) as api:
        given = settings(guarded_url(server), queue_name, api, api_key=KEY, admin_token=TOKEN)
        process = worker(given)
        address = await process.admin()

        async def told() -> bool:
            return "unknown command" in (await fetch(address + "/readyz"))[1]

        await eventually(told)
        await places.add_pages("", process)
        # At once, as some of them retry for seconds.
        commands = ("status", "check", "push", "dead list")
        await asyncio.gather(*(places.add_command(*each.split(), given=environment(given)) for each in commands))
        await process.stopped()
        places.add("the log", process.log.read_bytes())
    assert places.showing() == []


WRONG = {
    "the key as its file": {"API_KEY_FILE": KEY},
    "the URL as its file": {"REDIS_URL_FILE": f"redis://:{quote(PASSWORD, safe='')}@h/0"},
    "the token as its file": {"ADMIN_TOKEN_FILE": TOKEN},
    "the key in the API's address": {"API_URL": f"https://:{quote(KEY)}@h"},
    "another kind of URL": {"REDIS_URL": f"http://:{quote(PASSWORD)}@h"},
    "a proxy by https": {"API_PROXY": f"https://me:{quote(PROXY_PASSWORD, safe='')}@h:1"},
    "a proxy's password that is not encoded": {"API_PROXY": f"http://me:{PROXY_PASSWORD}@h:1"},
    "a proxy's URL as its file": {"API_PROXY_FILE": f"http://me:{quote(PROXY_PASSWORD, safe='')}@h:1"},
    "no port": {"REDIS_URL": f"redis://:{quote(PASSWORD, safe='')}@h:port/0"},
    "an option that does not exist": {"REDIS_URL": f"redis://h/0?password={quote(PASSWORD)}&nonsense=1"},
    "an option's value that does not exist": {"REDIS_URL": f"redis://h/0?password={quote(PASSWORD)}&protocol=9"},
    "the same of TLS": {"REDIS_URL": f"rediss://h/0?password={quote(PASSWORD)}&ssl_cert_reqs=nonsense"},
    "a number that is none": {"CONCURRENCY": KEY},
    "a choice that is none": {"LOG_LEVEL": KEY, "API_VERSION": TOKEN, "ON_HALT": PASSWORD},
    "a token that is too short": {"ADMIN_TOKEN": TOKEN[:15]},
    "everything twice": {
        "API_KEY": KEY,
        "API_KEY_FILE": "/run/key",
        "ADMIN_TOKEN": TOKEN,
        "ADMIN_TOKEN_FILE": "/run/t",
    },
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_wrong_settings_are_named_without_their_secrets(wrong: dict[str, str]) -> None:
    places = Places()
    given = {"FORWARDER_API_KEY": "" if "API_KEY_FILE" in wrong else KEY, "FORWARDER_ADMIN_PORT": "0"}
    code, out, err = await command("run", environment=given | {f"FORWARDER_{name}": x for name, x in wrong.items()})
    assert (code, out, "Traceback" in err) == (78, "", False)
    assert err.startswith("forwarder: ")
    assert TOKEN[:15] not in err
    places.add("the error", err)
    assert places.showing() == []


async def test_what_is_not_hidden_is_the_environment_and_a_file_keeps_the_key_out_of_it(
    redis_url: str, queue_name: str, tmp_path: Path, worker: Start
) -> None:
    """So the page tells to use files. It also shows that the search finds a secret where there is one."""
    key, token = tmp_path / "key", tmp_path / "token"
    key.write_text(KEY)
    token.write_text(TOKEN)
    async with Simulator(KEY) as api:
        process = worker(settings(redis_url, queue_name, api, api_key=KEY, admin_token=TOKEN), fresh=True)
        by_files = settings(redis_url, queue_name, api, api_key_file=key)
        os.environ["FORWARDER_ADMIN_TOKEN_FILE"] = str(token)
        try:
            other = worker(by_files, fresh=True)
        finally:
            del os.environ["FORWARDER_ADMIN_TOKEN_FILE"]
        shown, hidden = Places(), Places()
        for places, started in ((shown, process), (hidden, other)):
            await started.admin()
            places.add("its environment", Path(f"/proc/{started.process.pid}/environ").read_bytes())
    assert shown.showing() == ["the API key in its environment", "the admin token in its environment"]
    assert hidden.showing() == []


async def test_no_option_of_any_command_takes_a_secret() -> None:
    """A command line is for everybody to read."""
    for arguments in ("run", "push", "status", "check", "resume", "dead list", "dead replay", "reshard"):
        _, out, _ = await command(*arguments.split(), "--help", environment={})
        options = {word.strip("│ ").split("=")[0] for word in out.split() if word.startswith("--")}
        assert options
        assert not [option for option in options if any(x in option for x in ("key", "token", "password", "url"))]
