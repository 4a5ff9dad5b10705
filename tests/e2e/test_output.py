"""No command ends in a traceback because of where its output goes: to a full disk, to nobody, to an old terminal."""

import asyncio
import fcntl
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.commands import commands
from tests.support.faults import fault
from tests.support.letters import bury, written
from tests.support.processes import Fork
from tests.support.service import environment, event
from tests.support.world import World

#: Each command in forms that print to standard output; LETTER and FILE are replaced.
CALLS = {
    "forwarder run": ["run"],
    "forwarder push": ["push FILE"],
    "forwarder status": ["status", "status --json"],
    "forwarder check": ["check", "check --json"],
    "forwarder audit": ["audit", "audit --json"],
    "forwarder pause": ["pause", "pause --json"],
    "forwarder resume": ["resume"],
    "forwarder retry": ["retry", "retry --json"],
    "forwarder dead summary": ["dead summary", "dead summary --json"],
    "forwarder dead list": ["dead list", "dead list --json"],
    "forwarder dead show": ["dead show LETTER", "dead show LETTER --json"],
    "forwarder dead replay": ["dead replay --all --dry-run", "dead replay --all --dry-run --json"],
    "forwarder dead export": ["dead export --all"],
    "forwarder dead delete": ["dead delete --all --dry-run", "dead delete --all --dry-run --json"],
    "forwarder reshard": ["reshard 2 --move --dry-run"],
    "forwarder simulate": ["simulate --port 0 --until-stdin-ends"],
    "forwarder demo": ["demo --events 5"],
}
HELP = ["--help", "--version", "dead --help", "push --help"]
#: It has no API key: it ends with a line on standard error, and writes nothing to standard output.
SILENT = "run"
#: It needs seconds.
SLOW = "demo --events 5"
EVERY = [call for calls in CALLS.values() for call in calls if call != SLOW] + HELP
FULL = "cannot write to standard output: No space left on device"
#: One for each way of writing: tables, text, JSON, bytes, and help.
SOME = ["status", "dead list", "dead list --json", "dead export --all", "--help"]
NAME = "Größe ☕"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Scene:
    """A list with events and dead letters whose texts no old terminal can show."""

    given: Mapping[str, str]
    letter: str
    file: Path

    async def run(self, call: str, *, out: int | None = None, err: int | None = None, **others: str) -> Ended:
        """Runs a command with these descriptors instead of files."""
        names = {"LETTER": self.letter, "FILE": str(self.file)}
        arguments = [names.get(word, word) for word in call.split()]
        everything = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **self.given, **others}
        if call == SILENT:
            del everything["FORWARDER_API_KEY"]
        nothing, closed = os.pipe()
        os.close(closed)
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr, os.fdopen(nothing):
            process = Fork(
                arguments,
                everything,
                stdin=nothing,
                stdout=stdout.fileno() if out is None else out,
                stderr=stderr.fileno() if err is None else err,
            )
            try:
                code = await asyncio.wait_for(process.ended(), 30)
            finally:
                process.kill()
            texts = []
            for file in (stdout, stderr):
                file.seek(0)
                texts.append(file.read().decode())
        return Ended(code, *texts)


@pytest_asyncio.fixture
async def scene(world: World, tmp_path: Path) -> Scene:
    (letter,) = await bury(world.redis, world.queue, [event("zoë", 1, name=NAME)], ["zoë"])
    await world.push(event("u", 2))
    file = tmp_path / "größe ☕.ndjson"
    file.write_bytes(event("u", 3) + b"\n" + b'{"user_id":"u"}\n')
    return Scene(environment(world.settings()), letter.id, file)


def failed(found: Ended) -> bool:
    return found.code not in (0, 1, 64, 77, 78) or "Traceback" in found.err or "Exception ignored" in found.err


def test_every_command_is_here() -> None:
    assert set(commands()) == set(CALLS)


@fault(
    "machine",
    "standard output of a command is a full disk, a reader that has gone, or closed",
    "one line and exit 1, and no traceback; silence if the reader has gone",
    keeps=(1,),
)
async def test_a_full_disk_is_a_failure_in_one_line_for_every_command(scene: Scene) -> None:
    with Path("/dev/full").open("wb") as full:
        found = {call: await scene.run(call, out=full.fileno()) for call in EVERY}
    silent, push = found.pop(SILENT), found["push FILE"]
    assert (silent.code, "FORWARDER_API_KEY" in silent.err) == (78, True)
    assert {call: each for call, each in found.items() if failed(each) or each.code != 1} == {}
    assert {call: each.err for call, each in found.items() if not each.err.endswith(FULL + "\n")} == {}
    # The file has a wrong line. Without one, the exit code would be 0.
    assert f"pushed 1 event onto {scene.given['FORWARDER_QUEUE']}, skipped 1 wrong line; {FULL}" in push.err


@pytest.mark.long
async def test_a_full_disk_ends_the_demo_in_one_line(scene: Scene) -> None:
    with Path("/dev/full").open("wb") as full:
        found = await scene.run(SLOW, out=full.fileno())
    assert found == Ended(1, "", f"forwarder: {FULL}\n")


async def test_events_that_were_pushed_are_no_failure_even_if_nobody_can_be_told(scene: Scene) -> None:
    scene.file.write_bytes(event("u", 5) + b"\n")
    reader, out = os.pipe()
    os.close(reader)
    found = await scene.run("push FILE", out=out)
    os.close(out)
    assert (found.code, "pushed 1 event onto" in found.err) == (0, True), found


@pytest.mark.parametrize(("call", "reason"), [*((call, "") for call in SOME), ("dead list", "Bad file descriptor")])
async def test_a_reader_that_has_gone_is_a_silent_failure_and_a_closed_descriptor_is_named(
    scene: Scene, call: str, reason: str
) -> None:
    reader, out = os.pipe()
    os.close(reader)
    if reason:  # what a command makes of a descriptor that was closed when it started
        os.close(out)
        out = os.open(os.devnull, os.O_RDONLY)
    found = await scene.run(call, out=out)
    os.close(out)
    assert found == Ended(1, "", f"forwarder: cannot write to standard output: {reason}\n" if reason else "")


async def test_a_terminal_that_cannot_show_a_character_gets_an_escape(scene: Scene) -> None:
    calls = [*SOME, "dead show LETTER", "dead show LETTER --json", "push FILE", "check", "simulate"]
    calls[-1] = CALLS["forwarder simulate"][0]
    found = {call: await scene.run(call, PYTHONIOENCODING="ascii") for call in calls}
    assert {call: each for call, each in found.items() if failed(each)} == {}
    assert "Gr\\xf6\\xdfe \\u2615" in found["dead list"].out
    assert json.loads(found["dead list --json"].out)["name"] == NAME, "JSON is UTF-8"
    assert json.loads(found["dead export --all"].out)["name"] == NAME
    assert json.loads(found["dead show LETTER --json"].out)["user_id"] == "zoë"


async def test_a_descriptor_that_somebody_has_made_non_blocking_takes_everything(world: World, scene: Scene) -> None:
    large = event("u", 4, more="x" * 60_000)
    await written(world.redis, world.queue, [large], ["u"])
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    with os.fdopen(reader, "rb") as stream:
        reading = asyncio.create_task(asyncio.to_thread(stream.read))
        found = await scene.run("dead export --all", out=writer)
        os.close(writer)
        lines = (await reading).splitlines()
    assert (found.code, found.err, len(lines)) == (0, "", 2)
    assert json.loads(lines[1])["more"] == "x" * 60_000


async def test_a_disk_without_room_for_any_line_changes_no_exit_code(scene: Scene) -> None:
    with Path("/dev/full").open("wb") as full:
        for call, code in ((SILENT, 78), ("dead show 1-1", 1), ("dead list", 1), ("nonsense", 64)):
            found = await scene.run(call, out=full.fileno(), err=full.fileno())
            assert (call, found.code) == (call, code)
