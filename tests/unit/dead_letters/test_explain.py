"""Why an event is a dead letter, in sentences."""

import contextlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.dead_letters.anomalies import named, unnamed
from forwarder.dead_letters.explain import explain
from forwarder.errors import InvalidElementError
from forwarder.event import decode
from forwarder.outcome import LetterReason

CLAIMED = 1_700_000_000_000_000  # 2023-11-14


def rejected(members: str, status: str = "400") -> str:
    element = b'{"user_id":"u","name":"n","date":"2023-11-14T22:13:20Z"%b}' % members.encode()
    return explain("rejected", status, f"the API answered {status}", element, claimed_at=CLAIMED, label=named)


def invalid(element: bytes) -> str:
    with pytest.raises(InvalidElementError) as error:
        decode(element, max_bytes=1_000)
    return explain("invalid", "", str(error.value), element, label=named)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (',"x":1,"x":2', "`x` occurs twice"),
        (',"a":{"b":1,"b":2}', "`b` occurs twice in `a`"),
        (',"":1', "the name of a member is empty"),
        (',"a.b":1', "the name of `a.b` has an unusual character"),
        (',"$x":1', "the name of `$x` has an unusual character"),
        (f',"{"k" * 101}":1', "is 101 characters long"),
        (',"x":null', "`x` is null"),
        (',"x":""', "`x` is an empty string"),
        (',"x":{}', "`x` is an empty object"),
        (',"x":[]', "`x` is an empty array"),
        (',"x":[1]', "`x` is an array"),
        (',"x":[null]', "`x` is null"),
        (',"x":{"a":{"b":{"c":{}}}}', "`x` is nested more than 3 levels deep"),
        (',"x":9007199254740993', "`x` is a number of 2^53 or more"),
        (',"x":-9e999', "`x` is a number that a double cannot hold"),
        (f',"x":{"1" * 5_000}', "`x` is a number that a double cannot hold"),
        (r',"x":"\u0000"', "`x` contains control characters"),
        (r',"x":"\ud83d"', "or half of an emoji"),
        (f',"x":"{"y" * 4_001}"', "`x` is 4,001 characters long"),
        (f',"x":[{",".join(["1"] * 20_000)}]', "it is large: 40,"),
        ("".join(f',"k{n}":1' for n in range(100)), "it has 103 members"),
        (',"name":" n"', "`name` begins or ends with white space"),
        (r',"name":"a\u0007"', "`name` contains control characters"),
        (f',"name":"{"n" * 101}"', "`name` is 101 characters long"),
        (',"date":"2024-11-14"', "`date` is more than a day after the event was claimed"),
        (',"date":"1997-01-01"', "`date` is more than a year before the event was claimed"),
        (',"date":"2023-11-14T22:13:20+02:00"', "`date` has an offset where the API documents Z"),
        (',"date":"2023-11-14T22:13:20+0200"', "`date` has an unusual offset where"),
        (',"date":"2023-11-14T22:13:20+23:00"', "`date` has an unusual offset where"),
        (',"date":"2023-11-14 22:13:20Z"', "`date` has a space"),
        (',"date":"2023-11-14T22:13Z"', "`date` has no seconds"),
        (',"date":"2023-11-14T22:13:60Z"', "`date` has a second 60"),
        (',"date":"2023-11-14T22:13:20.1234Z"', "of 4 digits"),
    ],
)
def test_a_refusal_is_explained_by_what_is_unusual(members: str, said: str) -> None:
    assert said in rejected(members)
    assert "Likely because" in rejected(members)


@pytest.mark.parametrize("members", ["", ',"vars":{"cds":2,"dollars":29.33},"ok":true', ',"x":"é 日本 \U0001f600"'])
def test_a_usual_event_is_not_blamed(members: str) -> None:
    assert rejected(members).endswith("Nothing in the event looks unusual: try the curl of `forwarder dead show`.")
    assert "400" in rejected(members)


def test_at_most_three_anomalies_are_listed() -> None:
    said = rejected(',"a":null,"b":null,"c":null,"d":null')
    assert said.count("is null") == 3
    assert said.endswith(", and more is unusual.")


def test_without_the_time_of_the_claim_only_an_absurd_year_is_unusual() -> None:
    for year, odd in (("1997", True), ("2023", False), ("2101", True)):
        element = b'{"user_id":"u","name":"n","date":"%b-11-14"}' % year.encode()
        assert ("before the year 2000 or after the year 2100" in explain("rejected", "400", "", element)) == odd


@pytest.mark.parametrize("status", ["404", "405", "410", "415"])
def test_the_address_is_blamed_where_the_status_says_so(status: str) -> None:
    said = rejected("", status)
    assert said.startswith(f"The API answered {status}: ")
    assert "user" in said or "address" in said


@pytest.mark.parametrize(
    ("element", "said"),
    [
        (b'{"name":"n"}', "`user_id` is missing. It must be a non-empty string"),
        (b'{"userId":"u","name":"n"}', "Should `userId` be called `user_id`?"),
        (b'{"user_id":true,"name":"n"}', "`user_id` is a boolean. It must be"),
        (b'{"user_id":"","name":"n"}', "`user_id` is an empty string"),
        (b'{"user_id":"..","name":"n"}', "`user_id` is a string that cannot be sent. It must be"),
        (b'{"user_id":1.5,"name":"n"}', "`user_id` is a number"),
        (
            b'{"user_id":"u","event":"n"}',
            "Should `event` be called `name`? It must be a non-empty string, encodable",
        ),
        (b'{"user_id":"u","name":{}}', "`name` is an object"),
        (b'{"user_id":"u","name":null}', "`name` is null"),
        (b'{"user_id":"u","name":[]}', "`name` is an array"),
        (
            b'{"user_id":"u","name":"n","date":1700000000}',
            "`date` is a number of seconds since 1970: write it as 2023-11-14T22:13:20Z. If it is there",
        ),
        (
            b'{"user_id":"u","name":"n","date":"1700000000123"}',
            "`date` is a number of milliseconds since 1970: write it as 2023-11-14T22:13:20.123Z.",
        ),
        (b'{"user_id":"u","name":"n","date":1700000000123456}', "a number of microseconds since 1970: write it as"),
        (b'{"user_id":"u","name":"n","date":1.5}', "`date` is a number. If it is there"),
        (b'{"user_id":"u","name":"n","date":20231114}', "`date` is a number. If it is there"),
        (b'{"user_id":"u","nam":"n"}', "Should `nam` be called `name`?"),
        (b'{"user_id":"u","game":"n"}', "`name` is missing. It must be"),
        (
            b'{"userId":"u","event":"n","timestamp":1}',
            "Should `userId` be called `user_id`, and `event` be called `name`, and `timestamp` be called `date`?",
        ),
        (
            b'[{"user_id":"u","name":"n"}]',
            "Push each event as an element of its own: jq -c '.[]' FILE | forwarder push",
        ),
        (b'{"user_id":"u","name":"n","date":"14.11.2023"}', "`date` is a string of another form"),
        (b"[]", "It is an array."),
        (b'"{\\"user_id\\":\\"u\\"}"', "encoded the event twice"),
        (b"7", "It is JSON, but not an object."),
        (b"", "It is empty."),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x80\x04\x95", "pickle"),
        (b"\xff\xfe{\x00", "UTF-16"),
        (b'\xef\xbb\xbf{"user_id":"u"}', "byte order mark"),
        (b"{'user_id': 'u'}", "a Python dict"),
        (b'{"user_id":"u","na', "cut off, at 18 bytes"),
        (b'{"user_id":"u","name":"a\nb"}', "It is not JSON"),
        (b"{" + b"x" * 1_000, "1,001 bytes, but FORWARDER_MAX_EVENT_BYTES allows 1,000"),
        (b'{"user_id":"u","x":' + b"[" * 98 + b"]" * 98 + b"}", "nested too deep: 99 levels"),
    ],
)
def test_an_invalid_event_is_explained_by_the_rule_that_it_breaks(element: bytes, said: str) -> None:
    assert said in invalid(element)


@pytest.mark.parametrize(
    "detail",
    [
        "too long: 70000 bytes, at most 65536 are allowed",
        "element: 70000 bytes, more than max_event_bytes (65536)",
        "70000 bytes: at most 65536 are allowed",
    ],
)
def test_an_element_that_was_refused_in_redis_is_too_long_in_any_spelling(detail: str) -> None:
    said = explain("invalid", "", detail, b"x" * 70_000)
    assert said == "It is too long: 70,000 bytes, but FORWARDER_MAX_EVENT_BYTES allows 65,536."


@pytest.mark.parametrize(
    ("detail", "element", "said"),
    [
        ("user_id: missing", b'{"name":"n"}', "The member `user_id` is missing. It must be a non-empty string"),
        (
            "user_id: must be a non-empty string, encodable as UTF-8, or an integer",
            b'{"user_id":true}',
            "The member `user_id` is a boolean. It must be a non-empty string",
        ),
        (
            "user_id: . and .. cannot be sent",
            b'{"user_id":".."}',
            "The member `user_id` is a string that cannot be sent. It must be a non-empty string",
        ),
        ("name: missing", b'{"user_id":"u"}', "The member `name` is missing. It must be a non-empty string"),
        (
            "name: must be a non-empty string, encodable as UTF-8",
            b'{"user_id":"u","name":7}',
            "The member `name` is a number. It must be a non-empty string",
        ),
        (
            "date: not a date of the form YYYY-MM-DD[Thh:mm[:ss[.fraction]][Z|±hh:mm]], or no such day or time",
            b'{"user_id":"u","name":"n","date":"x"}',
            "The member `date` is a string of another form. If it is there, it must be a string of the form YYYY-MM-DD",
        ),
        ("not an object", b"[]", "It is an array. An element is one JSON object"),
        ("not JSON: invalid character (byte 0)", b"x", "It is not JSON: invalid character (byte 0). An element is"),
        ("not UTF-8 at byte 0", b"\x80", "It is not UTF-8 at byte 0: it looks like a Python pickle. An element is"),
        (
            "nested too deep: 99 levels, at most 98 are allowed",
            b"[" * 99,
            "It is not an event: nested too deep: 99 levels, at most 98 are allowed.",
        ),
    ],
)
def test_a_detail_that_the_version_before_wrote_is_explained_as_well(detail: str, element: bytes, said: str) -> None:
    assert explain("invalid", "", detail, element).startswith(said)


def test_too_large_names_what_is_large() -> None:
    said = explain("too_large", "413", "", b'{"user_id":"u","a":1,"b":"%b","c":2}' % (b"x" * 5_000), label=named)
    assert "5,034 bytes" in said
    assert "Most of it is `b`" in said


@pytest.mark.parametrize(
    ("status", "said"),
    [("503", "503, an error of the API's own"), ("timeout", "was not answered"), ("429", "too many"), ("", "not kept")],
)
def test_exhausted_names_the_last_answer(status: str, said: str) -> None:
    detail = "10 attempts failed while others were accepted, the last with 503"
    explained = explain("exhausted", status, detail, b"{}", attempts=12)
    assert explained.startswith("None of its 12 attempts was accepted, while events of other users were; ")
    assert said in explained
    assert explain("exhausted", status, detail, b"{}").startswith("None of its attempts was accepted")


@given(
    reason=st.sampled_from([*LetterReason, "", "else"]),
    status=st.sampled_from(["", "400", "404", "503", "timeout"]) | st.text(),
    detail=st.sampled_from(["not JSON: x", "not UTF-8 at byte 3", "not an object", "name: missing", "date: x"])
    | st.text(),
    element=st.binary()
    | st.recursive(
        st.none() | st.text() | st.floats() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    ).map(lambda value: json.dumps(value).encode()),
    claimed_at=st.integers(-(2**63), 2**63),
)
def test_every_letter_is_explained_and_nothing_raises(
    reason: str, status: str, detail: str, element: bytes, claimed_at: int
) -> None:
    assert explain(reason, status, detail, element, claimed_at=claimed_at)


def test_deep_nesting_and_absurd_numbers_do_no_harm() -> None:
    for element in (b"[" * 100_000, b'{"x":' * 50_000, b'{"x":%b}' % (b"9" * 100_000), b'{"date":"9999-99-99"}'):
        assert explain("rejected", "400", "", element)
        assert explain("too_large", "413", "", element)
    for depth in range(50, 1_050, 50):  # somewhere there is what can be read, but not written again
        assert explain("too_large", "413", "", b'{"x":' * depth + b"1" + b"}" * depth)


SECRET = "s3cr3t@example.com"
DETAILS = (
    "name: missing", "date: bad", "user_id: bad", "not an object", "not JSON: x", "", f"{SECRET}: bad", SECRET,
    f"user_id: missing; {SECRET}", f"not JSON: {SECRET}", f"not JSON: {SECRET} (byte 1)",
)  # fmt: skip


@pytest.mark.parametrize(
    "members",
    [f',"x":"{SECRET}\\u0000"', f',"x":["{SECRET}"]', f',"date":"{SECRET}"', f',"name":" {SECRET}"',
     ',"date":"1907-03-04T05:06:07+08:09"'],
)  # fmt: skip
def test_values_are_never_quoted(members: str) -> None:
    element = f'{{"user_id":"{SECRET}"{members}}}'.encode()
    for reason in (*LetterReason, SECRET):
        for detail in DETAILS[:5]:
            said = explain(reason, "400", detail, element, claimed_at=CLAIMED, label=named)
            assert not re.search(f"{SECRET}|1907|03|04|08:09", said)


@pytest.mark.parametrize(
    "members",
    [
        f',"{SECRET}":1', f',"{SECRET}":null', f',"carts":{{"{SECRET}":1}}', f',"a":[{{"{SECRET}":null}}]',
        f',"{SECRET}":1,"{SECRET}":2', f',"{SECRET}":{{"a":{{"b":{{"c":{{}}}}}}}}', f',"{SECRET}":[]',
        f',"{SECRET}":"{"x" * 5_000}"', f',"{SECRET} ":"\\u0000"', f',"{SECRET}{"x" * 100}":1e999',
    ],
)  # fmt: skip
def test_members_are_not_named_unless_asked_for(members: str) -> None:
    """A member's name may be user data, as in {"carts":{"alice@example.com":1}}."""
    element = f'{{"user_id":"{SECRET}","name":"{SECRET}"{members}}}'.encode()
    for reason in (*LetterReason, SECRET):
        for detail in DETAILS:
            assert SECRET not in explain(reason, "400", detail, element, claimed_at=CLAIMED)
    assert "Likely because" in explain("rejected", "400", "", element)


def test_a_misspelt_member_is_not_named_unless_asked_for() -> None:
    element = b'{"EventName ":"n"," USER_ID ":"u"}'
    for label, member in ((unnamed, "a member"), (named, "` USER_ID `")):
        said = explain("invalid", "", "user_id: missing", element, label=label)
        assert f"Should {member} be called `user_id`, and " in said
        assert said.count("EventName") == (label is named)


def test_who_may_not_see_user_data_does_not_see_the_date_either() -> None:
    said = explain("invalid", "", "date: must be a string", b'{"user_id":"u","name":"n","date":1700000000}')
    assert "`date` is a number of seconds since 1970. If it is there" in said


@given(st.text('ab\\"{}[]:,0', max_size=40).map(lambda text: f'{{"user_id":"{SECRET}","{SECRET}":{text}'.encode()))
def test_what_is_wrong_with_broken_json_quotes_nothing_of_it(element: bytes) -> None:
    with contextlib.suppress(InvalidElementError):
        decode(element, max_bytes=1_000)
        return
    with pytest.raises(InvalidElementError) as error:
        decode(element, max_bytes=1_000)
    assert SECRET not in str(error.value)
