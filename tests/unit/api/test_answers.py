from http import HTTPStatus

import pytest

from forwarder.api.answer import Meaning, is_object, meaning, retry_after
from forwarder.outcome import HaltReason, LetterReason

_NAMED = {
    202: None,
    401: Meaning.UNAUTHORIZED,
    413: Meaning.TOO_LARGE,
    451: Meaning.ERASED,
    **dict.fromkeys((404, 405, 410, 415), Meaning.NO_SUCH_ADDRESS),
    **dict.fromkeys((403, 407), Meaning.SUSPECT),
    **dict.fromkeys((408, 425, 429), Meaning.TRANSIENT),
}
_REST = {
    range(200, 400): Meaning.SUSPECT,
    range(400, 500): Meaning.MALFORMED,
    range(500, 600): Meaning.TRANSIENT,
}
#: The whole answer table: what it names, and for all other statuses their class.
TABLE = {status: what for statuses, what in _REST.items() for status in statuses} | _NAMED

#: Statuses worth a test of their own: all that are registered, and some that are not.
STATUSES = sorted({status.value for status in HTTPStatus if status >= 200} | {299, 399, 419, 430, 499, 520, 530, 599})

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_means_what_the_answer_table_says(status: int) -> None:
    assert meaning(status) is TABLE[status]


def test_no_other_status_has_a_meaning_of_its_own() -> None:
    assert {status: meaning(status) for status in TABLE} == TABLE


@pytest.mark.parametrize("status", [0, 100, 101, 199, 600, 999])
def test_a_status_of_no_class_is_not_the_apis(status: int) -> None:
    assert meaning(status) is Meaning.SUSPECT


def test_nothing_but_202_is_acceptance() -> None:
    assert [status for status in range(1000) if meaning(status) is None] == [202]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *[("0", 0.0), ("1", 1.0), (" 30 ", 30.0), ("600", 600.0), ("601", 600.0), ("9" * 5000, 600.0)],
        *[("5.0", 5.0), ("0.25", 0.25), ("600.5", 600.0), ("1." + "9" * 5000, 2.0)],
    ],
)
def test_retry_after_in_seconds_is_heeded_up_to_ten_minutes(value: str, seconds: float) -> None:
    assert retry_after({"Retry-After": value}) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 09:28:30 +0200", 30.0),
        ("Wednesday, 21-Oct-26 07:28:30 GMT", 30.0),
        ("Wed Oct 21 07:28:30 2026", 30.0),
        ("Wed Oct  7 07:28:30 2026", 0.0),
        (DATE, 0.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
        ("Thu, 22 Oct 2026 07:28:00 GMT", 600.0),
    ],
)
def test_retry_after_as_a_date_is_taken_against_the_answers_own_date(value: str, seconds: float) -> None:
    assert retry_after({"Retry-After": value, "Date": DATE}) == seconds


@pytest.mark.parametrize("date", ["Wednesday, 21-Oct-26 07:28:00 GMT", "Wed Oct 21 07:28:00 2026"])
def test_the_answers_own_date_may_have_an_older_form_too(date: str) -> None:
    assert retry_after({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": date}) == 30.0


@pytest.mark.parametrize(
    ("value", "seconds"), [("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Fri, 31 Dec 9999 23:59:59 GMT", 600.0)]
)
def test_without_a_date_of_the_answer_our_own_clock_must_do(value: str, seconds: float) -> None:
    assert retry_after({"Retry-After": value}) == seconds


def test_an_answer_without_the_header_does_not_ask_to_wait() -> None:
    assert retry_after({}) is None
    assert retry_after({"Date": DATE}) is None


_UNREADABLE = [
    "",
    " ",
    "soon",
    "-5",
    "1.",
    ".5",
    "5,0",
    "1e3",
    "0x10",
    "5 s",
    "nan",
    "٣",
    "²",
    "\x00",
    ",",
    "Wed, 99 Oct 2026 07:28:00 GMT",
]


@pytest.mark.parametrize("value", [*_UNREADABLE, "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"])
def test_what_cannot_be_read_does_not_ask_to_wait(value: str) -> None:
    assert retry_after({"Retry-After": value, "Date": DATE}) is None


@pytest.mark.parametrize("date", ["", "now", "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"])
def test_an_unreadable_date_of_the_answer_does_no_harm(date: str) -> None:
    assert retry_after({"Retry-After": DATE, "Date": date}) is None


@pytest.mark.parametrize("body", [b"{}", b' {"error":"unauthorized"}\n', '{"ü":1}'.encode()])
def test_a_body_is_an_object_as_the_apis_is(body: bytes) -> None:
    assert is_object(body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"{}"', b"null", b"<html>", b"{", b"{}{}", b"\x1f\x8b\x08", b'{"a":"\xff"}', b"[" * 60_000]
)
def test_any_other_body_is_not(body: bytes) -> None:
    assert not is_object(body)


def test_the_reasons_are_closed_sets() -> None:
    assert [str(reason) for reason in LetterReason] == ["invalid", "rejected", "too_large", "exhausted", "erased"]
    assert [str(reason) for reason in HaltReason] == ["credentials", "misdirected", "dead_letter_brake"]
