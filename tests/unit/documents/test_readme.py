"""The README is short and in order, its two commands need nothing else, and its examples and figures are true.

tests/e2e/test_producer_examples.py runs its programs.
"""

import json
import re
import shlex
import tomllib

import pytest

from forwarder.api.request import encode_batch, path_segment, users_url
from forwarder.event import decode
from tests.programs.bench.page import summary
from tests.support.documents import BENCH, README, ROOT, between_marks, fenced

TEXT = README.read_text(encoding="utf-8")
MOST_LINES, MOST_BYTES = 180, 12_288


def test_it_is_one_short_page() -> None:
    assert len(TEXT.splitlines()) <= MOST_LINES
    assert len(TEXT.encode()) <= MOST_BYTES


def test_it_comes_to_the_point_in_the_order_of_a_newcomers_questions() -> None:
    wanted = (
        "# forwarder",
        "status page",
        "```mermaid",
        "## Try it",
        "## Run the tests",
        "## Push events",
        "redis-cli RPUSH",
        "import SyncProducer",
        "import asyncio",
        "ioredis",
        "POST /v6/users/u-1/events",
        "## Run it",
        "## What it promises",
        "## What it does that others do not",
        "## Read on",
    )
    places = [TEXT.index(each) for each in wanted]
    assert places == sorted(places)


def shell_block(marker: str) -> list[str]:
    """The lines of the fenced block directly after the marker's line."""
    found = re.search(rf"^<!-- {marker} -->\n```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert found, marker
    return found[1].splitlines()


@pytest.mark.parametrize(
    ("marker", "extra", "last"),
    [("demo-command", "demo", ".venv/bin/forwarder demo"), ("test-command", "dev", ".venv/bin/pytest -n 6")],
)
def test_a_fresh_machine_needs_one_line(marker: str, extra: str, last: str) -> None:
    (line,) = shell_block(marker)
    venv, install, run = line.split(" && ")
    assert venv == "python3 -m venv .venv"
    assert install.startswith(".venv/bin/pip install -c deploy/constraints.txt ")
    assert install.endswith(f"'.[{extra}]'")
    assert run == last
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert extra in extras


def test_the_events_of_the_shell_become_the_post_that_is_shown() -> None:
    (command,) = (block for block in fenced(TEXT, "sh") if block.startswith("redis-cli"))
    events = [decode(element.encode(), max_bytes=1_000) for element in shlex.split(command)[3:]]
    (user,) = {event.user for event in events}
    (shown,) = fenced(TEXT, "http")
    head, _, body = shown.rstrip("\n").partition("\n\n")
    path = users_url("", "v6") + path_segment(user) + "/events"
    assert head.splitlines() == [f"POST {path} HTTP/1.1", "Content-Type: application/json"]
    assert body.encode() == encode_batch(event.body for event in events)


def test_its_figures_are_those_of_the_benchmark() -> None:
    """`python -m tests.programs.bench.tell … --publish` writes them."""
    figures = json.loads((BENCH.parent / "results" / "bench.json").read_text(encoding="utf-8"))
    assert between_marks(TEXT, "bench") == summary(figures)
