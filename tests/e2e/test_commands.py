"""The command line as a person or a script meets it: output, exit codes, and clear words for what is wrong."""

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.keys import Keys
from forwarder.simulator import Simulator
from tests.support.faults import fault
from tests.support.service import (
    KEY,
    WorkerProcess,
    census,
    command,
    environment,
    event,
    eventually,
    fetch,
    free_port,
    fresh_command,
    settings,
    settled,
)

Start = Callable[..., WorkerProcess]


async def test_wrong_settings_are_all_named_one_a_line_with_exit_78() -> None:
    wrong = {
        "FORWARDER_LEASE_TTL": "5",
        "FORWARDER_MAX_ATEMPTS": "3",
        "FORWARDER_API_URL": "ftp://x",
        "FORWARDER_QUEUE": "a b",
    }
    code, out, err = await command("run", environment=wrong)
    assert (code, out) == (78, "")
    lines = err.splitlines()
    assert len(lines) == 4, lines
    assert all(any(name in line for line in lines) for name in wrong)
    assert "did you mean FORWARDER_MAX_ATTEMPTS" in err


async def test_a_missing_key_is_named_with_exit_78() -> None:
    code, _, err = await command("run", environment={})
    assert (code, "FORWARDER_API_KEY" in err) == (78, True)


@pytest.mark.parametrize("name", ["run", "check"])
async def test_a_file_of_certificates_that_is_not_there_is_named_with_exit_78(name: str) -> None:
    given = {"FORWARDER_API_KEY": "a-key", "FORWARDER_API_CA_FILE": "/no/such/ca.pem"}
    code, out, err = await command(name, environment=given)
    said = "cannot read /no/such/ca.pem: No such file or directory; example: /etc/ssl/inspecting-ca.pem"
    assert (code, out, err) == (78, "", f"forwarder: FORWARDER_API_CA_FILE: {said}\n")


async def test_a_secret_in_a_wrong_setting_does_not_show() -> None:
    code, out, err = await command(
        "run", environment={"FORWARDER_REDIS_URL": "http://:s3cr3t@h", "FORWARDER_API_KEY": KEY}
    )
    assert code == 78
    assert "FORWARDER_REDIS_URL" in err
    assert "s3cr3t" not in out + err
    assert KEY not in out + err


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("push", "a", "b"), ("dead", "replay"), ("resume", "--allow-refusals", "-1")]
)
async def test_wrong_usage_ends_with_64(arguments: tuple[str, ...]) -> None:
    code, _, err = await command(*arguments, environment={})
    assert (code, err.startswith("forwarder: ")) == (64, True), err


async def test_help_and_version_name_no_secret() -> None:
    code, out, _ = await fresh_command("--help", environment={"FORWARDER_API_KEY": KEY})
    assert (code, "push" in out, KEY in out) == (0, True, False)
    code, out, _ = await fresh_command("--version", environment={})
    assert (code, out.startswith("forwarder ")) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "exit_code"), [(("status",), 78), (("audit",), 78), (("run",), 78), (("check",), 1)]
)
async def test_a_key_that_holds_something_else_is_named(
    arguments: tuple[str, ...], exit_code: int, redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    key = f"{{{queue_name}}}:sequence"
    await redis_client.set(key, "many")
    given = {"FORWARDER_REDIS_URL": redis_url, "FORWARDER_QUEUE": queue_name, "FORWARDER_API_KEY": KEY}
    others = {"FORWARDER_API_URL": "http://127.0.0.1:9", "FORWARDER_ADMIN_PORT": "0"}
    code, out, err = await command(*arguments, environment=given | others)
    assert (code, key in out + err, "Traceback" in err) == (exit_code, True, False), out + err


@pytest.mark.parametrize("arguments", [("status",), ("audit",), ("push",), ("dead", "list")])
async def test_a_command_that_asks_redis_loads_neither_http_nor_the_log_nor_metrics(
    arguments: tuple[str, ...], redis_url: str, queue_name: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "forwarder", *arguments),
        env={**os.environ, "FORWARDER_REDIS_URL": redis_url, "FORWARDER_QUEUE": queue_name},
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(), 60)
    loaded = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
    assert process.returncode == 0
    assert {"redis", "forwarder.queue"} <= loaded
    assert not loaded & {"aiohttp", "prometheus_client", "structlog", "typer.rich_utils", "forwarder.service"}


async def test_wrong_lines_are_named_and_skipped(redis_url: str, redis_client: Redis, queue_name: str) -> None:
    lines = [event("u", 1), b"", b"nonsense", b'{"user_id":"u"}', event("u", 2), b"[%b]" % event("u", 3)]
    given = {"FORWARDER_REDIS_URL": redis_url, "FORWARDER_QUEUE": queue_name}
    code, out, err = await command("push", environment=given, stdin=b"\n".join(lines))
    assert code == 1
    assert [line.split(": ", 1)[1] for line in err.splitlines()][1] == "line 4: name: missing"
    assert "line 3: not JSON" in err
    assert "line 6: not an object; is the file an array? Split it: jq -c '.[]' FILE | forwarder push" in err
    assert "pushed 2 events" in out
    assert "skipped 3" in out
    assert await redis_client.lrange(queue_name, 0, -1) == [lines[0], lines[4]]


async def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    code, _, err = await command("push", str(tmp_path / "nowhere"), environment={})
    assert (code, "cannot read" in err) == (78, True)


async def test_a_push_with_another_number_of_shards_is_a_matter_of_configuration(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    await redis_client.set(f"{{{queue_name}}}:shards", "4")
    given = {"FORWARDER_REDIS_URL": redis_url, "FORWARDER_QUEUE": queue_name}
    code, out, err = await command("push", "-", environment=given, stdin=event("u", 1))
    assert (code, out, err.count("\n")) == (78, "", 1)
    assert "says 4: set shards=4 (FORWARDER_SHARDS), as for the workers" in err
    assert await redis_client.exists(queue_name) == 0


async def test_a_redis_that_refuses_the_password_is_said_with_the_setting(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str
) -> None:
    server = own_redis(port=None, arguments=["--requirepass", "the-right-one"])
    locked, wrong = server.url, server.url.replace("redis://", "redis://:a-wrong-one@")
    remedy = "Set the present password in FORWARDER_REDIS_URL and restart the service, or restore the old password"
    said = {
        locked: f"Redis asks for a password: Authentication required. {remedy}",
        wrong: f"Redis refused the password: invalid username-password pair or user is disabled. {remedy}",
    }
    for url, line in said.items():
        given = {"FORWARDER_REDIS_URL": url, "FORWARDER_QUEUE": queue_name}
        assert await command("status", environment=given) == (1, "", f"forwarder: {line}\n")


async def test_redis_that_is_gone_is_an_error_for_commands_and_only_a_delay_for_the_worker(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str, api: Simulator, worker: Start
) -> None:
    server = own_redis(port=None, appendonly=True)
    given = settings(server.url, queue_name, api)
    server.kill()
    began = time.monotonic()
    code, out, err = await command("status", "--json", environment=environment(given))
    assert time.monotonic() - began < 4, "a refused connection is said soon"
    where = server.url.removeprefix("redis://").removesuffix("/0")
    said = f"forwarder: Redis at {where} refused the connection. Is it running? (FORWARDER_REDIS_URL)\n"
    assert (code, json.loads(out)["findings"][0]["reason"], err) == (1, "redis", said)
    process = worker(given)
    admin = await process.admin()
    await eventually(lambda: any("Redis is unavailable" in str(line.get("event")) for line in process.lines()))
    status, text = await fetch(admin + "/readyz")
    assert (status, json.loads(text)["reason"]) == (503, "redis")
    assert (await fetch(admin + "/livez"))[0] == 200
    server.restart()
    async with Redis.from_url(server.url) as redis:
        await redis.rpush(queue_name, event("u", 1))
        await settled(redis, queue_name)
    assert (await fetch(admin + "/readyz"))[0] == 200
    assert await command("retry", environment=environment(given)) == (0, "1 worker tries now.\n", "")
    code, out, _ = await command("retry", "--json", environment=environment(given))
    assert (code, json.loads(out)) == (0, {"workers": 1, "standing_by": 0, "halted": 0, "halt": None})


@pytest.mark.parametrize("name", ["list", "claimed", "lease", "sequence", "dead"])
async def test_a_key_of_the_wrong_type_is_named_with_exit_78(
    name: str, redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    key = getattr(Keys(queue_name), name)
    await redis_client.zadd(key, {"x": 1})
    code, _, err = await command("run", environment=environment(settings(redis_url, queue_name, api)))
    assert (code, repr(key) in err) == (78, True), err


@fault(
    "machine", "the port of the admin address is taken", "one clear line, and exit 1; nothing is touched", keeps=(1,)
)
async def test_a_port_in_use_is_said_so_with_exit_1(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await redis_client.rpush(queue_name, event("u", 1))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        given = settings(redis_url, queue_name, api, admin_port=port)
        code, _, err = await command("run", environment=environment(given))
    assert (code, f"127.0.0.1:{port}" in err) == (1, True), err
    assert (await census(redis_client, queue_name)).waiting == 1


async def test_a_halt_with_on_halt_exit_ends_with_77(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await redis_client.rpush(queue_name, event("u", 1))
    given = environment(settings(redis_url, queue_name, api, api_key="wrong", on_halt="exit"))
    code, _, err = await command("run", environment=given)
    assert (code, "credentials" in err) == (77, True)
    code, out, _ = await command("status", environment=given)
    assert (code, "Halted: the API refuses the key" in out) == (77, True)
    code, out, _ = await command("status", "--json", environment=given)
    assert (code, json.loads(out)["halt"]["reason"]) == (77, "credentials")
    code, out, _ = await command("retry", environment=given)
    assert (code, "halted (credentials)" in out, "`forwarder resume`" in out) == (77, True, True)
    code, out, _ = await command("retry", "--json", environment=given)
    assert (code, json.loads(out)) == (77, {"workers": 0, "standing_by": 0, "halted": 0, "halt": "credentials"})
    code, out, _ = await command("resume", environment=given)
    assert (code, "credentials" in out) == (0, True)
    code, out, _ = await command("retry", environment=given)
    assert (code, "`forwarder run`" in out) == (1, True)
    code, out, _ = await command("resume", environment=given)
    assert (code, "The service was neither halted nor paused." in out) == (0, True)


async def test_status_and_check_on_a_sound_system(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    await redis_client.rpush(queue_name, event("u", 1))
    given = environment(settings(redis_url, queue_name, api))
    code, out, _ = await command("status", "--json", environment=given)
    found = json.loads(out)
    assert (code, found["waiting"], found["lists"][0]["owner"], found["balanced"]) == (0, 1, None, True)
    code, out, _ = await command("check", "--json", environment=given)
    assert code == 0
    grades = {finding["what"]: finding["grade"] for finding in json.loads(out)}
    assert (grades["api"], grades["redis"], grades["persistence"]) == ("ok", "ok", "warning")
    assert "address" not in grades, "what goes to this machine goes over no network"
    assert api.ledger.accepted_events == 0


async def test_check_warns_of_an_api_address_without_tls_and_of_a_short_stop(
    redis_url: str, queue_name: str, api: Simulator
) -> None:
    url = "http://forwarder-test.invalid"
    given = environment(settings(redis_url, queue_name, api, api_url=url, shutdown_timeout=1.0))
    code, out, _ = await command("check", environment=given)
    assert code == 1, "nobody answers there"
    assert "address: http://forwarder-test.invalid is not https" in out
    assert "settings: FORWARDER_SHUTDOWN_TIMEOUT: 1 is less than FORWARDER_REQUEST_TIMEOUT (2 s)" in out


async def test_check_send_as_needs_no_redis_and_ends_with_1_unless_the_event_is_registered(
    queue_name: str, api: Simulator
) -> None:
    given = environment(settings(f"redis://127.0.0.1:{free_port()}/0", queue_name, api))
    code, out, _ = await command("check", "--send-as", "u-test", "--json", environment=given)
    assert (code, json.loads(out)["accepted"], json.loads(out)["proxy"]) == (0, True, None)
    api.api_key = "another"
    code, out, _ = await command("check", "--send-as", "u-test", environment=given)
    way, event_line = out.splitlines()
    assert (code, way.startswith(f"ok      way: to {api.url}/v6 directly, with the key ")) == (1, True)
    assert event_line.startswith("failure event: forwarder-check of 20")
    assert " as u-test: 401 after " in event_line


async def test_audit_says_by_how_much_the_sums_are_off(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    await redis_client.rpush(queue_name, event("u", 1), event("u", 2), b"nonsense")
    given = settings(redis_url, queue_name, api)
    process = worker(given)
    await settled(redis_client, queue_name)
    code, out, _ = await command("audit", environment=environment(given))
    assert (code, out.count("✔"), "3 events pushed" in out) == (0, 2, True)
    await redis_client.incrby(Keys(queue_name).accepted, 5)
    code, out, _ = await command("audit", environment=environment(given))
    assert (code, f"sequence = accepted + dead_lettered + claimed: {queue_name} off by -5" in out) == (1, True)
    code, out, _ = await command("audit", "--json", environment=environment(given))
    assert (code, sorted(json.loads(out)["imbalances"].values())) == (1, [-5, 0])
    admin = await process.admin()

    async def told() -> bool:
        return "forwarder_imbalance_events 5.0" in (await fetch(admin + "/metrics"))[1]

    await eventually(told)
