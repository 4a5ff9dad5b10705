"""What is wrong with an element, as a value and as a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.errors import InvalidElementError
from forwarder.event import Flaw, Problem, decode
from forwarder.event.flaws import RULES

LIMIT = 1_000
DATE_FORM = "YYYY-MM-DD[Thh:mm[:ss[.fraction]][Z|±hh:mm]]"


@pytest.mark.parametrize(
    ("element", "flaw", "text"),
    [
        (b'{"name":"n"}', Flaw(Problem.MISSING, "user_id"), "user_id: missing"),
        (b'{"user_id":"u"}', Flaw(Problem.MISSING, "name"), "name: missing"),
        (
            b'{"userId":"u","name":"n"}',
            Flaw(Problem.MISSPELT, "user_id", found="userId"),
            "user_id: missing; is userId meant?",
        ),
        (b'{"user_id":"u"," nam":"n"}', Flaw(Problem.MISSPELT, "name", found="nam"), "name: missing; is nam meant?"),
        (
            b'{"user_id":".","name":"n"}',
            Flaw.wrong("user_id"),
            "user_id: must be a non-empty string, encodable as UTF-8 and other than . and .., or an integer",
        ),
        (
            b'{"user_id":"u","name":""}',
            Flaw.wrong("name"),
            "name: must be a non-empty string, encodable as UTF-8",
        ),
        (
            b'{"user_id":"u","name":"n","date":7}',
            Flaw.wrong("date"),
            f"date: must be a string of the form {DATE_FORM}, and a day and time that exist",
        ),
        (b"7", Flaw(Problem.NOT_AN_OBJECT), "not an object"),
        (
            b"{x",
            Flaw(Problem.NOT_JSON, found="object keys must be strings (byte 1)"),
            "not JSON: object keys must be strings (byte 1)",
        ),
        (b'"\xff"', Flaw(Problem.NOT_UTF8, found="1"), "not UTF-8 at byte 1"),
        (
            b"[" * 200,
            Flaw(Problem.TOO_DEEP, found="200", allowed="98"),
            "nested too deep: 200 levels, at most 98 are allowed",
        ),
        (
            b"x" * 1_001,
            Flaw(Problem.TOO_LONG, found="1001", allowed="1000"),
            "too long: 1001 bytes, at most 1000 are allowed",
        ),
    ],
)
def test_each_flaw_has_one_text_and_is_read_from_it(element: bytes, flaw: Flaw, text: str) -> None:
    with pytest.raises(InvalidElementError) as raised:
        decode(element, max_bytes=LIMIT)
    assert str(raised.value) == str(flaw) == text
    assert Flaw.parse(text) == flaw


@given(
    st.one_of(
        st.builds(Flaw, st.just(Problem.MISSING), st.sampled_from(list(RULES))),
        st.builds(Flaw, st.just(Problem.WRONG), st.sampled_from(list(RULES)), allowed=st.text()),
        st.builds(
            Flaw, st.just(Problem.NOT_JSON), found=st.integers(0, 10**19).map("expected ',' or '}}' (byte {})".format)
        ),
        st.builds(
            Flaw,
            st.sampled_from([Problem.TOO_DEEP, Problem.TOO_MANY_MEMBERS, Problem.TOO_LONG, Problem.TOO_LONG_DATED]),
            found=st.integers(0, 10**19).map(str),
            allowed=st.integers(0, 10**19).map(str),
        ),
    )
)
def test_any_flaw_is_read_from_its_text(flaw: Flaw) -> None:
    assert Flaw.parse(str(flaw)) == flaw


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("70000 bytes: at most 65536 are allowed", Flaw(Problem.TOO_LONG, found="70000", allowed="65536")),
        (
            "element: 70000 bytes, more than max_event_bytes (65536)",
            Flaw(Problem.TOO_LONG, found="70000", allowed="65536"),
        ),
        ("user_id: . and .. cannot be sent", Flaw.wrong("user_id")),
        ("date: not a date of the form YYYY-MM-DD, or no such day or time", Flaw.wrong("date")),
    ],
)
def test_earlier_texts_are_read_as_well(text: str, flaw: Flaw) -> None:
    assert Flaw.parse(text) == flaw


@given(st.sampled_from(["", "the API answered 400", "vars: missing", "not JSON", "too long: x bytes"]) | st.text())
def test_any_other_text_is_not_a_flaw(text: str) -> None:
    flaw = Flaw.parse(text)
    assert flaw is None or str(flaw)
