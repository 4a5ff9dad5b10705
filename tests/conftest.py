"""What tests share: real Redis servers, a queue of one's own, and a seed that is always printed."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.demo.redis_server import EmbeddedRedis, ServerVersion, find_server, installed_servers, version_of
from forwarder.logs import redaction
from forwarder.simulator import Simulator
from tests.support.service import KEY, WorkerProcess, environment
from tests.support.virtual.loop import VirtualLoop
from tests.support.world import World

pytest_plugins = ["tests.support.bytecode", "tests.support.faults"]

# Before 3.12 pytest-asyncio makes a loop where there is none yet and never closes it: with warnings as errors,
# whichever test happens to run then fails.
asyncio.set_event_loop(None)

SERVERS = {str(version_of(server)): server for server in installed_servers()}

hypothesis.settings.register_profile(
    "ci",
    derandomize=False,
    print_blob=True,
    deadline=None,  # two shared cores: a slow example is no finding
    max_examples=50,
    # Explaining a failure traces every line of the service: that takes far longer than finding it.
    phases=set(hypothesis.Phase) - {hypothesis.Phase.explain},
)
hypothesis.settings.register_profile("thorough", hypothesis.settings.get_profile("ci"), max_examples=2000)
hypothesis.settings.load_profile("ci")


# Before Hypothesis' own pytest_configure, which reads the option.
@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("hypothesis_seed") is None:
        config.option.hypothesis_seed = str(secrets.randbelow(2**32))


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual": VirtualLoop} if item.get_closest_marker("virtual_time") else {"real": asyncio.new_event_loop}


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [
        f"redis servers: {', '.join(f'{name} ({path})' for name, path in SERVERS.items()) or 'none'}",
        f"again with: --hypothesis-seed={config.getoption('hypothesis_seed')}",
    ]


@pytest.fixture(autouse=True)
def _secrets_of_its_own() -> Iterator[None]:
    """A password of one test may be a usual word in another one, which would read `***` instead."""
    before = set(redaction._secrets)
    yield
    redaction._secrets.intersection_update(before)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """The one server that most tests share, each under its own key prefix; nobody flushes or stops it."""
    server = find_server()
    with EmbeddedRedis(server=server, port=None, arguments=_debug_arguments(version_of(server))) as running:
        yield running


@pytest.fixture(scope="session", params=list(SERVERS) or ["none found"])
def each_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedRedis]:
    """Like redis_server, once for each product and version found; without any it fails, it does not skip."""
    server = SERVERS.get(request.param) or find_server()
    with EmbeddedRedis(server=server, port=None, arguments=_debug_arguments(version_of(server))) as running:
        yield running


@pytest.fixture
def own_redis() -> Iterator[Callable[..., EmbeddedRedis]]:
    """Starts a server that the test may kill, fill or restart; takes the arguments of EmbeddedRedis."""
    started: list[EmbeddedRedis] = []

    def start(**arguments: Any) -> EmbeddedRedis:
        # A replica need not wait five seconds for others to come.
        arguments["arguments"] = ["--repl-diskless-sync-delay", "0", *arguments.get("arguments", ())]
        server = EmbeddedRedis(**arguments)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    return redis_server.url


@pytest.fixture
def queue_name() -> str:
    """A list, and so a key prefix, that no other test uses."""
    return f"t-{uuid4().hex[:8]}"


@pytest_asyncio.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=False) as client:
        yield client


@pytest_asyncio.fixture
async def api() -> AsyncIterator[Simulator]:
    """The stand-in API, fresh for each test."""
    async with Simulator(KEY) as simulator:
        yield simulator


@pytest.fixture
def world(redis_url: str, redis_client: Redis, queue_name: str, api: Simulator) -> World:
    """These four, and services that use them."""
    return World(redis_url, redis_client, queue_name, api)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts `forwarder run` as :class:`WorkerProcess`; any that still run at the end are killed."""
    started: list[WorkerProcess] = []

    def start(given: Settings, **others: Any) -> WorkerProcess:
        process = WorkerProcess(environment(given), tmp_path / f"worker-{len(started)}.log", **others)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()


def _debug_arguments(version: ServerVersion | None) -> list[str]:
    # Redis 7 locked DEBUG away; 6.2 has it open and does not know the setting.
    return ["--enable-debug-command", "yes"] if version and version.numbers >= (7, 0) else []
