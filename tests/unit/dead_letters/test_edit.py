"""Edits of one event: members that are set, and programs that are run."""

import time

import pytest

from forwarder.dead_letters.edit import program, setting
from forwarder.errors import InvalidElementError, ProgramError

ELEMENT = b'{"user_id":"u","name":"n","price":1.10}'


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["name=purchase"], b'{"user_id":"u","name":"purchase","price":1.10}'),
        (["price=2.50"], b'{"user_id":"u","name":"n","price":2.50}'),
        (["price=1", "price=2"], b'{"user_id":"u","name":"n","price":2}'),
        (['vars={"a": [1]}'], b'{"user_id":"u","name":"n","price":1.10,"vars":{"a": [1]}}'),
        (["name=NaN"], b'{"user_id":"u","name":"NaN","price":1.10}'),
        (["name="], b'{"user_id":"u","name":"","price":1.10}'),
        (["name=a=b"], b'{"user_id":"u","name":"a=b","price":1.10}'),
        (['name="5"'], b'{"user_id":"u","name":"5","price":1.10}'),
        (["name=a\nb"], b'{"user_id":"u","name":"a\\nb","price":1.10}'),
    ],
)
async def test_members_are_set_to_json_or_else_to_a_string(texts: list[str], expected: bytes) -> None:
    assert await setting(texts)(ELEMENT) == expected


@pytest.mark.parametrize("text", ["", "name", "=x", "name=\udcff", "\udcff=x"])
def test_a_text_that_sets_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"name=value|UTF-8"):
        setting([text])


async def test_only_an_object_can_be_edited() -> None:
    with pytest.raises(InvalidElementError):
        await setting(["a=1"])(b"[]")


async def test_a_program_reads_the_event_and_writes_the_new_one() -> None:
    assert await program('sed s/n\\"/m\\"/', most=1_000)(b'{"x":"n"}') == b'{"x":"m"}'


async def test_a_program_need_not_read_its_input() -> None:
    assert await program("echo '{}'", most=100)(b"x" * 1_000_000) == b"{}"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("cat >/dev/null", "wrote nothing"),
        ("echo no >&2; exit 3", "ended with 3: no"),
        ("false", "ended with 1"),
        ("kill -9 $$", "ended with -9"),
        ("head -c 2000 /dev/zero", "more than 1000 bytes"),
        ("yes", "more than 1000 bytes"),
    ],
)
async def test_a_program_that_writes_no_event_is_named(command: str, why: str) -> None:
    with pytest.raises(InvalidElementError, match=why):
        await program(command, most=1_000, timeout=5.0)(ELEMENT)


@pytest.mark.parametrize("command", ["there-is-no-such-program", "/dev/null"])
async def test_a_program_that_cannot_be_run_is_an_error(command: str) -> None:
    with pytest.raises(ProgramError, match="cannot run"):
        await program(command, most=1_000)(ELEMENT)


@pytest.mark.parametrize("command", ["sleep 60", "cat >/dev/null; exec sleep 60", "sleep 60 & exit 0", "yes >&2"])
async def test_a_program_that_does_not_end_is_killed_with_everything_it_started(command: str) -> None:
    started = time.monotonic()
    with pytest.raises(InvalidElementError, match="took longer than"):
        await program(command, most=1_000, timeout=0.3)(ELEMENT)
    assert time.monotonic() - started < 20
