"""The script of an idempotent push by itself, on each kind of Redis: what it pushes, and what it leaves alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError, ResponseError

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue.wire.scripts import source

DIGEST = 9_223_372_034  # the largest
LIFETIME = 60_000


class Pushes:
    """The script on a list of the test's own."""

    def __init__(self, redis: Redis, name: str) -> None:
        self.redis = redis
        self.name = name
        self.marker = f"{{{name}}}:pushed:key"

    def __call__(
        self, *elements: str, verb: str = "RPUSH", digest: object = DIGEST, offset: object = 0, most: object = 0
    ) -> Any:
        return self.with_lifetime(LIFETIME, verb, digest, offset, most, *elements)

    def with_lifetime(self, lifetime: object, *arguments: Any) -> Any:
        first, elements = [str(each) for each in arguments[:4]], arguments[4:]
        words = [source("push_once"), "2", self.name, self.marker, *first, str(lifetime), *elements]
        return self.redis.execute_command("EVAL", *words)  # type: ignore[no-untyped-call]

    @property
    def found(self) -> bytes:
        """The elements of the list, each of one letter, in a row."""
        found: Any = self.redis.lrange(self.name, 0, -1)
        return b"".join(found)

    @property
    def state(self) -> Any:
        return self.found, self.redis.get(self.marker)


@pytest.fixture
def pushes(each_server: EmbeddedRedis, queue_name: str) -> Iterator[Pushes]:
    with Redis.from_url(each_server.url) as redis:
        yield Pushes(redis, queue_name)


@contextmanager
def full(redis: Redis) -> Iterator[None]:
    redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        redis.config_set("maxmemory", 0)


def test_a_repeated_command_pushes_nothing_and_changes_nothing(pushes: Pushes) -> None:
    assert pushes("a", "b", "c") == [3, b"ok"]
    assert pushes.state == (b"abc", b"9223372034000000003")
    assert 0 < pushes.redis.pttl(pushes.marker) <= LIFETIME
    pushes.redis.pexpire(pushes.marker, 5_000)
    for _ in range(3):
        assert pushes("a", "b", "c") == [3, b"ok"]
    assert pushes.state == (b"abc", b"9223372034000000003")
    assert 0 < pushes.redis.pttl(pushes.marker) <= 5_000, "it lives as long as it was to live"


def test_a_repeated_command_whose_events_have_left_the_list_pushes_nothing(pushes: Pushes) -> None:
    pushes("a", "b")
    pushes.redis.delete(pushes.name)
    assert pushes("a", "b") == [2, b"ok"]
    assert pushes.found == b""


def test_the_next_command_of_a_push_goes_on_at_its_offset(pushes: Pushes) -> None:
    assert pushes("a", "b") == [2, b"ok"]
    pushes.redis.pexpire(pushes.marker, 5_000)
    assert pushes("c", "d", offset=2) == [4, b"ok"]
    assert pushes.redis.pttl(pushes.marker) > 5_000, "each part of a push extends the life of its marker"
    assert pushes("a", "b") == [4, b"ok"]
    assert pushes("c", "d", offset=2) == [4, b"ok"]
    assert pushes("b", "c", "d", "e", offset=1) == [5, b"ok"], "cut in other places, with one event more"
    assert pushes.state == (b"abcde", b"9223372034000000005")


def test_the_bound_lets_a_part_in_and_later_the_rest(pushes: Pushes) -> None:
    assert pushes("a", "b", "c", "d", "e", most=2) == [2, b"full"]
    assert pushes("a", "b", "c", "d", "e", most=2) == [2, b"full"]
    assert pushes("a", "b", "c", "d", "e", most=4) == [4, b"full"]
    pushes.redis.ltrim(pushes.name, 3, -1)
    assert pushes("a", "b", "c", "d", "e", most=4) == [5, b"ok"]
    assert pushes("a", "b", "c", "d", "e", most=1) == [5, b"ok"], "what is done is done, however many wait"
    assert pushes.found == b"de"


def test_a_list_without_room_gets_no_marker(pushes: Pushes) -> None:
    pushes.redis.rpush(pushes.name, "x")
    assert pushes("a", most=1) == [0, b"full"]
    assert pushes.state == (b"x", None)


def test_other_events_under_the_same_key_are_not_pushed(pushes: Pushes) -> None:
    pushes("a")
    assert pushes("b", digest=1) == [0, b"other"]
    assert pushes("b", digest=1, offset=1) == [0, b"other"]
    assert pushes.state == (b"a", b"9223372034000000001")


def test_a_marker_that_nobody_could_have_written_is_left_alone(pushes: Pushes) -> None:
    for text in (b"", b"nonsense", b"12", b"000000001", b"-9223372034000000001"):
        pushes.redis.set(pushes.marker, text)
        assert pushes("a") == [0, b"other"]
        assert pushes.state == (b"", text)


def test_what_redis_has_forgotten_is_a_gap(pushes: Pushes) -> None:
    assert pushes("c", offset=2) == [0, b"gap"]
    assert pushes.state == (b"", None)
    pushes("a")
    assert pushes("c", offset=2) == [1, b"gap"]
    assert pushes.state == (b"a", b"9223372034000000001")


def test_events_pushed_at_the_left_are_in_the_order_of_lpush(pushes: Pushes) -> None:
    assert pushes("a", "b", "c", verb="LPUSH", most=2) == [2, b"full"]
    assert pushes("a", "b", "c", verb="LPUSH") == [3, b"ok"]
    assert pushes.found == b"cba"


def test_a_full_redis_takes_nothing_new_and_answers_what_is_done(pushes: Pushes) -> None:
    pushes("a", "b")
    with full(pushes.redis):
        assert pushes("a", "b") == [2, b"ok"]
        with pytest.raises((OutOfMemoryError, ResponseError), match=r"OOM|maxmemory"):
            pushes("c", offset=2)
        with pytest.raises((OutOfMemoryError, ResponseError), match=r"OOM|maxmemory"):
            pushes("a", "b", "c")
        pushes.redis.delete(pushes.marker)
        with pytest.raises((OutOfMemoryError, ResponseError), match=r"OOM|maxmemory"):
            pushes("c")
        assert pushes.state == (b"ab", None)
    assert pushes("c") == [1, b"ok"]


def test_a_list_of_another_type_takes_nothing_and_counts_nothing(pushes: Pushes) -> None:
    pushes.redis.hset(pushes.name, "field", "value")
    for most in (0, 5):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            pushes("a", most=most)
    pushes.redis.delete(pushes.name)
    assert pushes("a") == [1, b"ok"]
    assert pushes.found == b"a"


def test_a_marker_of_another_type_takes_nothing(pushes: Pushes) -> None:
    pushes.redis.hset(pushes.marker, "field", "value")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        pushes("a")
    assert pushes.redis.hgetall(pushes.marker) == {b"field": b"value"}
    assert pushes.found == b""


WRONG: list[tuple[Any, ...]] = [
    (LIFETIME, "RPUSH", DIGEST, 0, 0),
    (LIFETIME, "DEL", DIGEST, 0, 0, "a"),
    (LIFETIME, "RPUSH", DIGEST + 1, 0, 0, "a"),
    (LIFETIME, "RPUSH", 0, 0, 0, "a"),
    (LIFETIME, "RPUSH", "01", 0, 0, "a"),
    (LIFETIME, "RPUSH", "", 0, 0, "a"),
    (LIFETIME, "RPUSH", DIGEST, -1, 0, "a"),
    (LIFETIME, "RPUSH", DIGEST, 0.5, 0, "a"),
    (LIFETIME, "RPUSH", DIGEST, 999_999_999, 0, "a"),
    (LIFETIME, "RPUSH", DIGEST, 0, -1, "a"),
    (LIFETIME, "RPUSH", DIGEST, 0, "many", "a"),
    (0, "RPUSH", DIGEST, 0, 0, "a"),
    (0.5, "RPUSH", DIGEST, 0, 0, "a"),
    ("soon", "RPUSH", DIGEST, 0, 0, "a"),
    (LIFETIME, "RPUSH", DIGEST, 0, 0, *["a"] * 7_001),
]


def test_wrong_arguments_are_refused_before_anything_is_written(pushes: Pushes) -> None:
    for arguments in WRONG:
        with pytest.raises(ResponseError, match="push_once: wrong arguments"):
            pushes.with_lifetime(*arguments)
    assert pushes.state == (b"", None)


def test_as_many_events_as_allowed_go_in_one_command(pushes: Pushes) -> None:
    assert pushes(*"a" * 7_000) == [7_000, b"ok"]
    assert pushes(*"a" * 7_000, most=6_000) == [7_000, b"ok"]
    assert pushes.redis.llen(pushes.name) == 7_000


def test_a_replica_answers_nothing_whatever_it_knows_of_the_push(pushes: Pushes) -> None:
    """It may have been the master, and may know what its new master does not. It may also know less."""
    pushes("a")
    pushes.redis.replicaof("127.0.0.1", "1")
    try:
        for again in (
            partial(pushes, "a"),
            partial(pushes, "b", digest=1),  # other
            partial(pushes, "b", offset=2),  # a gap
            partial(pushes, "a", "b", most=1),  # full
        ):
            with pytest.raises((ReadOnlyError, ResponseError), match=r"(?i)read only replica"):
                again()
    finally:
        pushes.redis.replicaof("no", "one")


RIGHTS = ["+get", "+evalsha", "+eval", "+setnx", "+getex", "+incrby", "+rpush"]


@contextmanager
def user(redis: Redis, name: str, *words: str) -> Iterator[Redis]:
    """A connection of a user with these rights."""
    redis.execute_command("ACL", "SETUSER", name, "reset", "on", ">secret", "resetchannels", "-@all", *words)  # type: ignore[no-untyped-call]
    kwargs: Any = redis.connection_pool.connection_kwargs
    client = Redis(host=kwargs["host"], port=kwargs["port"], username=name, password="secret")
    try:
        with client:
            yield client
    finally:
        redis.execute_command("ACL", "DELUSER", name)  # type: ignore[no-untyped-call]


def test_each_right_is_needed_and_without_it_nothing_is_pushed(pushes: Pushes) -> None:
    words = [right for right in RIGHTS if right != "+evalsha"]
    words += [f"~{pushes.name}", f"~{{{pushes.name}}}:pushed:*"]
    for missing in words:
        with (
            user(pushes.redis, f"producer-{pushes.name}", *(word for word in words if word != missing)) as client,
            pytest.raises(ResponseError, match=r"(?i)permission|can't (run|access)"),
        ):
            Pushes(client, pushes.name)("a")
        assert pushes.found == b"", missing
    with user(pushes.redis, f"producer-{pushes.name}", *words) as client:
        allowed = Pushes(client, pushes.name)
        assert allowed("a") == allowed("a") == [1, b"ok"], "the same push goes on"


def test_none_of_these_rights_can_harm_a_list(pushes: Pushes) -> None:
    pushes.redis.rpush(pushes.name, "a", "b")
    words = [*RIGHTS, f"~{pushes.name}", f"~{{{pushes.name}}}:pushed:*"]
    with user(pushes.redis, f"producer-{pushes.name}", *words) as client:
        assert client.setnx(pushes.name, "x") == 0
        for word, *rest in (("GETEX", "PX", "1"), ("GETEX", "PERSIST"), ("INCRBY", "1")):
            with pytest.raises(ResponseError, match="WRONGTYPE"):
                client.execute_command(word, pushes.name, *rest)  # type: ignore[no-untyped-call]
        for word, *rest in (("SET", "x"), ("DEL",), ("PEXPIRE", "1"), ("RENAME", "x"), ("LTRIM", "1", "1")):
            with pytest.raises(NoPermissionError):
                client.execute_command(word, pushes.name, *rest)  # type: ignore[no-untyped-call]
    assert pushes.found == b"ab"
    assert pushes.redis.pttl(pushes.name) == -1
