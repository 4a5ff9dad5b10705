import pytest

from forwarder.queue.wire.url import Cluster, Sentinels, check, hosts, passwords


@pytest.mark.parametrize("url", ["redis://h", "redis://h:1/2", "rediss://u:p@h:1", "unix:///run/redis.sock?db=1"])
def test_a_plain_url_is_left_to_redis_py(url: str) -> None:
    check(url)
    assert hosts(url) is None


def test_sentinels_are_hosts_and_a_name() -> None:
    url = "redis+sentinel://a,b:1,[::1]:2/shop"
    check(url)
    assert hosts(url) == Sentinels((("a", 26379), ("b", 1), ("::1", 2)), tls=False, name="shop")


def test_sentinels_and_their_master_have_passwords_of_their_own_that_never_show() -> None:
    url = "rediss+sentinel://me:p%40ss@a:1,b:2/shop/3?sentinel_password=q%2Fq&ssl_ca_certs=/etc/ca.pem"
    check(url)
    found = hosts(url)
    assert found == Sentinels(
        (("a", 1), ("b", 2)),
        tls=True,
        username="me",
        password="p@ss",
        tls_options={"ssl_ca_certs": "/etc/ca.pem"},
        name="shop",
        db=3,
        sentinel_password="q/q",
    )
    assert "p@ss" not in repr(found)
    assert "q/q" not in repr(found)
    assert set(passwords(url)) == {"p%40ss", "p@ss", "q%2Fq", "q/q"}


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("redis://h/0?password=p%40ss&db=1", {"p%40ss", "p@ss"}),
        ("unix:///run/redis.sock?db=0&password=a+b#c", {"a+b", "a b"}),
        ("rediss://:one@h/0?ssl_password=two&socket_timeout=3", {"one", "two"}),
        ("redis://h/0?db=1", set()),
    ],
)
def test_a_password_that_is_an_option_of_the_url_is_known_too(url: str, known: set[str]) -> None:
    assert set(passwords(url)) == known


def test_a_password_alone_is_enough() -> None:
    found = hosts("redis+sentinel://:secret@a/shop")
    assert found is not None
    assert (found.username, found.password) == (None, "secret")


@pytest.mark.parametrize("end", ["", "/", "/0"])
def test_a_cluster_is_some_of_its_nodes(end: str) -> None:
    url = f"redis+cluster://a,b:1{end}"
    check(url)
    assert hosts(url) == Cluster((("a", 6379), ("b", 1)), tls=False)


def test_a_cluster_by_tls_has_its_files_in_the_url() -> None:
    url = "rediss+cluster://me:p%40ss@a:1?ssl_ca_certs=/ca.pem&ssl_certfile=/my%20chain.pem&ssl_keyfile=/k.pem"
    found = hosts(url)
    assert found is not None
    assert found.tls_options == {"ssl_ca_certs": "/ca.pem", "ssl_certfile": "/my chain.pem", "ssl_keyfile": "/k.pem"}
    assert set(passwords(url)) == {"p%40ss", "p@ss"}


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster:///",
        "redis+cluster://a/1",
        "redis+cluster://a/0/0/0",
        "redis+cluster://a?ssl_ca_certs=/ca.pem",
        "rediss+cluster://a?ssl_whatever=1",
        "redis+cluster://a?sentinel_password=x",
        "redis+cluster://a,,b",
        "redis+cluster://a:0",
        "redis+sentinel://a",
        "redis+sentinel://a/",
        "redis+sentinel://a/name?db=1",
    ],
)
def test_what_cannot_be_connected_to_is_refused_and_quoted_nowhere(url: str) -> None:
    with pytest.raises(ValueError, match=r"redis\+cluster") as caught:
        check(url)
    assert url not in str(caught.value)
