import pytest
from redis.connection import parse_url

from forwarder.queue.wire.url import Cluster, Sentinels, Server, User, parse, passwords, shown

SECRET = "s3cret"


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h/",
        "redis://h:1/2",
        "redis://my_host-1.example:65535/15/",
        "redis://h?db=3",
        "redis://u:p@h:1",
        "redis://u:@h",
        "redis://:a:b@h",
        "redis://:p%40%2F%3A+%C3%A9%25@h",
        "redis://[::1]:7/1",
        "rediss://u:p@h:1/1?ssl_ca_certs=/my%20ca.pem&ssl_certfile=/c%2B.pem&ssl_keyfile=/k.pem",
        "unix:///run/redis.sock",
        "unix:///run/my%20redis.sock?db=1",
        "unix://u:p@/run/redis.sock",
    ],
)
def test_a_url_of_one_redis_means_what_it_means_to_redis_py(url: str) -> None:
    found, theirs = parse(url), parse_url(url)  # type: ignore[no-untyped-call]
    assert isinstance(found, Server)
    assert (found.user.name, found.user.password) == (theirs.get("username"), theirs.get("password"))
    assert (found.host, found.path, found.db) == (theirs.get("host", ""), theirs.get("path"), theirs.get("db", 0))
    assert found.path is not None or found.port == theirs.get("port", 6379)
    assert found.tls == url.startswith("rediss")
    assert found.tls_options == {name: value for name, value in theirs.items() if name.startswith("ssl_")}


def test_sentinels_are_hosts_and_a_name() -> None:
    url = "redis+sentinel://a,b:1,[::1]:2/shop"
    assert parse(url) == Sentinels(hosts=(("a", 26379), ("b", 1), ("::1", 2)), name="shop")


def test_sentinels_and_their_master_have_users_of_their_own_whose_passwords_never_show() -> None:
    url = (
        "rediss+sentinel://me:p%40ss@a:1,b:2/shop/3"
        "?sentinel_username=she&sentinel_password=q%2Fq&ssl_ca_certs=/etc/ca.pem"
    )
    found = parse(url)
    assert found == Sentinels(
        User("me", "p@ss"),
        tls=True,
        tls_options={"ssl_ca_certs": "/etc/ca.pem"},
        hosts=(("a", 1), ("b", 2)),
        name="shop",
        db=3,
        sentinel=User("she", "q/q"),
    )
    assert "p@ss" not in repr(found)
    assert "q/q" not in repr(found)
    assert set(passwords(url)) == {"p%40ss", "p@ss", "q%2Fq", "q/q"}


@pytest.mark.parametrize("end", ["", "/", "/0"])
def test_a_cluster_is_some_of_its_nodes(end: str) -> None:
    assert parse(f"redis+cluster://a,b:1{end}") == Cluster(hosts=(("a", 6379), ("b", 1)))


def test_a_cluster_by_tls_has_its_files_in_the_url() -> None:
    url = "rediss+cluster://me:p%40ss@a:1?ssl_ca_certs=/ca.pem&ssl_certfile=/my%20chain.pem&ssl_keyfile=/k.pem"
    found = parse(url)
    assert found.tls_options == {"ssl_ca_certs": "/ca.pem", "ssl_certfile": "/my chain.pem", "ssl_keyfile": "/k.pem"}
    assert set(passwords(url)) == {"p%40ss", "p@ss"}


def test_two_addresses_that_differ_in_who_logs_in_are_the_same_place() -> None:
    for one, other in [
        ("redis://a:b@h/1", "redis://c@h/1"),
        ("redis+cluster://:b@h,i", "redis+cluster://h,i"),
        ("redis+sentinel://:b@h/n?sentinel_password=x", "redis+sentinel://h/n?sentinel_username=y"),
    ]:
        assert parse(one).place == parse(other).place
    places = ("redis://h", "redis://h/1", "redis://h:1", "redis://i", "rediss://h", "unix:///h", "redis+cluster://h")
    assert len({str(parse(url).place) for url in places}) == len(places)


REFUSED = {
    "redis://h/production": "number of a database",
    "redis://h/1/2": "number of a database",  # to redis-py, 12
    "redis://h//": "number of a database",
    "redis://h/-1": "number of a database",
    "redis://h/%31": "number of a database",
    "redis://h/9999999999": "number of a database",
    "redis://h?db=one": "number of a database",
    "redis://h/1?db=2": "the database twice",
    "redis://h?db=1&db=2": r"\(db\) twice",
    "redis://h?db=": r"\(db\).* without a value",
    "redis://h?": "not known",
    "redis://h?decode_responses=true": r"not known here \(decode_responses\); known: db",
    "redis://h?socket_timeout=1": "not known",
    "redis://h?password=s3cret": r"not known here \(password\)",
    "redis://h?ssl_ca_certs=/ca.pem": "rediss://",
    "rediss://h?ssl_cert_reqs=none": r"ssl_cert_reqs.*known: db, ssl_ca_certs",
    "rediss://h?ssl_ca_certs=/a+b.pem": "%2B",
    "rediss://h?ssl_ca_certs=/%zz.pem": "%25",
    "redis://#h": "has a #",  # to redis-py, localhost
    "redis://h/0#": "has a #",
    "redis://u:s3cr#et@h/0": "has a #.*write.*%23 for #",
    "redis://u:s3cr/et@h/0": "before the @.*%2F for /",
    "redis://u:1/s3cret@h/0": "before the @.*%2F for /",
    "redis://u:1?s3cret=@h/0": "not known here;.*%3F for ?",
    "redis://u:s3cr@et@h/0": "two @.*%40 for @",
    "redis://:s3%cret@h": "a % in the password.*%25",
    "redis://:s3%ffcret@h": "not UTF-8",
    "redis://h:0": "port",
    "redis://h:65536": "port",
    "redis://h:": "port",
    "redis://h:six": "host",
    "redis://:6379": "host",
    "redis://6379": "host",
    "redis://": "host",
    "redis:///0": "host",
    "redis://[::x]": "IPv6",
    "redis://[::1": "host",
    "redis://a,b": "several hosts",
    "redis:// h": "blank",
    "redis://h\n": "blank",
    "redis://h\u200b": "invisible",
    "": "must be redis://",
    "h:6379": "must be redis://",
    "REDIS://h": "must be redis://",
    "http://h": "must be redis://",
    "valkey://h": "must be redis://",
    "unix://run/redis.sock": "three slashes",
    "unix:///": "three slashes",
    "unix:///run/": "three slashes",
    "redis+cluster:///": "host",
    "redis+cluster://a/1": "only database 0",
    "redis+cluster://a/0/0/0": "only database 0",
    "redis+cluster://a?ssl_ca_certs=/ca.pem": "rediss",
    "rediss+cluster://a?ssl_whatever=1": "ssl_whatever",
    "redis+cluster://a?sentinel_password=x": "known: none",
    "redis+cluster://a,,b": "host",
    "redis+cluster://a:0": "port",
    "redis+sentinel://a": "name of a master",
    "redis+sentinel://a/": "name of a master",
    "redis+sentinel://a/name/x": "name of a master",
    "redis+sentinel://a/name/1/2": "name of a master",
    "redis+sentinel://a/name?db=1": r"\(db\); known: sentinel_password, sentinel_username",
}


@pytest.mark.parametrize(("url", "said"), REFUSED.items())
def test_what_redis_py_would_ignore_or_misread_is_refused_in_one_line_that_quotes_no_password(
    url: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse(url)
    assert "\n" not in str(caught.value)
    assert "s3c" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("redis://h/0?password=p%40ss&db=1", {"p%40ss", "p@ss"}),
        ("rediss://:one@h/0?ssl_password=two&socket_timeout=3", {"one", "two"}),
        ("redis://h/0?db=1", set()),
    ],
)
def test_the_passwords_of_a_url_that_is_refused_are_known_too(url: str, known: set[str]) -> None:
    assert set(passwords(url)) == known


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"redis://me:{SECRET}@h:1/2", "redis://h:1/2"),
        (f"rediss://:{SECRET}@h/?db=3&ssl_keyfile=/k.pem", "rediss://h/?db=3"),
        (f"unix://:{SECRET}@/run/re@dis.sock?db=1", "unix:///run/re@dis.sock?db=1"),
        (
            f"redis+sentinel://me:{SECRET}@a,b:1/shop/2?sentinel_password={SECRET}",
            "redis+sentinel://a,b:1/shop/2",
        ),
        (f"redis+cluster://:{SECRET}@a,[::1]:2", "redis+cluster://a,[::1]:2"),
    ],
)
def test_a_log_shows_where_a_redis_is_and_not_who_logs_in(url: str, said: str) -> None:
    parse(url)
    assert shown(url) == said
