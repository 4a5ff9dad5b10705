"""Which addresses of a proxy are taken, and that none of them shows a secret."""

import pytest

from forwarder import config
from forwarder.config.proxy_url import ProxyUrl, parse
from forwarder.errors import ConfigurationError

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://proxy:3128", ProxyUrl("http://proxy:3128")),
        ("HTTP://proxy.example.com:8080/", ProxyUrl("http://proxy.example.com:8080")),
        ("http://[::1]:3128", ProxyUrl("http://[::1]:3128")),
        ("http://me@proxy:3128", ProxyUrl("http://proxy:3128", "me")),
        ("http://:word@proxy:3128", ProxyUrl("http://proxy:3128", "", "word")),
        ("http://me:a:b%40%2F%25%C3%A9@proxy:3128", ProxyUrl("http://proxy:3128", "me", "a:b@/%é")),
    ],
)
def test_an_address_and_who_logs_in_there(url: str, expected: ProxyUrl) -> None:
    assert parse(url) == expected


WRONG = {
    "": "must be http://host:port or",
    "proxy:3128": "must be http://host:port or",
    "http://proxy": "must be http://host:port or",
    "http://[::1]": "must be http://host:port or",
    "http://proxy:3128/path": "must be http://host:port or",
    "http://proxy:3128?x": "must be http://host:port or",
    f"http://me:a@{SECRET}@proxy:3128": "write %40 for @",
    f"http://me:a/{SECRET}@proxy:3128": "%2F for /",
    f"https://me:{SECRET}@proxy:3128": "TLS to the proxy is not supported",
    f"socks5://me:{SECRET}@proxy:1080": "SOCKS and other kinds of proxies are not supported",
    "http://proxy:0": "has a port that is not a number from 1 to 65535",
    f"http://proxy:{SECRET}": "has a port that is not a number from 1 to 65535",
    "http://pröxy:3128": "ASCII host",
    f"http://me:100%{SECRET}@proxy:3128": "such as %25 for %",
    f"http://me:{SECRET}\u00e9@proxy:3128": "must be percent-encoded",
    f"http://m%3Ae:{SECRET}@proxy:3128": "has a user with a colon",
    f"http://me:{SECRET}%0D%0AX@proxy:3128": "control character",
}


@pytest.mark.parametrize("url", WRONG)
def test_what_is_wrong_is_said_without_showing_any_of_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        config.load({"FORWARDER_API_PROXY": url})
    (problem,) = raised.value.problems
    assert problem.startswith("FORWARDER_API_PROXY: ")
    assert WRONG[url] in problem
    assert problem.endswith("; example: http://proxy.example.com:3128")
    assert SECRET not in problem


def test_the_password_is_a_secret_encoded_and_decoded_and_shows_nowhere() -> None:
    settings = config.load({"FORWARDER_API_PROXY": f"http://me:{SECRET}%40@proxy:3128"})
    assert {f"{SECRET}%40", f"{SECRET}@"} <= set(config.secrets(settings))
    assert settings.api_proxy is not None
    parsed = parse(settings.api_proxy.get_secret_value())
    assert SECRET not in f"{settings!r} {settings} {settings.model_dump_json()} {parsed!r}"


def test_an_address_without_a_password_is_no_secret() -> None:
    assert "http://proxy:3128" not in config.secrets(config.load({"FORWARDER_API_PROXY": "http://proxy:3128"}))
