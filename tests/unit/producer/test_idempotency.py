"""Idempotency keys: what can be one, what its digest covers, and how long it is remembered."""

import hashlib
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.producer.encoding import as_given
from forwarder.producer.idempotency import Keys, check, digest

KEYS = Keys(retry_for=5.0, remember_for=86_400.0, answer_timeout=8.0)


@pytest.mark.parametrize("text", ["a", "order-1017-paid", "é" * 100, "a b", "{x}", "x" * 200])
def test_any_short_printable_text_is_a_key(text: str) -> None:
    check(text)


@pytest.mark.parametrize("text", ["", "x" * 201, "é" * 101, "a\n", "\0", "\ud800"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^idempotency_key: must be 1 to 200 bytes of printable text"):
        check(text)


@pytest.mark.parametrize("wrong", [7, b"key", True])
def test_what_is_no_text_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^idempotency_key: must be text, not (int|bytes|bool)$"):
        check(wrong)


def test_the_digest_is_the_one_that_the_script_describes() -> None:
    lines = b'{"a":1}\n{"b":2}\n'
    expected = 1 + int.from_bytes(hashlib.sha256(lines).digest()[:8], "big") % 9_223_372_034
    assert digest([b'{"a":1}', b'{"b":2}']) == expected


@given(st.lists(st.binary(max_size=5), max_size=5))
def test_a_digest_fits_the_marker(events: list[bytes]) -> None:
    assert 1 <= digest(events) <= 9_223_372_034
    assert digest(events) * 10**9 + 10**9 - 1 < 2**63


def test_a_date_that_a_push_adds_is_not_covered_and_one_that_is_given_is() -> None:
    event = {"user_id": 7, "name": "n", "vars": {"x": 1}}
    moment = datetime(2016, 9, 11, 18, 4, 23, tzinfo=UTC)
    assert as_given([event]) == as_given([{**event, "date": None, "user_id": "7"}])
    assert as_given([{**event, "date": moment}]) != as_given([event])
    other = {**event, "date": moment.astimezone(timezone(timedelta(hours=2)))}
    assert as_given([other]) == as_given([{**event, "date": moment}]), "the same moment"


def test_a_key_outlives_every_try() -> None:
    automatic = KEYS.automatic()
    assert automatic is not None
    assert automatic.milliseconds == (5 + 3 * 8 + 60) * 1_000
    assert KEYS.given("key", []).milliseconds == 86_400_000
    assert Keys(retry_for=50, remember_for=1, answer_timeout=8).given("key", []).milliseconds == 134_000


def test_no_two_automatic_keys_are_alike_and_without_repeating_there_is_none() -> None:
    assert len({KEYS.automatic() for _ in range(1_000)}) == 1_000
    assert Keys(retry_for=0, remember_for=1, answer_timeout=8).automatic() is None


@pytest.mark.parametrize(
    ("retry_for", "remember_for", "problem"),
    [(-1, 60, "retry_for"), (3_601, 60, "retry_for"), (float("nan"), 60, "retry_for"), (1, 0, "remember_for")],
)
def test_wrong_times_are_named(retry_for: float, remember_for: float, problem: str) -> None:
    [found] = Keys(retry_for=retry_for, remember_for=remember_for, answer_timeout=8).problems()
    assert re.fullmatch(rf"{problem}: (-1|3601|nan|0) is not from \d to [\d,]+ seconds; example: \d+", found)
