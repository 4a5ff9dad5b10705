"""POSTs through a proxy, and with certificates of one's own: who gets what, and what a failure is taken for."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from forwarder import config
from forwarder.api.answer import Answer, Declined, Registered, Unanswered
from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.api.egress import DIRECT, Egress
from forwarder.errors import ConfigurationError
from tests.support.servers.http_proxy import answering, behind_tls, http_proxy, tinyproxy
from tests.support.servers.raw_api import RawApi, raw
from tests.support.service import free_port, port_of

LOGIN = "me:p%40ss"
#: `me:p@ss` in base64.
SENT = b"Proxy-Authorization: Basic bWU6cEBzcw=="
#: `:a-key` in base64.
KEY = b"Authorization: Basic OmEta2V5"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    file.write_text("# \u00c9preuve\n" + authority.cert_pem.bytes().decode())
    return file


@pytest.fixture(scope="module")
def trusting(ca_file: Path) -> Egress:
    """Trusts the authority too. Reading the system's certificates takes a while, so all tests share it."""
    return Egress.from_settings(config.load({"FORWARDER_API_CA_FILE": str(ca_file)}))


def through(proxy: str, egress: Egress = DIRECT) -> Egress:
    """The same certificates, through this proxy."""
    way = Egress.from_settings(config.load({"FORWARDER_API_PROXY": proxy}))
    return replace(way, tls=egress.tls)


@asynccontextmanager
async def encrypted(authority: trustme.CA, server: RawApi) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    async with behind_tls(context, port_of(server.url)) as url:
        yield url


def client(base: str, egress: Egress, **others: Any) -> Api:
    given = {"timeout": 5.0, **others}
    return Api(base=base, version="v6", credentials=Credentials("a-key", None), egress=egress, **given)


async def post(base: str, egress: Egress, **others: Any) -> Answer:
    async with client(base, egress, **others) as api:
        return await api.post("u/1", [b"{}"])


async def test_by_https_the_proxy_gets_its_password_and_the_api_its_key(
    authority: trustme.CA, trusting: Egress
) -> None:
    async with raw(times=0) as server, encrypted(authority, server) as url, http_proxy() as proxy:
        assert await post(url, through(proxy.url(LOGIN), trusting)) == Registered(202)
    (asked,), (request,) = proxy.heads, server.requests
    assert asked.startswith(b"CONNECT " + url.removeprefix("https://").encode() + b" HTTP/1.1\r\n")
    assert SENT in asked.splitlines()
    assert b"OmEta2V5" not in asked, "the key of the API is none of the proxy's business"
    assert request.startswith(b"POST /v6/users/u%2F1/events HTTP/1.1\r\n")
    assert KEY in request.splitlines()
    assert b"proxy" not in request.lower()


async def test_by_http_one_request_has_both_and_its_form_is_absolute() -> None:
    async with raw(times=0) as server, http_proxy() as proxy:
        assert await post(server.url, through(proxy.url(LOGIN))) == Registered(202)
    (asked,) = proxy.heads
    assert asked.startswith(f"POST {server.url}/v6/users/u%2F1/events HTTP/1.1\r\n".encode())
    assert {SENT, KEY} <= set(asked.splitlines())


async def test_a_tunnel_is_used_again_and_is_not_kept_for_ever(authority: trustme.CA, trusting: Egress) -> None:
    now = 0.0
    async with (
        raw(times=0) as server,
        encrypted(authority, server) as url,
        http_proxy() as proxy,
        client(url, through(proxy.address, trusting), clock=lambda: now) as api,
    ):
        while now < 44.0:
            assert await api.post("u", [b"{}"]) == Registered(202)
            now += 4.0
        assert len(proxy.heads) == 1
        now = 76.0
        assert await api.post("u", [b"{}"]) == Registered(202)
        assert len(proxy.heads) == 2
    assert all(b"Proxy-Authorization" not in head for head in proxy.heads), "nobody logs in without a user"


NO_WAY = "no connection through the proxy: "
REFUSALS = {
    "403": (answering(403), "the proxy answered 403"),
    "407": (answering(407), "the proxy answered 407: it wants a user and a password, or others"),
    "502": (answering(502), "the proxy answered 502"),
    "a redirect": (answering(302), "the proxy answered 302"),
    "closes": (b"HTTP/1.1 ", f"{NO_WAY}the connection was closed in the middle of an answer"),
    "closes after it": (answering(200), f"{NO_WAY}the connection was closed while it was being made"),
    "nonsense": (b"SSH-2.0-x\r\n\r\n", f"{NO_WAY}Bad status line: Expected HTTP/, RTSP/ or ICE/"),
    "silence": (b"", f"{NO_WAY}no connection in time"),
}


@pytest.mark.parametrize("how", REFUSALS)
async def test_a_proxy_that_gives_no_connection_is_named_and_nothing_was_sent(how: str) -> None:
    says, reason = REFUSALS[how]
    async with http_proxy(says) as proxy:
        patience = 0.2 if how == "silence" else 5.0
        answer = await post("https://api.example", through(proxy.address), timeout=patience)
    assert answer == Unanswered("proxy", ambiguous=False, reason=reason)


async def test_a_proxy_that_is_not_there_is_named() -> None:
    refused = Unanswered("proxy", ambiguous=False, reason=f"{NO_WAY}Connection refused (ECONNREFUSED)")
    assert await post("https://api.example", through(f"http://127.0.0.1:{free_port()}")) == refused
    unknown = await post("https://api.example", Egress("http://a..b:3128"))
    assert isinstance(unknown, Unanswered)
    assert (unknown.cause, unknown.ambiguous) == ("proxy", False)


WANTS = "it wants a user and a password, or others"
OBJECT = b'HTTP/1.1 401 Unauthorized\r\nContent-Length: 24\r\n\r\n{"error":"unauthorized"}'


@pytest.mark.parametrize(
    ("says", "reason"),
    [(answering(407), f"407: {WANTS}"), (answering(401), f"401: {WANTS}"), (answering(403), "403"), (OBJECT, "")],
)
async def test_by_http_a_refusal_is_the_proxys_unless_it_looks_like_the_apis(says: bytes, reason: str) -> None:
    async with http_proxy(says) as proxy:
        answer = await post("http://api.example", through(proxy.address))
        direct = await post(proxy.address, DIRECT)
    assert isinstance(direct, Declined)
    if reason:
        assert answer == Unanswered("proxy", ambiguous=False, reason=f"the proxy answered {reason}")
    else:
        assert answer == direct


async def test_what_breaks_in_a_tunnel_may_have_arrived(authority: trustme.CA, trusting: Egress) -> None:
    async with http_proxy() as proxy:

        async def cut(_: object) -> None:
            proxy.cut()

        async with raw(cut) as server, encrypted(authority, server) as url:
            answer = await post(url, through(proxy.address, trusting))
    assert isinstance(answer, Unanswered)
    assert (answer.cause, answer.ambiguous) == ("reset", True)


async def test_without_the_file_of_certificates_no_connection_is_trusted(
    authority: trustme.CA, trusting: Egress
) -> None:
    reason = "the certificate is not valid: unable to get local issuer certificate"
    async with raw(times=0) as server, encrypted(authority, server) as url, http_proxy() as proxy:
        for way in (DIRECT, through(proxy.address)):
            assert await post(url, way) == Unanswered("tls", ambiguous=False, reason=reason)
            assert await post(url, replace(way, tls=trusting.tls)) == Registered(202)


def test_the_systems_certificates_are_trusted_besides_those_in_the_file(trusting: Egress) -> None:
    tls = trusting.tls
    assert isinstance(tls, ssl.SSLContext)
    assert tls.cert_store_stats()["x509"] == ssl.create_default_context().cert_store_stats()["x509"] + 1
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)


HEADER = "-----BEGIN CERTIFICATE-----"
FILES = {
    "missing": (None, "cannot read {}: No such file or directory"),
    "a folder": ("/", "cannot read {}: Is a directory"),
    "empty": ("", "{} holds no certificate in PEM (" + HEADER + "), or a damaged one"),
    "not PEM": ("hello", "{} holds no certificate in PEM (" + HEADER + "), or a damaged one"),
    "damaged": (HEADER + "\nAAA\n-----END CERTIFICATE-----\n", "{} holds no certificate in PEM (" + HEADER + "), or a"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_holds_no_certificates_is_a_matter_of_configuration(what: str, tmp_path: Path) -> None:
    text, said = FILES[what]
    file = tmp_path if text == "/" else tmp_path / "ca.pem"
    if text not in {None, "/"}:
        file.write_text(str(text))
    with pytest.raises(ConfigurationError) as raised:
        Egress.from_settings(config.load({"FORWARDER_API_CA_FILE": str(file)}))
    (problem,) = raised.value.problems
    assert problem.startswith(f"FORWARDER_API_CA_FILE: {said.format(file)}")
    assert problem.endswith("; example: /etc/ssl/inspecting-ca.pem")


async def test_a_real_proxy_lets_in_who_it_knows_and_says_why_not(
    authority: trustme.CA, trusting: Egress, tmp_path: Path
) -> None:
    async with (
        raw(times=0) as server,
        encrypted(authority, server) as url,
        tinyproxy(tmp_path, "BasicAuth me pass-1", f"ConnectPort {port_of(url)}") as proxy,
    ):
        known = through(proxy.url("me:pass-1"), trusting)
        for base in (url, server.url):
            assert await post(base, known) == Registered(202)
            for login in ("me:wrong", "nobody"):
                answer = await post(base, through(proxy.url(login), trusting))
                assert isinstance(answer, Unanswered)
                assert (answer.cause, answer.ambiguous) == ("proxy", False)
        elsewhere = await post("https://localhost:1", known)
    assert elsewhere == Unanswered("proxy", ambiguous=False, reason="the proxy answered 403")
    assert len(server.requests) == 2
    assert not [request for request in server.requests if b"proxy-auth" in request.lower()]
