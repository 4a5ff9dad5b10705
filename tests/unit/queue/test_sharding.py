"""The vectors of deploy/producers/vectors.json, in Python; the examples in other languages are run in tests/e2e."""

import hashlib
import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from forwarder.event import decode
from forwarder.queue.sharding import list_name, shard_of
from tests.support.documents import between_marks

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
FILE: dict[str, Any] = json.loads((DEPLOY / "producers" / "vectors.json").read_text(encoding="utf-8"))
NUMBERS: list[int] = FILE["numbers_of_shards"]


def crc32(data: bytes) -> int:
    """By its definition: the reflected polynomial 0xEDB88320, all ones before and after."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize("vector", FILE["vectors"], ids=lambda vector: json.dumps(vector["user_id"]))
def test_a_user_is_on_the_shard_of_the_vector(vector: dict[str, Any]) -> None:
    user = decode(json.dumps({"user_id": vector["user_id"], "name": "n"}).encode(), max_bytes=1_000).user
    assert crc32(user.encode()) == vector["crc32"]
    assert [shard_of(user, number) for number in NUMBERS] == vector["shards"]
    assert vector["shards"] == [vector["crc32"] % number for number in NUMBERS]


def test_the_page_shows_the_vectors() -> None:
    rows = [
        f"| `{json.dumps(vector['user_id'])}` | {vector['crc32']} | {' | '.join(map(str, vector['shards']))} |"
        for vector in FILE["vectors"]
    ]
    heading = f"| user id, as JSON | CRC-32 | {' | '.join(f'of {number}' for number in NUMBERS)} |"
    shown = between_marks((DEPLOY / "producers.md").read_text(encoding="utf-8"), "vectors").splitlines()
    assert [shown[0], *shown[2:]] == [heading, *rows]


@pytest.mark.parametrize("push", FILE["pushes"], ids=lambda push: push["key"])
def test_a_marker_is_that_of_the_vector(push: dict[str, Any]) -> None:
    digest = hashlib.sha256("".join(event + "\n" for event in push["events"]).encode()).digest()
    assert push["marker"] == f"{{{push['list']}}}:pushed:{push['key']}"
    assert push["value"] == f"{1 + int(digest[:8].hex(), 16) % 9_223_372_034}{len(push['events']):09}"


def test_the_page_shows_the_markers() -> None:
    rows = [
        f"| `{push['list']}` | `{push['key']}` | {'<br>'.join(f'`{event}`' for event in push['events'])} "
        f"| {push['value']} |"
        for push in FILE["pushes"]
    ]
    shown = between_marks((DEPLOY / "producers.md").read_text(encoding="utf-8"), "markers").splitlines()
    assert shown[2:] == rows


def test_the_vectors_reach_every_shard_and_hold_what_is_easily_done_wrong() -> None:
    reached = {(number, vector["shards"][at]) for vector in FILE["vectors"] for at, number in enumerate(NUMBERS)}
    assert {(number, shard) for number in NUMBERS if number < 16 for shard in range(number)} <= reached
    users = [vector["user_id"] for vector in FILE["vectors"]]
    assert {"é", "e\u0301", "🙂", 42, "42", -7, 2**53 + 1} <= set(users)
    # A CRC that is taken for a signed number gives negative shards.
    assert any(vector["crc32"] >= 2**31 for vector in FILE["vectors"])


def test_one_list_has_the_name_of_the_queue_and_several_have_numbers() -> None:
    names = [list_name("events", shard, shards) for shards, shard in product([1, 3], range(3)) if shard < shards]
    assert names == ["events", "events:0", "events:1", "events:2"]
