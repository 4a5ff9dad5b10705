"""The status page as a program sees it: what it shows, to whom, and what it lets do."""

import asyncio
import json
import os
import re
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import structlog
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.queue import Queue
from forwarder.queue.wire.connection import connect
from forwarder.simulator import Faults, Refusal, Simulator
from tests.support.faults import fault
from tests.support.service import KEY, Running, event, eventually, running, settings, settled

TOKEN = "a-token-of-this-test"
HOSTILE = "<script>alert(1)</script>"
REFUSED = Faults(refuse=(Refusal(name="refused"),))


async def ask(
    service: Running, path: str, body: object = None, *, method: str | None = None, **headers: str
) -> tuple[int, Any, dict[str, str]]:
    """Status, JSON (or text) and headers of an answer; `body` is sent as JSON."""
    raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if raw is not None:
        named.setdefault("Content-Type", "application/json")
    verb = method or ("GET" if raw is None else "POST")
    async with (
        aiohttp.ClientSession() as session,
        session.request(verb, service.url + path, data=raw, headers=named) as answer,
    ):
        text = await answer.text()
        return (
            answer.status,
            json.loads(text) if text and answer.content_type == "application/json" else text,
            dict(answer.headers),
        )


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def status(service: Running) -> dict[str, Any]:
    found: dict[str, Any] = (await ask(service, "/status.json"))[1]
    return found


async def with_letters(redis: Redis, queue: str, *names: str) -> None:
    """Pushes one event of each name, of a user whose name must not show, and waits until all are decided."""
    await redis.rpush(queue, *[event("hidden-user", n, name=name) for n, name in enumerate(names)])
    await settled(redis, queue)


@pytest_asyncio.fixture
async def guarded(redis_url: str, queue_name: str, api: Simulator) -> AsyncIterator[Running]:
    """A service with a token, and an API that refuses events named `refused`."""
    api.faults = REFUSED
    async with running(settings(redis_url, queue_name, api, admin_token=TOKEN)) as service:
        await service.shows('forwarder_lease_held{shard="0"} 1.0')
        yield service


async def test_it_shows_how_it_stands(redis_url: str, redis_client: Redis, queue_name: str, api: Simulator) -> None:
    api.faults = REFUSED
    async with running(settings(redis_url, queue_name, api)) as service:
        await with_letters(redis_client, queue_name, *["fine"] * 50, "refused", HOSTILE)
        found = await eventually(lambda: decided(service, letters=1))
        assert (found["queue"], found["actions"]) == (queue_name, False)
        assert {"idle", "delivering"} & {each["reason"] for each in found["findings"]}
        (shard,) = found["lists"]
        assert (shard["list"], shard["alive"]) == ("0", True)
        assert 0 < shard["lease_seconds"] <= 5
        assert found["letters"]["by_reason"] == {
            "invalid": 0,
            "rejected": 1,
            "too_large": 0,
            "exhausted": 0,
            "erased": 0,
            "other": 0,
        }
        assert found["limits"]["concurrency"]["most"] == 64
        assert found["answers"]["400"] >= 1
        assert found["redis"]["problem"] is None


async def decided(service: Running, *, letters: int) -> dict[str, Any] | None:
    found = await status(service)
    kept = found["letters"] and found["letters"]["kept"] == letters == len(found["letters"]["latest"])
    return found if kept and not found["now"]["waiting"] else None


@pytest.mark.parametrize(
    "path", ["/", "/page.css", "/page.js", "/runbook", "/status.json", "/metrics", "/nowhere", "/letters.json"]
)
async def test_every_answer_says_what_a_browser_may_do_with_it(guarded: Running, path: str) -> None:
    _, _, headers = await ask(guarded, path)
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


async def test_users_data_is_hidden_unless_asked_for_with_the_token(
    guarded: Running, redis_client: Redis, queue_name: str
) -> None:
    await with_letters(redis_client, queue_name, "refused")
    await eventually(lambda: decided(guarded, letters=1))
    _, everything, _ = await ask(guarded, "/status.json")
    assert "hidden-user" not in json.dumps(everything)
    assert '"n"' not in json.dumps(everything)
    assert (await ask(guarded, "/letters.json"))[0] == 401
    code, found, _ = await ask(guarded, "/letters.json", **bearer())
    (letter,) = found["letters"]
    assert (code, letter["user_id"]) == (200, "hidden-user")
    assert json.loads(letter["element"])["name"] == "refused"


async def test_without_a_token_nothing_can_be_done_or_seen(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    async with running(settings(redis_url, queue_name, api)) as service:
        await Queue(redis_client, queue_name, 1).write_halt(HaltRecord("misdirected", "", "", ""))
        for token in ("", TOKEN, "None"):
            assert (await ask(service, "/letters.json", **bearer(token)))[0] == 403
            assert (await ask(service, "/resume", {}, **bearer(token)))[0] == 403
            assert (await ask(service, "/replay", {"reason": "rejected"}, **bearer(token)))[0] == 403
        assert await Queue(redis_client, queue_name, 1).halt() is not None


async def test_a_halt_is_ended_with_the_token(
    guarded: Running, api: Simulator, redis_client: Redis, queue_name: str
) -> None:
    await redis_client.rpush(queue_name, *[event("u-1", n) for n in range(50)])
    await settled(redis_client, queue_name)
    api.api_key = "another"
    await redis_client.rpush(queue_name, event("u", 1))
    found = await eventually(lambda: halted(guarded))
    assert found["now"]["accepted"] == 0, "what was accepted before would contradict the headline"
    assert found["findings"][0]["title"] == "Halted: the API refuses the key"
    assert "forwarder resume" in found["findings"][0]["steps"][-1]
    assert found["halted_since"]
    api.api_key = KEY
    code, done, _ = await ask(guarded, "/resume", {"allow_refusals": 3}, **bearer())
    assert (code, done["done"]) == (200, "The halt is over. Workers continue within seconds.")
    await settled(redis_client, queue_name)
    assert (await ask(guarded, "/resume", {}, **bearer()))[1] == {"done": "The service was neither halted nor paused."}
    await ask(guarded, "/pause", {}, **bearer())
    done = (await ask(guarded, "/resume", {}, **bearer()))[1]
    assert done == {"done": "The pause is over. Workers continue within seconds."}
    assert (await ask(guarded, "/retry", {}))[0] == 401
    assert (await ask(guarded, "/retry", {}, **bearer()))[1] == {"done": "1 worker tries now."}


async def halted(service: Running) -> dict[str, Any] | None:
    found = await status(service)
    known = found["workers"] and found["workers"][0]["reason"]
    return found if found["state"] == "halted" and found["halted_since"] and known else None


async def test_one_letter_and_all_of_a_reason_are_replayed(
    guarded: Running, api: Simulator, redis_client: Redis, queue_name: str
) -> None:
    await with_letters(redis_client, queue_name, *["refused"] * 5)
    found = await eventually(lambda: decided(guarded, letters=5))
    api.faults = Faults()
    one = found["letters"]["latest"][0]["id"]
    assert (await ask(guarded, "/replay", {"id": one}, **bearer()))[1] == {"done": "1 dead letter replayed."}
    again = await ask(guarded, "/replay", {"id": one}, **bearer())
    assert again[1] == {"done": "No such dead letter: it may have been replayed or deleted."}
    some = await ask(guarded, "/replay", {"reason": "rejected", "limit": 3}, **bearer())
    assert some[1] == {"done": "3 dead letters replayed."}
    census = await settled(redis_client, queue_name)
    assert (census.letters, census.replayed, api.ledger.accepted_events) == (1, 4, 4)


async def test_a_canary_that_comes_back_holds_the_others(
    guarded: Running, api: Simulator, redis_client: Redis, queue_name: str
) -> None:
    await with_letters(redis_client, queue_name, *["refused"] * 9)
    wanted = {"reason": "rejected", "canary": 2}
    code, found, _ = await ask(guarded, "/replay", wanted, **bearer())
    assert code == 200
    assert found["done"].startswith("2 dead letters replayed, then stopped: ")
    assert "Fix the cause first." in found["done"]
    census = await settled(redis_client, queue_name)
    assert (census.letters, census.replayed) == (9, 2)
    api.faults = Faults()
    assert (await ask(guarded, "/replay", wanted, **bearer()))[1] == {"done": "9 dead letters replayed."}
    await settled(redis_client, queue_name)
    assert api.ledger.accepted_events == 9


async def test_two_tabs_that_replay_the_same_replay_it_once(
    guarded: Running, api: Simulator, redis_client: Redis, queue_name: str
) -> None:
    await with_letters(redis_client, queue_name, *["refused"] * 30)
    api.faults = Faults()
    tabs = [ask(guarded, "/replay", {"reason": "rejected"}, **bearer()) for _ in range(4)]
    codes = sorted([code for code, _, _ in await asyncio.gather(*tabs)])
    assert codes[0] == 200
    assert set(codes) <= {200, 409}
    assert (await settled(redis_client, queue_name)).replayed == 30
    assert api.ledger.accepted_events == 30


async def test_one_action_runs_at_a_time_and_a_redis_that_hangs_ends_it(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, api: Simulator
) -> None:
    server = own_redis(port=None)
    async with running(settings(server.url, queue_name, api, admin_token=TOKEN)) as service:
        await eventually(lambda: settled_on_page(service))
        os.kill(server.pid, signal.SIGSTOP)
        try:
            both = await asyncio.gather(*[ask(service, "/resume", {}, **bearer()) for _ in range(2)])
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert sorted(code for code, _, _ in both) == [409, 503]
        assert (await ask(service, "/resume", {}, **bearer()))[0] == 200


async def test_while_it_stops_it_says_so(redis_url: str, redis_client: Redis, queue_name: str, api: Simulator) -> None:
    api.faults = Faults(latency=2)
    async with running(settings(redis_url, queue_name, api, request_timeout=4)) as service:
        await redis_client.rpush(queue_name, event("u", 1))
        await eventually(lambda: in_flight(service))
        service.service.stop()
        assert (await service.get("/readyz"))[0] == 503
        assert await eventually(lambda: says(service, "Stopping"))
    assert api.ledger.accepted_events == 1


async def in_flight(service: Running) -> int:
    return int((await status(service))["limits"]["concurrency"]["used"])


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://evil.example"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic " + TOKEN},
        {"Host": "evil.example"},
    ],
    ids=lambda headers: next(iter(headers.items()))[1],
)
async def test_a_request_that_is_not_the_pages_own_does_nothing(
    guarded: Running, redis_client: Redis, queue_name: str, headers: dict[str, str]
) -> None:
    queue = Queue(redis_client, queue_name, 1)
    await queue.write_halt(HaltRecord("misdirected", "", "", ""))
    code, _, _ = await ask(guarded, "/resume", {}, **{**bearer(), **headers})
    assert 400 < code < 500
    assert await queue.halt() is not None
    preflight = await ask(guarded, "/resume", method="OPTIONS", Origin="http://evil.example")
    assert preflight[0] == 405
    assert not [name for name in preflight[2] if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/resume", b""), ("/resume", b"{"), ("/resume", []), ("/resume", {"allow_refusals": -1}),
        ("/resume", {"allow_refusals": "1"}), ("/resume", {"allow_refusals": 1e30}), ("/resume", {"extra": 1}),
        ("/replay", {}), ("/replay", {"id": "-"}), ("/replay", {"id": "+"}), ("/replay", {"id": "1-1\n"}),
        ("/replay", {"id": "1-1", "reason": "rejected"}), ("/replay", {"reason": "nonsense"}),
        ("/replay", {"reason": "rejected", "limit": 0}), ("/replay", {"reason": "rejected", "limit": 1_000_001}),
        ("/retry", {"extra": 1}), ("/replay", b"[" * 4_000), ("/replay", b"\xff\xfe"),
    ],
)  # fmt: skip
async def test_nonsense_is_refused_with_a_reason(guarded: Running, path: str, body: object) -> None:
    code, found, _ = await ask(guarded, path, body, **bearer())
    assert code == 400
    assert found["error"]


async def test_wrong_paths_methods_and_sizes_are_refused(guarded: Running) -> None:
    for method, path, expected in (
        ("POST", "/", 405), ("PUT", "/status.json", 405), ("DELETE", "/letters.json", 405), ("OPTIONS", "/", 405),
        ("GET", "/resume", 405), ("GET", "/static/page.js", 404), ("GET", "/../config.py", 404),
        ("GET", "/%2e%2e/guard.py", 404), ("GET", "//", 404), ("HEAD", "/", 200), ("HEAD", "/status.json", 200),
    ):  # fmt: skip
        assert (await ask(guarded, path, method=method))[0] == expected, (method, path)
    assert (await ask(guarded, "/replay", b" " * 100_000, **bearer()))[0] == 413


async def test_guessing_the_token_is_slowed_down_for_everybody_and_logged(guarded: Running) -> None:
    with structlog.testing.capture_logs() as logged:
        for guess in ("wrong", "é", "😀", "x" * 3_000, "wrong again"):
            assert (await ask(guarded, "/letters.json", **bearer(guess)))[0] == 401
        code, _, headers = await ask(guarded, "/letters.json", **bearer())
    assert code == 429
    assert 0 < int(headers["Retry-After"]) <= 60
    assert [line["event"] for line in logged].count("wrong token on the admin address") == 5
    assert (await ask(guarded, "/status.json"))[0] == 200


PATHS = (
    "/", "/page.js", "/page.css", "/runbook", "/status.json", "/letters.json", "/metrics", "/livez", "/readyz",
    "/nowhere", "/resume",
)  # fmt: skip


@fault(
    "input",
    "a page of another site whose name resolves to this machine (DNS rebinding), on any path",
    "403: a name is answered only if it is in `FORWARDER_ADMIN_ALLOWED_HOSTS`",
    keeps=[5],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_on_every_path_a_name_that_is_not_known_is_refused(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, host: str
) -> None:
    """On loopback, and where a container listens: Compose publishes that port on loopback."""
    given = settings(
        redis_url, queue_name, api, admin_token=TOKEN, admin_host=host, admin_allowed_hosts="Shop.example, forwarder"
    )
    queue = Queue(redis_client, queue_name, 1)
    async with running(given) as service:
        await queue.write_halt(HaltRecord("misdirected", "", "", ""))
        for path in PATHS:
            found = await ask(service, path, Host="evil.example:80", **bearer())
            assert (found[0], "FORWARDER_ADMIN_ALLOWED_HOSTS" in found[1]) == (403, True), path
            assert found[2]["X-Content-Type-Options"] == "nosniff"
            assert "evil" not in str(found)
        assert (await ask(service, "/resume", {}, Host="evil.example", **bearer()))[0] == 403
        assert await queue.halt() is not None
        for name in ("localhost", "10.1.2.3:9464", "[::1]:9464", "shop.example", "forwarder:9464"):
            assert [(await ask(service, path, Host=name))[0] for path in ("/", "/livez", "/metrics")] == [200] * 3


async def test_a_frozen_redis_does_not_hold_up_the_page(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, api: Simulator
) -> None:
    server = own_redis(port=None)
    async with running(settings(server.url, queue_name, api)) as service:
        async with connect(server.url) as redis:
            await redis.rpush(queue_name, event("u", 1))
            await settled(redis, queue_name)
        await eventually(lambda: settled_on_page(service))
        took: list[float] = []
        os.kill(server.pid, signal.SIGSTOP)
        try:
            found = await eventually(lambda: stale(service, took), what="the page says that Redis is silent")
            assert "Redis answered last" in found["findings"][0]["detail"]
            assert found["lists"][0]["waiting"] == 0
            await eventually(lambda: says(service, "Redis is unavailable", took))
            # A second or two, and more on a busy machine; Redis' answer timeout would be five.
            assert max(took) < 4.5
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await eventually(lambda: says(service, "Idle", took), within=30.0)


async def test_old_counts_of_another_process_are_not_shown_as_new(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    """In a cluster of which a master is down, each process reads what was counted last while another one tries."""

    async def old() -> bool:
        now = time.time_ns() // 1_000
        key = QueueKeys(queue_name).counts
        await redis_client.hset(key, items=["at", now - 12_000_000, "until", now + 1_500_000])
        return any("were counted last 1" in each["detail"] for each in (await status(service))["findings"])

    async with running(settings(redis_url, queue_name, api)) as service:
        await eventually(lambda: settled_on_page(service))
        await eventually(old, what="the page says how old the counts are")


async def settled_on_page(service: Running) -> bool:
    return bool((await status(service))["now"]["waiting"] == 0)


async def timed(service: Running, took: list[float]) -> dict[str, Any]:
    """What the page shows; adds to `took` how long 30 pages waited that asked for it together."""
    begun = time.monotonic()
    found = (await asyncio.gather(*[status(service) for _ in range(30)]))[0]
    took.append(time.monotonic() - begun)
    return found


async def stale(service: Running, took: list[float]) -> dict[str, Any] | None:
    found = await timed(service, took)
    return found if found["findings"][0]["reason"] == "stale" else None


async def says(service: Running, title: str, took: list[float] | None = None) -> bool:
    found = await timed(service, [] if took is None else took)
    return bool(found["findings"][0]["title"] == title)


async def test_many_open_pages_ask_redis_no_more_than_one(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, api: Simulator
) -> None:
    server = own_redis(port=None)
    given = settings(server.url, queue_name, api, admin_token=TOKEN)
    async with running(given) as service, connect(server.url) as redis:
        await eventually(lambda: settled_on_page(service))
        before, begun = await commands(redis), time.monotonic()
        for _ in range(10):
            await asyncio.gather(*[ask(service, path, **bearer()) for path in ("/status.json", "/letters.json") * 15])
        # The worker asks a little by itself, the page a handful of commands for each second.
        assert await commands(redis) - before < 60 + 40 * (time.monotonic() - begun)


async def commands(redis: Redis) -> int:
    return int((await redis.info("stats"))["total_commands_processed"])


async def test_thousands_of_letters_are_counted_within_bounds(
    guarded: Running, redis_client: Redis, queue_name: str
) -> None:
    keys = Keys(queue_name)
    async with redis_client.pipeline(transaction=False) as pipe:
        for number in range(3_000):
            reason = "rejected" if number % 2 else HOSTILE
            pipe.xadd(keys.dead, {"element": b"{}", "reason": reason, "detail": HOSTILE})
        await pipe.execute()
    found = await eventually(lambda: counted(guarded))
    assert (found["kept"], found["exact"], len(found["latest"])) == (3_000, True, 20)
    assert (found["by_reason"]["rejected"], found["by_reason"]["other"]) == (1_500, 1_500)


async def test_elements_of_any_length_stay_in_redis(guarded: Running, redis_client: Redis, queue_name: str) -> None:
    for _ in range(4):
        letter = {"element": b"x" * 20_000_000, "reason": "invalid", "user_id": "u" * 1_000_000}
        await redis_client.xadd(Keys(queue_name).dead, letter)  # type: ignore[arg-type]
    found = await eventually(lambda: counted(guarded))
    assert (found["kept"], found["exact"], found["by_reason"]["invalid"], len(found["latest"])) == (4, True, 4, 1)
    assert [letter["bytes"] for letter in found["latest"]] == [20_000_000]
    _, shown, _ = await ask(guarded, "/letters.json", **bearer())
    assert len(json.dumps(shown)) < 20_000
    assert shown["letters"][0]["element"].endswith("x … cut here")


async def counted(service: Running) -> dict[str, Any] | None:
    found = (await status(service))["letters"]
    return found if found and found["latest"] else None


async def test_letters_that_cannot_be_read_leave_the_rest(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, api: Simulator
) -> None:
    server = own_redis(port=None)
    async with connect(server.url) as redis:
        await redis.execute_command("ACL", "SETUSER", "default", "-xrevrange")  # type: ignore[no-untyped-call]
        await redis.xadd(Keys(queue_name).dead, {"reason": "rejected"})
    async with running(settings(server.url, queue_name, api)) as service:
        found = await eventually(lambda: problem(service))
        assert re.search(r"(?i)permission|can't run this command", found["letters"]["problem"])
        assert found["state"] == "delivering"
        assert (found["now"]["waiting"], found["letters"]["kept"]) == (0, 1)


async def test_a_letter_that_somebody_wrote_by_hand_does_not_hide_the_others(
    guarded: Running, redis_client: Redis, queue_name: str
) -> None:
    for number in (b"yesterday", b"9" * 30, b"-1", b"", "٣".encode()):
        await redis_client.xadd(Keys(queue_name).dead, {"claimed_at": number, "attempts": number})
    found = await eventually(lambda: counted(guarded))
    assert [letter["claimed_at"] for letter in found["latest"]] == ["1970-01-01T00:00:00Z"] * 5


async def problem(service: Running) -> dict[str, Any] | None:
    found = await status(service)
    return found if found["letters"] and found["letters"]["problem"] else None


async def test_a_standby_says_so_and_shows_the_list(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    given = settings(redis_url, queue_name, api)
    async with running(given) as first:
        await eventually(lambda: says(first, "Idle: nothing has been pushed yet"))
        async with running(given) as second:
            await eventually(lambda: says(second, "Standing by"))
            (shard,) = (await status(second))["lists"]
            assert shard["owner"] == f"{socket.gethostname()}:{os.getpid()}"
            await eventually(lambda: works(second, "idle", "standing by"))


async def works(service: Running, *states: str) -> bool:
    return sorted(each["state"] for each in (await status(service))["workers"]) == [*states]


async def test_several_lists_are_shown_and_replayed_each_and_together(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    async with running(settings(redis_url, queue_name, api, shards=3, admin_token=TOKEN)) as service:
        for shard in range(3):
            keys = Keys(queue_name, shard, of=3)
            letter = {"element": event(f"user-{shard}", shard), "reason": "rejected"}
            # The same id in every list: an id names a letter in its list only.
            await redis_client.xadd(keys.dead, letter, id="1-1")  # type: ignore[arg-type]
        found = await eventually(lambda: of_three(service))
        assert [(row["list"], row["alive"]) for row in found["lists"]] == [(f"{n}", True) for n in range(3)]
        assert sorted(letter["id"] for letter in found["letters"]["latest"]) == ["0/1-1", "1/1-1", "2/1-1"]
        assert found["letters"]["by_reason"]["rejected"] == 3
        one = await ask(service, "/replay", {"id": "2/1-1"}, **bearer())
        assert one[1] == {"done": "1 dead letter replayed."}
        await eventually(lambda: api.ledger.users() == ["user-2"])
        nowhere = await ask(service, "/replay", {"id": "3/1-1"}, **bearer())
        assert nowhere[1] == {"done": "No such dead letter: it may have been replayed or deleted."}
        some = await ask(service, "/replay", {"reason": "rejected", "limit": 1}, **bearer())
        assert some[1] == {"done": "1 dead letter replayed."}
        rest = await ask(service, "/replay", {"reason": "rejected"}, **bearer())
        assert rest[1] == {"done": "1 dead letter replayed."}
        await eventually(lambda: sorted(api.ledger.users()) == ["user-0", "user-1", "user-2"])


async def of_three(service: Running) -> dict[str, Any] | None:
    found = await status(service)
    owned = all(row["alive"] for row in found["lists"])
    return found if owned and found["letters"] and len(found["letters"]["latest"]) == 3 else None


async def test_what_was_done_is_logged_and_the_token_is_not(
    guarded: Running, redis_client: Redis, queue_name: str
) -> None:
    await Queue(redis_client, queue_name, 1).write_halt(HaltRecord("misdirected", "", "", ""))
    with structlog.testing.capture_logs() as logged:
        assert (await ask(guarded, "/resume", {"allow_refusals": 7}, **bearer()))[0] == 200
    assert {"event": "resumed from the status page", "reason": "misdirected", "allow_refusals": 7}.items() <= next(
        line for line in logged if "resumed" in line["event"]
    ).items()
    assert TOKEN not in str(logged)
    for path in ("/", "/status.json", "/readyz", "/metrics"):
        assert TOKEN not in str((await ask(guarded, path))[1])


@pytest.mark.long
async def test_a_redis_that_was_emptied_does_not_look_like_one_that_was_never_used(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, api: Simulator
) -> None:
    server = own_redis(port=None)
    async with running(settings(server.url, queue_name, api)) as service, connect(server.url) as redis:
        await redis.rpush(queue_name, event("u", 1))
        await settled(redis, queue_name)

        async def counted() -> bool:
            return any((await status(service))["history"]["accepted"])

        await eventually(counted, what="a sample has seen it")
        await redis.flushall()
        await eventually(lambda: says(service, "Redis has lost data"))
