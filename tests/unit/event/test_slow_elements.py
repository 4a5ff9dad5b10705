"""How long the elements take that are the slowest to decode: the event loop does nothing else meanwhile."""

import json
import time
from collections.abc import Callable
from contextlib import suppress

from forwarder.errors import InvalidElementError
from forwarder.event import decode

LIMIT = 65_536
HEAD = b'{"user_id":"u","name":"n",'
#: Half a surrogate pair sends the whole element down the slowest way.
HALF = HEAD + b'"s":"\\ud83d",'


def full(start: bytes, piece: Callable[[int], bytes], end: bytes, most: int = LIMIT) -> bytes:
    """As many pieces as an element of the limit has room for, with commas between them."""
    room = LIMIT - len(start) - len(end)
    return start + b",".join(map(piece, range(min(most, room // (len(piece(0)) + 1))))) + end


SLOW = {
    "members": full(HEAD, lambda n: b'"%05d":1' % n, b"}"),
    "members and half a pair": full(HALF, lambda n: b'"%05d":1' % n, b"}"),
    "as many long members as are allowed": full(HALF, lambda n: b'"%s%03d":1' % (b"\\n" * 25, n), b"}", most=990),
    "the same member": full(HALF, lambda _: b'"":1', b"}"),
    "escapes that are not JSON": HEAD + b'"x":"' + b"\\n" * 32_000 + b'"x}',
    "backslashes that are not JSON": HEAD + b'"x":"' + b"\\\\" * 32_000 + b'"x}',
    "quotes in an endless string": HEAD + b'"y":[' + b"[]," * 100 + b'"' + b'\\"' * 32_000,
    "half pairs": HEAD + b'"x":"' + b"\\ud83d" * 10_900 + b'"}',
    "half pairs in a name": HEAD + b'"' + b"\\ud83d" * 10_800 + b'":1}',
    "pairs": HALF + b'"x":"' + b"\\ud83d\\ude00" * 5_400 + b'"}',
    "lists": full(HALF + b'"x":[', lambda _: b"[]", b"]}"),
    "objects": full(HALF + b'"x":[', lambda _: b'{"a":1}', b"]}"),
    "strings": full(HALF + b'"y":[' + b"[]," * 100 + b'""],"x":[', lambda _: b'""', b"]}"),
    "numbers": full(HALF + b'"x":[', lambda _: b"1.5", b"]}"),
    "one long number": HALF + b'"x":' + b"9" * 65_000 + b"}",
    "nesting": HEAD + b'"x":' + b"[" * 32_000 + b"]" * 32_000 + b"}",
    "endless nesting": HEAD + b'"x":' + b"[" * 65_000,
    "colons": b":" * LIMIT,
    "white space": HALF + b" " * 65_000 + b'"a":1}',
}


def least(work: Callable[[], object]) -> float:
    """Seconds of processor time, the least of three."""
    taken = []
    for _ in range(3):
        begun = time.thread_time()
        work()
        taken.append(time.thread_time() - begun)
    return min(taken)


def attempt(element: bytes) -> None:
    with suppress(InvalidElementError):
        decode(element, stamp=1_473_617_063_900_000, max_bytes=LIMIT)


def test_no_element_takes_much_longer_than_reading_as_many_bytes_of_json() -> None:
    plain = full(b"[", lambda n: b'{"%04d":%d}' % (n, n), b"]")
    usual = least(lambda: json.loads(plain))
    times = {name: least(lambda element=element: attempt(element)) / usual for name, element in SLOW.items()}  # type: ignore[misc]
    print({name: round(each, 1) for name, each in times.items()})
    assert max(map(len, SLOW.values())) <= LIMIT
    # Without the limit of members, or with a step of Python for each escape or bracket, it is 7 to 12 times as long.
    assert all(each < 6 for each in times.values()), times
