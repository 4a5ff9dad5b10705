import itertools
import json

import pytest

from forwarder.api.request import encode_batch
from forwarder.errors import InvalidElementError
from forwarder.event import Event, decode, with_date
from forwarder.event.members import MAX_DEPTH, MAX_MEMBERS

#: 2016-09-11T18:04:23.9Z in microseconds.
STAMP = 1_473_617_063_900_000


def decoded(element: bytes | str, *, max_bytes: int = 65_536) -> Event:
    raw = element.encode() if isinstance(element, str) else element
    return decode(raw, number=7, stamp=STAMP, max_bytes=max_bytes)


def refusal(element: bytes | str, *, max_bytes: int = 65_536) -> str:
    with pytest.raises(InvalidElementError) as raised:
        decoded(element, max_bytes=max_bytes)
    return str(raised.value)


def dated(date: str) -> str:
    return json.dumps({"user_id": "u", "name": "n", "date": date})


def sent_date(date: str) -> str:
    return str(json.loads(decoded(dated(date)).body)["date"])


def test_user_id_is_taken_out_and_the_rest_stays_byte_for_byte() -> None:
    rest = b'"date":"2016-09-11T18:04:23Z","price":1.10,"big":1180591620717411303424,"nested":{"a" : [1, 2.50,null]}'
    element = b'{ "user_id":"u" , "name" : "n\\u00e9",' + rest + b" }"
    event = decoded(element)
    assert (event.number, event.stamp, event.user) == (7, STAMP, "u")
    assert event.body == b'{"name":"n\\u00e9",' + rest + b"}"


@pytest.mark.parametrize(
    ("value", "user"),
    [
        ('"u-1"', "u-1"),
        ("7", "7"),
        ("-7", "-7"),
        ("-0", "0"),
        (str(2**70), str(2**70)),
        ('" "', " "),
        ('"\\u0000"', "\0"),
        ('"..."', "..."),
        ('"a/../../admin"', "a/../../admin"),
        ('"%2e%2e"', "%2e%2e"),
        ('"a\\r\\nHost: x"', "a\r\nHost: x"),
        ('"😀"', "😀"),
        ('"\\ud83d\\ude00"', "😀"),
        (json.dumps("x" * 10_000), "x" * 10_000),
    ],
)
def test_a_user_is_any_text_or_an_integer(value: str, user: str) -> None:
    assert decoded('{"name":"n","user_id":' + value + "}").user == user


@pytest.mark.parametrize(
    "value", ['""', "null", "true", "1.0", "1e3", "[]", "{}", '["u"]', '"\\ud83d"', '"."', '".."', '"\\u002e\\u002e"']
)
def test_a_wrong_user_is_named(value: str) -> None:
    assert refusal('{"name":"n","user_id":' + value + "}").startswith("user_id: ")


@pytest.mark.parametrize("value", ['""', "null", "7", "[]", '"\\udc00"'])
def test_a_wrong_name_is_named(value: str) -> None:
    assert refusal('{"user_id":"u","name":' + value + "}").startswith("name: ")


@pytest.mark.parametrize(
    ("element", "said"),
    [
        ('{"name":"n"}', "user_id: missing"),
        ('{"user_id":"u"}', "name: missing"),
        ("", "not JSON"),
        (" ", "not JSON"),
        ("{", "not JSON"),
        ('{"user_id":"u","name":"n"', "not JSON"),
        ('{"user_id":"u","name":"n"}x', "not JSON"),
        ('{"user_id":"u","name":"n"}{"user_id":"u","name":"n"}', "not JSON"),
        ('{"user_id":"u","name":"n",}', "not JSON"),
        ("{'user_id':'u','name':'n'}", "not JSON"),
        ('{"user_id":"u","name":"n","x":NaN}', "not JSON"),
        ('{"user_id":"u","name":"n","x":-Infinity}', "not JSON"),
        ('{"user_id":"u","name":"n","x":01}', "not JSON"),
        ('{"user_id":"u","name":"n","x":"a\nb"}', "not JSON"),
        ('{"user_id":"u","name":"n","x":"\\x41"}', "not JSON"),
        (b'\xef\xbb\xbf{"user_id":"u","name":"n"}', "not JSON"),
        (b'{"user_id":"u","name":"n"}\0', "not JSON"),
        (b'{"user_id":"u\xff","name":"n"}', "not UTF-8 at byte 13"),
        (b'{"user_id":"u","name":"n","x":"\xed\xa0\xbd"}', "not UTF-8"),
        (bytes(range(256)), "not "),
        ("[]", "not an object"),
        ('"text"', "not an object"),
        ("null", "not an object"),
        ("7", "not an object"),
    ],
)
def test_an_invalid_element_is_refused_with_a_reason(element: bytes | str, said: str) -> None:
    assert refusal(element).startswith(said)


def test_a_reason_quotes_nothing_of_the_element() -> None:
    for element in ('{"user_id":"u","name":"n","date":"S3CRET"}', '{"user_id":["S3CRET"],"name":"n"}', "S3CRET"):
        assert "S3CRET" not in refusal(element)


@pytest.mark.parametrize(
    ("date", "sent"),
    [
        ("2016-09-11", "2016-09-11T00:00:00Z"),
        ("2016-09-11T18:04", "2016-09-11T18:04Z"),
        ("2016-09-11 18:04:23", "2016-09-11 18:04:23Z"),
        ("2016-09-11T18:04:23.123456789", "2016-09-11T18:04:23.123456789Z"),
        ("2016-09-11T18:04:23Z", "2016-09-11T18:04:23Z"),
        ("2016-09-11T18:04:23+02:00", "2016-09-11T18:04:23+02:00"),
        ("2016-09-11T18:04:23-0930", "2016-09-11T18:04:23-0930"),
        ("2016-02-29", "2016-02-29T00:00:00Z"),
        ("2000-02-29", "2000-02-29T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:60Z"),
    ],
)
def test_a_date_is_sent_as_it_is_with_an_offset(date: str, sent: str) -> None:
    assert sent_date(date) == sent


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "2016-9-1",
        "2016-13-01",
        "2016-00-01",
        "2016-04-31",
        "2015-02-29",
        "1900-02-29",
        "16-09-11",
        "12016-09-11",
        "2016-09-11T",
        "2016-09-11T24:00:00Z",
        "2016-09-11T18:60:00Z",
        "2016-09-11T18:04:61Z",
        "2016-09-11T18:04:23.Z",
        "2016-09-11T18Z",
        "2016-09-11t18:04:23z",
        "2016-09-11T18:04:23 Z",
        "2016-09-11T18:04:23+25:00",
        "2016-09-11Z",
        "2016-09-11T18:04:23Z\n",
        " 2016-09-11",
        "２０１６-09-11",  # noqa: RUF001 - digits that are not ASCII's
        "20160911T180423Z",
        "1473617063",
    ],
)
def test_a_wrong_date_is_named(date: str) -> None:
    assert refusal(dated(date)).startswith("date: ")


@pytest.mark.parametrize("value", ["1473617063", "true", "[]", "{}"])
def test_a_date_that_is_not_a_string_is_named(value: str) -> None:
    assert refusal('{"user_id":"u","name":"n","date":' + value + "}").startswith("date: ")


@pytest.mark.parametrize("element", ['{"user_id":"u","name":"n"}', '{"user_id":"u","date":null,"name":"n"}'])
def test_an_event_without_a_date_gets_the_date_of_its_claim_and_keeps_it(element: str) -> None:
    assert decoded(element).body == b'{"name":"n","date":"2016-09-11T18:04:23Z"}'
    replayed = with_date(element.encode(), STAMP)
    assert decoded(replayed).body == decoded(element).body
    assert decode(replayed, stamp=STAMP + 10**12, max_bytes=999).body == decoded(element).body


def test_an_element_with_a_date_is_replayed_as_it_is() -> None:
    element = dated("2016-09-11").encode()
    assert with_date(element, STAMP + 10**12) is element


def test_of_duplicate_members_the_last_counts() -> None:
    event = decoded('{"user_id":"a","user_id":"b","name":"x","name":"n","date":null,"date":"2016-09-11"}')
    assert (event.user, event.body) == ("b", b'{"name":"n","date":"2016-09-11T00:00:00Z"}')


def test_a_lone_surrogate_in_another_member_is_kept() -> None:
    rest = '"name":"n","date":"2016-09-11T00:00Z","text":"\\ud83d","\\udead":[1.10,"\\ud83d\\ude00"]}'
    assert decoded('{"user_id":"u",' + rest).body == b"{" + rest.encode()


def test_escapes_are_kept_in_whatever_order_they_come() -> None:
    for pieces in itertools.product(["\\ud83d", "\\uDE00", "\\\\", "ud83d"], repeat=5):
        rest = '"name":"n","date":"2016-09-11T00:00Z","text":"' + "".join(pieces) + '"}'
        assert decoded('{"user_id":"u",' + rest).body == b"{" + rest.encode()


@pytest.mark.parametrize("tail", ['"x":"a\\ud83d"x}', '"x":"\\ud83d}', '"\\ud83d"}', '"x":["\\ud83d",]}'])
def test_a_lone_surrogate_does_not_make_json_of_what_is_not(tail: str) -> None:
    assert refusal('{"user_id":"u","name":"n",' + tail).startswith("not JSON")


def test_an_element_has_a_longest_length() -> None:
    element = b'{"user_id":"u","name":"n","date":"2016-09-11T18:04:23Z"}'
    assert decoded(element, max_bytes=len(element)).user == "u"
    assert refusal(element, max_bytes=len(element) - 1) == "too long: 56 bytes, at most 55 are allowed"


@pytest.mark.parametrize("user", ["1", "1234", '"u"', '"u-1"', '"\\n"'])
@pytest.mark.parametrize(
    "date", ["", ',"date":null', ',"date":"2016-09-11"', ',"date":"2016-09-11T18:04"', ',"date":"2016-09-11T18:04:23Z"']
)
def test_no_event_is_sent_or_replayed_longer_than_the_limit(user: str, date: str) -> None:
    element = ('{"user_id":' + user + ',"name":"n"' + date + "}").encode()
    body, again = decoded(element).body, with_date(element, STAMP)
    longest = max(len(element), len(again), len(encode_batch([body])))
    assert decode(again, stamp=STAMP + 10**12, max_bytes=longest).body == body, "with its first date"
    assert decoded(element, max_bytes=longest).body == body
    assert refusal(element, max_bytes=longest - 1).startswith("too long: ")


def test_an_event_that_is_too_long_with_its_date_says_so() -> None:
    element = '{"user_id":"u","name":"n"}'
    assert decoded(element, max_bytes=56).user == "u"
    said = "too long: 56 bytes once it is dated and sent, at most 55 are allowed"
    assert refusal(element, max_bytes=55) == said


def test_ten_megabytes_are_refused_without_being_read() -> None:
    assert refusal(b"[" * 10_000_000).startswith("too long: 10000000 bytes")


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_nesting_has_a_deepest_level(brackets: str) -> None:
    def nested(levels: int) -> str:
        opening = "[" if brackets == "[]" else '{"a":'
        inner = opening * levels + "1" + brackets[1] * levels
        return '{"user_id":"u","name":"n","x":' + inner + "}"

    assert decoded(nested(MAX_DEPTH - 1)).user == "u"
    assert refusal(nested(MAX_DEPTH)).startswith("nested too deep: 99 levels")
    assert refusal(nested(10_000)).startswith("nested too deep: 10001 levels")
    assert refusal("[" * 10_000).startswith("nested too deep")


def test_brackets_in_strings_do_not_count_as_nesting() -> None:
    text = json.dumps({"user_id": "u", "name": "n", "text": '[{\\"' * 500})
    assert decoded(text).user == "u"


@pytest.mark.parametrize("key", ["x", "\\ud83d", "\\n", "é"])
@pytest.mark.parametrize("repeated", [False, True])
def test_an_event_has_a_most_members(key: str, *, repeated: bool) -> None:
    def members(count: int) -> str:
        others = ",".join(f'"{key}{0 if repeated else n}":{{"a":[1,"b"],"c":2}}' for n in range(count - 3))
        return '{"user_id":"u","name":"n","date":"2016-09-11T18:04:23Z",' + others + "}"

    assert decoded(members(MAX_MEMBERS), max_bytes=100_000).user == "u"
    said = f"too many members: {MAX_MEMBERS + 1}, at most {MAX_MEMBERS} are allowed"
    assert refusal(members(MAX_MEMBERS + 1), max_bytes=100_000) == said
