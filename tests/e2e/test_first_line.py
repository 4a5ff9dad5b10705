"""How `forwarder run` begins: who it is, in a form for the one who reads."""

import json
import os
import pty
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forwarder import __version__
from forwarder.api.credentials import Credentials
from forwarder.simulator import Simulator
from tests.support.service import WorkerProcess, eventually, settings

Start = Callable[..., WorkerProcess]
KEY = "the-key-of-this-test"
SECRET = "s3cret-of-redis"


async def written(terminal: int, until: bytes) -> str:
    """What a process writes to a terminal, up to some text."""
    os.set_blocking(terminal, False)
    found = b""

    def there() -> bool:
        nonlocal found
        try:
            found += os.read(terminal, 65_536)
        except BlockingIOError:
            return False
        return until in found

    await eventually(there, what=f"{until!r} is written")
    return found.decode()


async def test_the_first_line_says_who_runs_with_what_and_no_secret(
    redis_url: str, queue_name: str, api: Simulator, worker: Start, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    where = redis_url.removeprefix("redis://").removeprefix("unix://")
    scheme = redis_url.removesuffix(where)
    given: dict[str, Any] = {
        "api_url": f"{api.url}/secret-path",
        "api_key_file": str(file),
        "api_proxy": f"http://me:{SECRET}@127.0.0.1:9",
        "shards": 2,
        "shutdown_timeout": 1.0,  # which is too short, so there is a warning: it comes second
    }
    process = worker(settings(f"{scheme}:{SECRET}@{where}", queue_name, api, **given))
    await eventually(lambda: len(process.lines()) > 1, what="it has begun")
    first, second = process.lines()[:2]
    del first["timestamp"]
    assert first == {
        "event": "starting",
        "level": "info",
        "version": __version__,
        "api": f"{api.url}/…/v6",
        "proxy": "http://127.0.0.1:9",
        "redis": redis_url,
        "queue": queue_name,
        "lists": 2,
        "key_fingerprint": Credentials(KEY, None).fingerprint,
    }
    assert "SHUTDOWN_TIMEOUT" in second["event"]
    assert not [each for each in (KEY, SECRET, "secret-path") if each in process.log.read_text()]
    process.kill()


@pytest.mark.parametrize(("chosen", "begins"), [({}, "20"), ({"log_format": "json"}, "{")])
async def test_a_terminal_gets_lines_for_people_unless_something_else_is_asked_for(
    chosen: dict[str, str], begins: str, redis_url: str, queue_name: str, api: Simulator, worker: Start
) -> None:
    ours, theirs = pty.openpty()
    process = worker(settings(redis_url, queue_name, api, **chosen), stderr=theirs)
    text = await written(ours, b"listening")
    process.kill()
    os.close(ours)
    os.close(theirs)
    line = text.splitlines()[0]
    assert "starting" in line
    assert re.sub("\x1b\\[[0-9;]*m", "", line).startswith(begins)


async def test_what_is_no_terminal_gets_json(redis_url: str, queue_name: str, api: Simulator, worker: Start) -> None:
    process = worker(settings(redis_url, queue_name, api))
    await eventually(process.lines, what="it has begun")
    assert all(json.loads(line) for line in process.log.read_text().splitlines())
