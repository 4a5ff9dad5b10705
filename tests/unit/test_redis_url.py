import pytest

from forwarder.redis_url import Sentinels, check, passwords, sentinels


@pytest.mark.parametrize("url", ["redis://h", "redis://h:1/2", "rediss://u:p@h:1", "unix:///run/redis.sock?db=1"])
def test_a_plain_url_is_left_to_redis_py(url: str) -> None:
    check(url)
    assert sentinels(url) is None


def test_sentinels_are_hosts_and_a_name() -> None:
    url = "redis+sentinel://a,b:1,[::1]:2/shop"
    check(url)
    assert sentinels(url) == Sentinels((("a", 26379), ("b", 1), ("::1", 2)), "shop", db=0, tls=False)


def test_sentinels_and_their_master_have_passwords_of_their_own_that_never_show() -> None:
    url = "rediss+sentinel://me:p%40ss@a:1,b:2/shop/3?sentinel_password=q%2Fq"
    check(url)
    found = sentinels(url)
    assert found == Sentinels(
        (("a", 1), ("b", 2)), "shop", 3, tls=True, username="me", password="p@ss", sentinel_password="q/q"
    )
    assert "p@ss" not in repr(found)
    assert "q/q" not in repr(found)
    assert set(passwords(url)) == {"p%40ss", "p@ss", "q%2Fq", "q/q"}


def test_a_password_alone_is_enough() -> None:
    found = sentinels("redis+sentinel://:secret@a/shop")
    assert found is not None
    assert (found.username, found.password) == (None, "secret")
