import pytest

from forwarder import config
from forwarder.config.api_url import check, shown
from forwarder.errors import ConfigurationError

LABEL = "a" * 63


@pytest.mark.parametrize(
    "url",
    [
        "https://api.carnivalmobile.com",
        "https://api.carnivalmobile.com/",
        "HTTP://API.example.com.",
        "http://127.0.0.1:8080",
        "http://[::1]:8080/base",
        "http://stand_in:1",
        "http://xn--bcher-kva.example",
        "http://host/a%20b/c;d=e/@:!$&'()*+,~-._%2F",
        "http://host//twice/...",
        f"https://{LABEL}.example:65535",
    ],
)
def test_an_address_that_is_sent_as_it_is_written_is_taken(url: str) -> None:
    check(url)
    assert config.load({"FORWARDER_API_URL": url}).api_url == url


WRONG = {
    "blanks or control": [
        "http://host/a b",
        " http://host",
        "http://host ",
        "http://ho\tst",
        "http://host/\n",
        "http://host/\x00",
        "http://host/\x7f",
        "http://host/\u00a0",
        "http://host/\u200b",
    ],
    "with a host": ["hostess", "//host", "ftp://host", "http:/host", "http:host", "https:///", "http:///path"],
    "user or a password": ["http://user:password@host", "http://@host", "http://key@host/"],
    "query": ["http://host?", "http://host/?key=1", "http://host#", "http://host/#part", "http://host/a?b#c"],
    "port": [
        "http://::1",
        "http://host:0",
        "http://host:",
        "http://host:65536",
        "http://host:+80",
        "http://host:-1",
        "http://host:\uff18\uff10",
        "http://host:8_0",
        "http://host:http",
        f"http://host:{'9' * 5_000}",
    ],
    "ASCII host": ["http://bücher.example", "http://\uff48ost", "http://host\u3002example"],
    "letters, digits": [
        "http://a..b",
        "http://.host",
        "http://host\\x",
        "http://h%41",
        "http://ho<st>",
        "http://[::1",
        "http://[::1]x",
        "http://:80",
    ],
    "between two dots": [f"http://{LABEL}a.example"],
    "253 characters": [f"http://{'.'.join([LABEL] * 4)}"],
    "IPv6": ["http://[host]", "http://[127.0.0.1]", "http://[]", "http://[v1.x]", "http://[::g]"],
    "percent-encoded": [
        'http://host/"',
        "http://host/ä",
        "http://host/%",
        "http://host/%2",
        "http://host/%zz",
        "http://host/a\\b",
        "http://host/<a>",
        "http://host/{a}",
        "http://host/a|b",
        "http://host/^`",
        "http://host/[a]",
    ],
    ". or ..": ["http://host/../a", "http://host/.", "http://host/a/%2E%2e/b", "http://host/a/.%2e"],
}


@pytest.mark.parametrize(("why", "url"), [(why, url) for why, urls in WRONG.items() for url in urls])
def test_any_other_is_refused_in_one_line_that_says_why_and_shows_nothing_of_it(why: str, url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        config.load({"FORWARDER_API_URL": url})
    (problem,) = raised.value.problems
    assert problem.startswith("FORWARDER_API_URL: ")
    assert why in problem
    assert "\n" not in problem
    assert url not in problem


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://api.carnivalmobile.com", "https://api.carnivalmobile.com"),
        ("https://api.carnivalmobile.com/", "https://api.carnivalmobile.com"),
        ("http://[::1]:8080/s3cret/base", "http://[::1]:8080/…"),
    ],
)
def test_a_log_shows_the_host_and_no_path_as_it_may_contain_a_secret(url: str, said: str) -> None:
    assert shown(url) == said
