"""`forwarder push --once`: whatever happens between and during its runs, each event of the file is pushed once."""

import asyncio
import gzip
import os
import re
import signal
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder.cli.missing import MissingPusher
from forwarder.cli.ndjson import Sieve
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.errors import ForwarderError
from forwarder.queue.queue import Queue
from forwarder.queue.sharding import list_name, shard_of
from forwarder.queue.wire.connection import connect
from tests.support.faults import fault
from tests.support.killing import KillingProxy, moments
from tests.support.processes import Fork
from tests.support.servers.proxy import Proxy
from tests.support.service import command, event, port_of

USERS = 7
ELEMENTS = [event(f"u-{number % USERS}", number) for number in range(3_000)]


class Job:
    """One file, the queue that it is pushed onto, and what is in there."""

    def __init__(self, redis: Redis, url: str, queue: str, file: Path, shards: int = 1) -> None:
        self.redis = redis
        self.queue = queue
        self.file = file
        self.shards = shards
        self.given = {"FORWARDER_REDIS_URL": url, "FORWARDER_QUEUE": queue, "FORWARDER_SHARDS": str(shards)}

    def write(self, elements: Iterable[bytes]) -> None:
        self.file.write_bytes(b"".join(element + b"\n" for element in elements))

    async def run(self, **others: str) -> tuple[int, str, str]:
        return await command("push", "--once", str(self.file), environment={**self.given, **others})

    def start(self, log: Path, **others: str) -> Fork:
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **self.given, **others}
        with log.open("ab") as out, Path(os.devnull).open() as nothing:
            return Fork(
                ["push", "--once", str(self.file)],
                environment,
                stdin=nothing.fileno(),
                stdout=out.fileno(),
                stderr=out.fileno(),
            )

    async def pushed(self) -> list[list[bytes]]:
        names = [list_name(self.queue, shard, self.shards) for shard in range(self.shards)]
        found: list[list[bytes]] = [await self.redis.lrange(name, 0, -1) for name in names]  # type: ignore[misc]
        return found

    def lists(self, elements: Iterable[bytes]) -> list[list[bytes]]:
        """What each list holds when these elements were pushed."""
        found: list[list[bytes]] = [[] for _ in range(self.shards)]
        for element in elements:
            found[shard_of(element.split(b'"')[3].decode(), self.shards)].append(element)
        return found


@pytest.fixture
def shards() -> int:
    return 3


@pytest.fixture
def job(redis_client: Redis, redis_url: str, queue_name: str, tmp_path: Path, shards: int) -> Job:
    return Job(redis_client, redis_url, queue_name, tmp_path / "events.ndjson", shards)


#: For the tests in which one list is not simply less than three.
WITH_ONE_LIST_TOO = pytest.mark.parametrize("shards", [1, 3])


@WITH_ONE_LIST_TOO
async def test_a_file_that_has_grown_is_pushed_from_where_it_ended(job: Job) -> None:
    job.write(ELEMENTS[:1_500])
    assert (await job.run())[:2] == (0, f"pushed 1,500 events onto {job.queue}\n")
    assert (await job.run())[:2] == (0, f"pushed 0 events onto {job.queue}; 1,500 had been pushed before\n")
    # The same file, packed, with other line ends, blank lines and a byte order mark.
    job.file.write_bytes(gzip.compress(b"\xef\xbb\xbf" + b"\r\n\r\n".join(ELEMENTS)))
    assert (await job.run())[:2] == (0, f"pushed 1,500 events onto {job.queue}; 1,500 had been pushed before\n")
    assert await job.pushed() == job.lists(ELEMENTS)
    keys = [key async for key in job.redis.scan_iter(f"{{{job.queue}*}}:pushed:*")]
    lives = [await job.redis.pttl(key) for key in keys]
    assert len(keys) == job.shards + 1
    assert all(6 * 86_400_000 < life <= 90 * 86_400_000 for life in lives), "every mark is forgotten one day"


async def test_a_path_with_links_is_the_same_file_and_another_name_is_another_file(job: Job, tmp_path: Path) -> None:
    job.write(ELEMENTS[:10])
    assert (await job.run())[0] == 0
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    job.file = link / "events.ndjson"
    assert "pushed 0 events" in (await job.run())[1]
    job.file = job.file.rename(tmp_path / "other.ndjson")
    assert "pushed 10 events" in (await job.run())[1]


@pytest.mark.parametrize("what", ["edited", "shorter", "inserted"])
@fault(
    "producer",
    "a line that `forwarder push --once` has pushed is edited, and the file is pushed again",
    "it is refused, and the lines are named; nothing is pushed",
    keeps=(1, 3),
)
async def test_a_changed_beginning_is_refused_before_anything_is_pushed(job: Job, what: str) -> None:
    job.write(ELEMENTS[:20])
    assert (await job.run())[0] == 0
    lines = {
        "edited": [*ELEMENTS[:4], event("u-4", 4_711), *ELEMENTS[5:3_000]],
        "shorter": ELEMENTS[:15],
        # On the last line of its list that was pushed, so that those of the other lists are unchanged.
        "inserted": [*ELEMENTS[:19], event("u-5", 4_711), *ELEMENTS[19:3_000]],
    }[what]
    job.write(lines)
    code, out, problem = await job.run()
    assert (code, out) == (78, "")
    assert ("15 lines, and 5 events fewer than" if what == "shorter" else "differs from what was pushed") in problem
    assert await job.pushed() == job.lists(ELEMENTS[:20])
    job.write(ELEMENTS[:30])
    assert "pushed 10 events" in (await job.run())[1], "the change was undone"
    assert await job.pushed() == job.lists(ELEMENTS[:30])


async def test_a_line_that_was_wrong_and_is_corrected_is_pushed_or_refused_and_never_skipped(job: Job) -> None:
    wrong, corrected = b'{"user_id":"u-5"}', event("u-5", 4_711)
    job.write([*ELEMENTS[:5], wrong, *ELEMENTS[5:20], ELEMENTS[20][:-3]])
    code, out, problem = await job.run()
    assert (code, "skipped 2 wrong lines" in out, "line 6: name" in problem) == (1, True, True), problem
    job.write([*ELEMENTS[:5], corrected, *ELEMENTS[5:21]])
    assert (await job.run())[0] == 78, "other lines of its list were pushed after it"
    assert await job.pushed() == job.lists(ELEMENTS[:20])
    # The last line was only half written, and a corrected one may be appended.
    job.write([*ELEMENTS[:5], wrong, *ELEMENTS[5:21], corrected])
    code, out, problem = await job.run()
    assert (code, "pushed 2 events" in out, "line 6: name" in problem) == (1, True, True), problem
    assert await job.pushed() == job.lists([*ELEMENTS[:21], corrected])


async def test_a_file_whose_marks_were_forgotten_is_not_pushed_again(job: Job) -> None:
    job.write(ELEMENTS[:20])
    assert (await job.run())[0] == 0
    await job.redis.delete(*[key async for key in job.redis.scan_iter(f"{{{job.queue}:2}}:pushed:*")])
    code, _, problem = await job.run()
    assert (code, "no longer knows how much of this file was pushed" in problem) == (78, True), problem
    assert await job.pushed() == job.lists(ELEMENTS[:20])


@WITH_ONE_LIST_TOO
@fault(
    "producer",
    "`forwarder push --once` is run again after the number of lists was changed",
    "it is refused, and nothing is pushed",
    keeps=(1, 3),
)
async def test_another_number_of_lists_is_refused(job: Job) -> None:
    job.write(ELEMENTS[:20])
    assert (await job.run())[0] == 0
    others = {1: 4, 3: 1}[job.shards]
    code, _, problem = await job.run(FORWARDER_SHARDS=str(others))
    assert (code, f"another number of lists ({job.shards}; now {others})" in problem) == (78, True), problem
    assert await job.redis.exists(*(list_name(job.queue, shard, others) for shard in range(others))) == 0
    await job.redis.set(f"{{{job.queue}}}:shards", str(others))
    code, _, problem = await job.run()
    assert (code, "FORWARDER_SHARDS" in problem) == (78, True), problem


async def test_standard_input_and_pipes_are_refused(job: Job, tmp_path: Path) -> None:
    code, _, problem = await command("push", "--once", environment=job.given, stdin=ELEMENTS[0])
    assert (code, "--once needs a file that can be read twice" in problem) == (64, True), problem
    code, _, problem = await job.run()
    assert (code, "cannot read" in problem) == (78, True), problem
    os.mkfifo(job.file)
    for stream in (job.file, tmp_path, Path("/dev/null")):
        job.file = stream
        code, _, problem = await job.run()
        assert (code, "--once needs a file that can be read twice" in problem) == (64, True), problem
    assert await job.pushed() == job.lists([])


@fault(
    "producer",
    "replies to `forwarder push --once` are lost",
    "it repeats what got no reply; each event is pushed once",
    keeps=(1, 2, 3),
)
async def test_lost_replies_double_nothing(job: Job, redis_url: str) -> None:
    job.write(ELEMENTS)
    async with Proxy(port_of(redis_url)) as proxy:
        seen = count()
        proxy.loses_reply_to = lambda data: b"EVAL" in data and next(seen) % 2 == 0
        code, _, problem = await job.run(FORWARDER_REDIS_URL=proxy.url)
        assert (code, proxy.lost >= 2) == (0, True), problem
    assert await job.pushed() == job.lists(ELEMENTS)


def holds_first_push(proxy: Proxy) -> asyncio.Event:
    """Lets the first push reach Redis, and then nothing through; an event that is set then."""
    seen = count()
    held = asyncio.Event()

    def hold(data: bytes) -> bool:
        if b"EVAL" in data and next(seen) == 0:
            proxy.black_hole = True
            held.set()
        return False

    proxy.loses_reply_to = hold
    return held


async def test_an_interrupted_run_says_how_to_go_on(job: Job, redis_url: str, tmp_path: Path) -> None:
    job.write(ELEMENTS)
    log = tmp_path / "log"
    async with Proxy(port_of(redis_url)) as proxy:
        held = holds_first_push(proxy)
        process = job.start(log, FORWARDER_REDIS_URL=proxy.url)
        await asyncio.wait_for(held.wait(), 20)
        process.send_signal(signal.SIGTERM)
        proxy.black_hole = False
        assert await process.ended() == 128 + signal.SIGTERM, log.read_text()
    found = re.search(r"interrupted; (\d,\d+) events were pushed\. Run the same command again", log.read_text())
    assert found, log.read_text()
    number = int(found[1].replace(",", ""))
    assert await job.pushed() == job.lists(ELEMENTS[:number])
    assert f"pushed {len(ELEMENTS) - number:,} events" in (await job.run())[1]
    assert await job.pushed() == job.lists(ELEMENTS)


@fault(
    "producer",
    "two `forwarder push --once` push the same file at once",
    "each event is pushed once, in order, whichever run is faster",
    keeps=(1, 2, 3),
)
async def test_two_runs_at_once_push_each_event_once(job: Job, redis_url: str, tmp_path: Path) -> None:
    job.write(ELEMENTS[:2_500])
    async with Proxy(port_of(redis_url)) as proxy:
        held = holds_first_push(proxy)
        slow = job.start(tmp_path / "slow", FORWARDER_REDIS_URL=proxy.url)
        await asyncio.wait_for(held.wait(), 20)
        # By now the file is longer, so the commands of the fast one end at other lines.
        job.write([*ELEMENTS[:2_500], *ELEMENTS[2_500:]])
        together = [job.start(tmp_path / name) for name in ("fast", "faster")]
        assert [await each.ended() for each in together] == [0, 0], (tmp_path / "fast").read_text()
        proxy.black_hole = False
        assert await slow.ended() == 0, (tmp_path / "slow").read_text()
    assert await job.pushed() == job.lists(ELEMENTS)


@fault(
    "producer",
    "Redis is full while `forwarder push --once` pushes",
    "it says so, and a later run pushes what is missing",
    keeps=(1, 2, 3),
)
async def test_a_full_redis_takes_the_rest_later(own_redis: Callable[..., EmbeddedRedis], tmp_path: Path) -> None:
    server = own_redis(port=None)
    async with Redis.from_url(server.url) as redis:
        job = Job(redis, server.url, "events", tmp_path / "events.ndjson")
        job.write(ELEMENTS)
        used = (await redis.info("memory"))["used_memory"]
        await redis.config_set("maxmemory", used + 300_000)
        code, _, problem = await job.run()
        assert (code, "Redis is full" in problem, "run the same command again" in problem) == (1, True, True), problem
        assert 0 < len((await job.pushed())[0]) < len(ELEMENTS)
        before = await job.pushed()
        assert (await job.run())[0] == 1
        assert await job.pushed() == before
        await redis.config_set("maxmemory", 0)
        assert (await job.run())[0] == 0
        assert await job.pushed() == job.lists(ELEMENTS)


async def test_a_mark_that_goes_back_during_a_run_ends_it(redis_client: Redis, redis_url: str, queue_name: str) -> None:
    async with connect(redis_url) as redis:
        queue = Queue(redis, queue_name, 1)
        marks = queue.marks_of("file", "left")
        pusher = MissingPusher(queue, marks, await marks.read(), Sieve(1_000))
        await pusher.push(ELEMENTS[:10])
        await redis_client.delete(*[key async for key in redis_client.scan_iter(f"{{{queue_name}}}:pushed:*")])
        with pytest.raises(ForwarderError, match=r"older state.*Run the same command again"):
            await pusher.push(ELEMENTS[10:20])
    assert await redis_client.lrange(queue_name, 0, -1) == ELEMENTS[:10]


@pytest.mark.parametrize("kills", [4, pytest.param(int(os.environ.get("TEST_KILLS", "25")), marks=pytest.mark.long)])
@fault(
    "producer",
    "`forwarder push --once` is killed (SIGKILL) at random moments, and run again",
    "each event is pushed once, in order",
    keeps=(1, 2, 3),
)
async def test_a_run_that_is_killed_and_run_again_pushes_each_event_once(
    redis_client: Redis, redis_url: str, queue_name: str, tmp_path: Path, kills: int
) -> None:
    job = Job(redis_client, redis_url, queue_name, tmp_path / "events.ndjson", shards=2)
    grown = 0
    for number, (when, which) in enumerate(moments(kills, most=3)):
        grown += 1_500
        elements = [event(f"u-{each % USERS}", each) for each in range(grown)]
        job.write(elements)
        async with KillingProxy(port_of(redis_url), when, which) as proxy:
            run = job.start(tmp_path / "log", FORWARDER_REDIS_URL=proxy.url)
            proxy.kill = run.kill
            await run.ended()
        if number % 5 == 4 or number == kills - 1:
            code, _, problem = await job.run()
            assert code == 0, problem
            assert await job.pushed() == job.lists(elements)
