from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from forwarder.queue.keys import Keys, QueueKeys


def every_key(queue: str) -> dict[str, str]:
    kinds = (Keys(queue), QueueKeys(queue))
    return {field.name: getattr(keys, field.name) for keys in kinds for field in fields(keys) if not field.init}


def test_the_keys_are_those_of_the_contract() -> None:
    assert every_key("events") == {
        "list": "events",
        "claimed": "{events}:claimed",
        "lease": "{events}:lease",
        "sequence": "{events}:sequence",
        "settlement": "{events}:settlement",
        "accepted": "{events}:accepted",
        "dead_lettered": "{events}:dead_lettered",
        "replayed": "{events}:replayed",
        "deleted": "{events}:deleted",
        "dead": "{events}:dead",
        "dead_groups": "{events}:dead_groups",
        "allowance": "{events}:allowance",
        "aside": "{events}:aside",
        "stage": "{events}:stage",
        "move": "{events}:move",
        "moved": "{events}:moved",
        "about": "{events}:about",
        "counts": "{events}:counts",
        "past": "{events}:past",
        "decisions": "{events}:decisions",
        "decoded": "{events}:decoded",
        "halt": "{events}:halt",
        "address": "{events}:address",
        "recognized": "{events}:recognized",
        "retry": "{events}:retry",
        "pause": "{events}:pause",
        "shards": "{events}:shards",
        "workers": "{events}:workers",
    }


def test_a_shards_keys_are_its_own_but_for_those_of_the_queue() -> None:
    keys = Keys("events", 3, of=8)
    assert (keys.list, keys.claimed, keys.allowance) == ("events:3", "{events:3}:claimed", "{events:3}:allowance")
    shared = QueueKeys("events")
    assert (shared.halt, shared.shards, shared.workers) == ("{events}:halt", "{events}:shards", "{events}:workers")


def test_the_scripts_get_the_list_first_and_each_key_once() -> None:
    given_to_scripts = Keys("events").of_the_list
    assert given_to_scripts[0] == "events"
    assert list(given_to_scripts) == list(every_key("events").values())[: len(given_to_scripts)]


#: Of every length in UTF-8, and what means something to Redis, to shells or to nobody; but no braces.
LETTERS = st.sampled_from("aZ09:._-/ *?[]()\\\x00\x7f\u0301éß日🙂")


@given(st.text(LETTERS, min_size=1))
def test_all_keys_of_a_list_share_its_hash_slot(queue: str) -> None:
    assert {key_slot(key.encode()) for key in every_key(queue).values()} == {key_slot(queue.encode())}


def test_the_keys_of_a_list_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Keys("events").claimed = "other"  # type: ignore[misc]
