"""`forwarder dead ...` as a person or a script meets it."""

import asyncio
import json
import os
import pty
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.keys import Keys
from forwarder.queue.letters import ListLetters
from forwarder.simulator import Faults, Refusal, Simulator
from tests.support.letters import bury, letters_of, written
from tests.support.processes import Fork
from tests.support.service import WorkerProcess, census, command, environment, event, settings, settled

Start = Callable[[Settings], WorkerProcess]


async def test_dead_letters_are_listed_shown_and_replayed_with_the_date_of_their_claim(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    api.faults = Faults(refuse=[Refusal(name="bad")])
    undated = b'{"user_id":"u","name":"bad","n":0}'
    await redis_client.rpush(queue_name, undated, event("v", 1), b"\xff")
    given = settings(redis_url, queue_name, api)
    worker(given)
    await settled(redis_client, queue_name)
    code, out, _ = await command("dead", "list", "--json", environment=environment(given))
    first, second = sorted((json.loads(line) for line in out.splitlines()), key=lambda found: found["reason"])
    assert (code, first["reason"], second["reason"]) == (0, "invalid", "rejected")
    code, out, _ = await command("dead", "list", "--reason", "rejected", environment=environment(given))
    assert (code, "rejected" in out, "invalid" in out) == (0, True, False)
    code, out, _ = await command("dead", "show", second["id"], "--json", environment=environment(given))
    assert (code, json.loads(out)["element"]) == (0, undated.decode())
    code, _, err = await command("dead", "show", "1-1", environment=environment(given))
    assert (code, "no dead letter 1-1" in err) == (1, True)

    arguments = ("dead", "replay", "--reason", "rejected", "--yes")
    code, out, _ = await command(*arguments, "--dry-run", environment=environment(given))
    assert (code, "would replay 1" in out) == (0, True)
    assert (await census(redis_client, queue_name)).replayed == 0
    api.faults = Faults()
    code, out, _ = await command(*arguments, environment=environment(given))
    assert (code, "replayed 1 " in out) == (0, True)
    await settled(redis_client, queue_name)
    (sent,) = api.ledger.events("u")
    assert json.loads(sent)["date"] == second["claimed_at"]
    assert [e.reason async for e in ListLetters(redis_client, Keys(queue_name)).all()] == ["invalid"]


async def test_dead_letters_are_exported_as_lines_that_push_takes_and_deleted_when_confirmed(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start, tmp_path: Path
) -> None:
    api.faults = Faults(refuse=[Refusal(name="bad")])
    undated, spread = b'{"user_id":"u","name":"bad","n":0}', b'{"user_id":"v",\r\n "name":"bad","n":1}\n'
    await redis_client.rpush(queue_name, undated, spread, b"\xff")
    given = settings(redis_url, queue_name, api)
    worker(given)
    await settled(redis_client, queue_name)
    code, out, err = await command("dead", "export", "--all", environment=environment(given))
    assert (code, len(out.splitlines()), "left out: not UTF-8" in err) == (1, 2, True)
    (tmp_path / "bad.ndjson").write_text(out)
    code, out, err = await command("dead", "export", "1-1", environment=environment(given))
    assert (code, out, "match no dead letter" in err) == (1, "", True)

    rejected = ("dead", "delete", "--reason", "rejected")
    code, out, _ = await command(*rejected, "--dry-run", environment=environment(given))
    assert (code, "would delete 2 dead letters" in out) == (0, True)
    code, _, err = await command(*rejected, environment=environment(given))
    assert (code, "Delete for good 2 dead letters (2 rejected)?" in err) == (64, True), "nobody has said yes"
    assert (await census(redis_client, queue_name)).letters == 3
    code, out, _ = await command(*rejected, "--yes", environment=environment(given))
    assert (code, "deleted 2 dead letters" in out) == (0, True)
    now = await census(redis_client, queue_name)
    assert (now.letters, now.deleted, any(now.imbalances.values())) == (1, 2, False)

    api.faults = Faults()
    code, _, _ = await command("push", str(tmp_path / "bad.ndjson"), environment=environment(given))
    assert code == 0
    await settled(redis_client, queue_name)
    sent = [json.loads(api.ledger.events(user)[0]) for user in ("u", "v")]
    assert [each["n"] for each in sent] == [0, 1]
    assert all("date" in each for each in sent), "the one of the first claim"


def given(redis_url: str, queue_name: str) -> dict[str, str]:
    return {"FORWARDER_REDIS_URL": redis_url, "FORWARDER_QUEUE": queue_name}


async def at_a_terminal(*arguments: str, environment: Mapping[str, str], answer: str = "") -> tuple[int, str]:
    """Runs `forwarder ...` where a person sits: exit code, and what the terminal showed."""
    ours, theirs = pty.openpty()
    everything = {**os.environ, "TERM": "xterm", "COLUMNS": "120", **environment}
    process = Fork(arguments, everything, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    if answer:
        os.write(ours, answer.encode() + b"\n")
    shown = b""

    def read() -> None:
        nonlocal shown
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # Linux' way of saying that nobody has the other end open any more
                return
            if not piece:
                return
            shown += piece

    await asyncio.wait_for(asyncio.to_thread(read), 60)
    os.close(ours)
    return await process.ended(), shown.decode()


@pytest.mark.parametrize("arguments", [("replay", "--all"), ("delete", "--limit", "1"), ("show", "x")])
async def test_what_is_not_clear_or_not_agreed_to_ends_with_64_and_changes_nothing(
    redis_url: str, redis_client: Redis, queue_name: str, arguments: tuple[str, ...]
) -> None:
    before = await bury(redis_client, queue_name, [event("u", 1)], ["u"])
    code, out, err = await command("dead", *arguments, environment=given(redis_url, queue_name))
    assert (code, out, len(err.splitlines())) == (64, "", 1), err
    assert err.startswith("forwarder: ")
    assert await letters_of(redis_client, queue_name) == before


async def test_a_person_is_asked_and_only_yes_is_yes(redis_url: str, redis_client: Redis, queue_name: str) -> None:
    await bury(redis_client, queue_name, [event("u", n) for n in range(3)], ["u"] * 3)
    where = given(redis_url, queue_name)
    code, shown = await at_a_terminal("dead", "replay", "--all", environment=where, answer="n")
    assert (code, "Replay 3 dead letters (3 rejected)?" in shown) == (1, True), shown
    assert len(await letters_of(redis_client, queue_name)) == 3
    code, shown = await at_a_terminal("dead", "delete", "--limit", "1", environment=where, answer="y")
    assert (code, "deleted 1 dead letter" in shown) == (0, True), shown
    code, shown = await at_a_terminal("dead", "replay", "--all", environment=where, answer="y")
    assert (code, "replayed 2 dead letters" in shown) == (0, True), shown


async def test_a_terminal_shows_how_far_it_is_and_nothing_else_does(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    where = given(redis_url, queue_name)
    for run in (command, at_a_terminal):
        await bury(redis_client, queue_name, [event("u", n) for n in range(4)], ["u"] * 4)
        code, *shown = await run("dead", "replay", "--all", "--yes", "--rate", "8", environment=where)
        assert code == 0
        assert ("replaying" in "".join(shown)) == (run is at_a_terminal), shown
        await redis_client.delete(queue_name)


async def test_show_says_what_is_likely_wrong_and_how_to_see_it(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    bad, broken = event("u/1", 1, x="it's\x1b[31m"), b'{"userId":"\\u001b[31m"}'
    (letter,) = await bury(redis_client, queue_name, [bad], ["u/1"])
    await redis_client.xadd(
        Keys(queue_name).dead, {"element": broken, "reason": "invalid", "detail": "user_id: missing"}
    )
    _, none = await letters_of(redis_client, queue_name)
    where = {**given(redis_url, queue_name), "FORWARDER_API_KEY": "s3cr3t"}
    code, out, _ = await command("dead", "show", letter.id, environment=where)
    assert code == 0
    assert "Likely because" in out
    assert "`x` contains control characters" in out
    assert "curl -i --http1.1 https://api.carnivalmobile.com/v6/users/u%2F1/events \\\n" in out
    assert """it'"'"'s""" in out
    assert "s3cr3t" not in out
    code, out, _ = await command("dead", "show", letter.id, "--json", environment=where)
    found = json.loads(out)
    assert found["curl"].startswith("curl -i")
    assert found["explanation"].startswith("The API answered 400")
    assert (found["name"], found["element"]) == ("test", bad.decode())
    code, out, _ = await command("dead", "show", none.id, environment=where)
    assert (code, "Should `userId` be called `user_id`?" in out, "It cannot be sent at all" in out) == (
        0,
        True,
        True,
    )
    code, out, _ = await command("dead", "show", none.id, "--json", environment=where)
    assert (code, json.loads(out)["curl"]) == (0, None)


async def test_a_replay_tells_a_script_what_it_did(redis_url: str, redis_client: Redis, queue_name: str) -> None:
    first, second = await bury(redis_client, queue_name, [event("u", 1), b"{}"], ["u", ""])
    where = given(redis_url, queue_name)
    arguments = ("dead", "replay", first.id, second.id, "7-7", "--yes", "--json", "--set", "name=new")
    code, out, _ = await command(*arguments, environment=where)
    assert code == 1
    kept = [{"id": second.id, "why": "user_id: missing"}]
    assert json.loads(out) == {
        "replayed": 1,
        "kept": kept,
        "taken": 0,
        "left": 0,
        "missing": 1,
        "dry_run": False,
        "left_out": {},
        "canary": None,
    }
    code, out, _ = await command("dead", "delete", "--all", "--yes", "--json", environment=where)
    assert (code, json.loads(out)) == (0, {"deleted": 1, "missing": 0, "dry_run": False})


async def test_a_dry_run_with_a_program_shows_what_it_would_push(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    await bury(redis_client, queue_name, [event("u", 1)], ["u"])
    where = given(redis_url, queue_name)
    arguments = ("dead", "replay", "--all", "--dry-run", "--program")
    code, out, _ = await command(*arguments, "sed s/test/mended/", environment=where)
    assert (code, "would replay 1" in out, '"name": "mended"' in out) == (0, True, True)
    code, _, err = await command(*arguments, "no-such-program", environment=where)
    assert (code, "cannot run 'no-such-program'" in err) == (1, True)
    code, _, err = await command(*arguments, "true", environment=where)
    assert (code, "stays: the program wrote nothing" in err) == (1, True)
    assert len(await letters_of(redis_client, queue_name)) == 1


async def test_a_canary_that_is_refused_again_stops_the_command_with_exit_1(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator, worker: Start
) -> None:
    elements = [event(f"u{n}", n, name="bad" if n == 1 else "good") for n in range(8)]
    before = await bury(redis_client, queue_name, elements, [f"u{n}" for n in range(8)])
    api.faults = Faults(refuse=[Refusal(name="bad")])
    where = settings(redis_url, queue_name, api)
    worker(where)
    arguments = ("dead", "replay", "--all", "--yes", "--canary", "3")
    code, out, err = await command(*arguments, environment=environment(where))
    assert (code, "replayed 3 dead letters" in out, "5 dead letters not tried" in err) == (1, True, True)
    assert f"(rejected: the API answered 400), which was {before[1].id}" in err
    api.faults = Faults()
    code, out, _ = await command(*arguments, "--json", environment=environment(where))
    found = json.loads(out)
    assert (code, found["replayed"], found["left"]) == (0, 6, 0)
    assert found["canary"] == {"sent": 3, "well": True, "refused": [], "stopped": ""}
    await settled(redis_client, queue_name)
    assert api.ledger.accepted_events == 8


async def test_a_redis_that_goes_away_in_the_middle_is_told_with_how_far_it_came(
    own_redis: Callable[..., EmbeddedRedis], queue_name: str
) -> None:
    server = own_redis(port=None, appendonly=True)
    async with Redis.from_url(server.url) as redis:
        elements = [event("u", n) for n in range(500)]
        await written(redis, queue_name, elements, ["u"] * 500)
        where = given(server.url, queue_name)
        running = asyncio.create_task(command("dead", "replay", "--all", "--yes", "--rate", "100", environment=where))
        while not await redis.exists(queue_name):
            assert not running.done()
        server.kill()
    code, _, err = await running
    assert (code, "Nothing is lost or pushed twice. To continue, run the same command again" in err) == (1, True), err
    server.start()
    async with Redis.from_url(server.url) as redis:
        assert (await census(redis, queue_name)).letters > 0
        assert (await command("dead", "replay", "--all", "--yes", environment=where))[0] == 0
        assert await redis.lrange(queue_name, 0, -1) == elements


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
async def test_an_export_that_cannot_be_written_says_so(redis_url: str, redis_client: Redis, queue_name: str) -> None:
    await bury(redis_client, queue_name, [event("u", 1)], ["u"])
    with Path("/dev/full").open("wb") as full:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "forwarder", "dead", "export", "--all"),
            env={**os.environ, **given(redis_url, queue_name)},
            stdout=full,
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err.splitlines()) == (
        1,
        [b"forwarder: cannot write to standard output: No space left on device"],
    )


async def with_groups(redis: Redis, queue: str) -> None:
    """Four refused events of two names, with a long one, and two invalid elements, which are the newest letters."""
    names = ("purchase", "purchase", "newsletter signup confirmed by double opt-in", "purchase")
    elements = [event(f"customer-{n:06}", n, name=name, amount=None) for n, name in enumerate(names)]
    await bury(redis, queue, elements, [f"customer-{n:06}" for n in range(4)])
    await bury(redis, queue, [b'{"userId":"u","name":"x"}'] * 2, [""] * 2, reason="invalid")


async def test_the_summary_has_a_cause_and_the_next_command_for_each_group_on_every_terminal(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    await with_groups(redis_client, queue_name)
    where = given(redis_url, queue_name)
    code, out, _ = await command("dead", "summary", "--json", environment=where)
    found = json.loads(out)
    assert (code, found["kept"], found["by_reason"]["rejected"], found["by_reason"]["invalid"]) == (0, 6, 4, 2)
    assert [(each["name"], each["count"]) for each in found["groups"]] == [("purchase", 3), (None, 2), (NEWSLETTER, 1)]
    _, out, _ = await command("status", "--json", environment=where)
    assert json.loads(out)["letters_by_reason"] == {"rejected": 4, "invalid": 2}
    listing = found["groups"][2]["command"]
    _, out, _ = await command("dead", "summary", environment=where)
    assert {listing, "1  rejected 400  newsletter signup confirmed by double opt-in"} <= set(
        map(str.strip, out.splitlines())
    )
    for columns in (60, 80):
        code, shown = await at_a_terminal("dead", "summary", environment={**where, "COLUMNS": f"{columns}"})
        lines = plain(shown)
        assert (code, max(map(len, lines)) <= columns) == (0, True), lines
        assert not [line for line in lines if line.endswith("…")]
        assert listing in " ".join(line.strip() for line in lines).replace(" \\ ", " "), (
            "to be copied with its backslashes"
        )


NEWSLETTER = "newsletter signup confirmed by double opt-in"


def plain(shown: str) -> list[str]:
    """The lines that stay on a terminal, without colours and without the bar that was there for a moment."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "\n")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("counting")]


async def test_a_list_has_aligned_columns_and_says_of_how_many_letters_it_is(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    await with_groups(redis_client, queue_name)
    where = given(redis_url, queue_name)
    newest = [each.id for each in await letters_of(redis_client, queue_name)][::-1]
    for columns in (60, 80, 200):
        arguments = ("dead", "list", "--newest", "--limit", "4")
        code, shown = await at_a_terminal(*arguments, environment={**where, "COLUMNS": f"{columns}"})
        head, *rows, last = plain(shown)
        assert (code, head.split()[:5], last) == (0, ["ID", "AGE", "REASON", "USER", "NAME"], "4 of 6 dead letters")
        assert [row.split()[0] for row in rows] == newest[:4]
        assert max(map(len, (head, *rows))) <= columns
        assert {row[head.index("REASON") :].split()[0] for row in rows} == {"invalid", "rejected"}
        assert {row[head.index("NAME") :][:8].strip() for row in rows} == {"x", "purchase", "newslett"}
    code, out, _ = await command("dead", "list", "--limit", "1", "--name", "purchase", environment=where)
    assert (code, out.splitlines()[-1]) == (0, "1 of 3 dead letters")
    assert "the API answered 400" in out
    code, out, _ = await command("dead", "list", "--limit", "1", "--user", "customer-000001", environment=where)
    assert out.splitlines()[-1] == "1 dead letter, and perhaps more that match"


async def test_invalid_letters_are_replayed_unchanged_only_if_somebody_insists(
    redis_url: str, redis_client: Redis, queue_name: str
) -> None:
    await with_groups(redis_client, queue_name)
    where = given(redis_url, queue_name)
    comes_back = "They are invalid: unchanged they come back. Edit them with --set or --program."
    invalid = ("dead", "replay", "--reason", "invalid")
    code, _, err = await command(*invalid, environment=where)
    assert (code, comes_back in err, "add --yes or --dry-run" in err) == (64, True, True)
    code, shown = await at_a_terminal(*invalid, environment=where, answer="n")
    assert (code, comes_back in " ".join(plain(shown))) == (1, True)
    code, out, _ = await command("dead", "replay", "--all", "--yes", "--json", environment=where)
    assert (code, json.loads(out)["replayed"], json.loads(out)["left_out"]) == (0, 4, {"invalid": 2})
    code, out, _ = await command("dead", "replay", "--all", "--yes", environment=where)
    assert (code, "left out: 2 invalid; to replay them anyway, add --reason invalid" in out) == (0, True)
    code, _, err = await command(*invalid, "--set", "user_id=u", "--limit", "1", environment=where)
    assert (code, comes_back in err, "Replay 1 dead letter" in err) == (64, False, True)
    code, out, _ = await command(
        "dead", "replay", "--all", "--set", "user_id=u", "--limit", "1", "--yes", environment=where
    )
    assert (code, "replayed 1 dead letter" in out) == (0, True), "edited, they need not be asked for"
    code, out, _ = await command(*invalid, "--yes", environment=where)
    assert (code, "replayed 1 dead letter" in out) == (0, True)
