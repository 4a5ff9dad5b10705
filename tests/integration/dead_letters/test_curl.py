"""The curl that `forwarder dead show` prints sends what the service sends, byte for byte."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.config import Settings, load
from forwarder.dead_letters.curl import curl
from forwarder.errors import InvalidElementError
from forwarder.event import decode
from forwarder.queue.letters import DeadLetter
from tests.support.servers.http_proxy import http_proxy
from tests.support.servers.raw_api import RawApi, raw

KEY = "k3y$'\"\\ü"
ELEMENTS = {
    "plain": b'{"user_id":"u-1","name":"purchase","date":"2016-09-11T18:04:23Z"}',
    "without a date": b'{"user_id":7,"name":"n","price":1.10}',
    "quotes": b"""{"user_id":"it's","name":"'","x":"'\\\\'' \\" `id` $(id) $HOME !! %s %%","date":"2020-01-01"}""",
    "not ASCII": '{"user_id":"a/b?é\U0001f600","name":"日本","x":"\u202e\u2028\x7f\x9b","date":"2020-01-01"}'.encode(),
    "line breaks": b'{"user_id":"u",\r\n\t"name":"n" ,\n "x": [1,\r\n2],"date":"2020-01-01"}',
    "escapes": b'{"user_id":"u\\u0000\\r\\n","name":"\\u001b[31m","x":"\\ud83d","date":"2020-01-01"}',
    "brackets": b'{"user_id":"[1-9]{a,b}","name":"n","date":"2020-01-01"}',
    "2 KB": b'{"user_id":"u","name":"n","date":"2020-01-01","x":"%b"}' % (b"x" * 2_000),
    "1.2 MB": b'{"user_id":"u","name":"n","date":"2020-01-01","x":"%b"}' % (b"x" * 1_200_000),
    "300 KB": '{{"user_id":"u","name":"n","date":"2020-01-01","x":"{}"}}'.format("é'%\\\\" * 60_000).encode(),
}


def letter(element: bytes) -> DeadLetter:
    return DeadLetter("1-0", element, "rejected", "400", "", "u", 1_700_000_000_123_456, 1)


def settings_for(url: str, **others: object) -> Settings:
    given: dict[str, object] = {
        "api_url": url,
        "api_key": KEY,
        "max_event_bytes": 2_000_000,
        "max_body_bytes": 2_000_000,
    }
    return load({}, **given, **others)


def split(request: bytes) -> tuple[bytes, Mapping[bytes, bytes], bytes]:
    """First line, headers and body of a request."""
    head, body = request.split(b"\r\n\r\n", 1)
    first, *lines = head.split(b"\r\n")
    return first, {name.lower(): value for name, value in (line.split(b": ", 1) for line in lines)}, body


async def by_shell(command: bytes) -> bytes:
    # POSIX: no shell's own quoting, and nothing of this machine's curl settings or proxies.
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "FORWARDER_API_KEY": KEY, "LC_ALL": "C"},
    )
    out, err = await asyncio.wait_for(process.communicate(command + b"\n"), 30)
    assert process.returncode == 0, err.decode()
    return out


async def sent_both_ways(api: RawApi, element: bytes, given: Settings) -> tuple[bytes, bytes]:
    event = decode(element, stamp=letter(element).claimed_at, max_bytes=int(given.max_event_bytes))
    async with Api.from_settings(given, Credentials.from_settings(given)) as client:
        await client.post(event.user, [event.body])
    answer = await by_shell(curl(letter(element), given))
    assert answer.startswith(b"HTTP/1.1 202")
    service, command = api.requests
    return service, command


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # so large by max_event_bytes
@pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
async def test_the_command_sends_what_the_service_sends(element: bytes) -> None:
    async with raw(times=0) as api:
        service, command = await sent_both_ways(api, element, settings_for(api.url))
    (line, headers, body), (its_line, its_headers, its_body) = split(service), split(command)
    assert (its_line, its_body) == (line, body)
    for name in (b"host", b"authorization", b"content-type", b"accept", b"content-length"):
        assert its_headers[name] == headers[name]
    assert b"expect" not in its_headers


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
async def test_an_address_with_brackets_a_path_and_another_version_is_the_same() -> None:
    try:
        server = await asyncio.start_server(RawApi(lambda _: asyncio.sleep(0), 0).serve, "::1", 0)
    except OSError:
        pytest.skip("there is no IPv6 here")
    server.close()
    api = RawApi(lambda _: asyncio.sleep(0), 0)
    async with await asyncio.start_server(api.serve, "::1", 0) as server:
        given = settings_for(
            f"http://[::1]:{server.sockets[0].getsockname()[1]}/x%5B1-2%5D;a,b=$'()*/y/", api_version="v5"
        )
        service, command = await sent_both_ways(api, ELEMENTS["plain"], given)
    assert split(service)[0] == split(command)[0] == b"POST /x%5B1-2%5D;a,b=$'()*/y/v5/users/u-1/events HTTP/1.1"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
async def test_the_command_goes_through_the_proxy_of_the_service_and_does_not_show_its_password(tmp_path: Path) -> None:
    async with raw(times=0) as api, http_proxy() as proxy:
        given = settings_for(api.url, api_proxy=proxy.url("me:p%40ss"), api_ca_file=tmp_path / "ca.pem")
        command = curl(letter(ELEMENTS["plain"]), given)
        await by_shell(b"export FORWARDER_API_PROXY=%b\n%b" % (proxy.url("me:p%40ss").encode(), command))
    (asked,) = proxy.heads
    assert b"Proxy-Authorization: Basic bWU6cEBzcw==" in asked.splitlines()
    assert f"--cacert {tmp_path / 'ca.pem'}" in command.decode()
    assert b"p%40ss" not in command


@pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
def test_the_command_contains_no_key_and_no_invisible_character(element: bytes) -> None:
    command = curl(letter(element), settings_for("http://127.0.0.1:1")).decode()
    assert KEY not in command
    assert '-u ":$FORWARDER_API_KEY"' in command
    assert all(char.isprintable() or char == "\n" for char in command)


@pytest.mark.parametrize("element", [b"", b"{}", b"\xff", b'{"user_id":"..","name":"n"}', b"x" * 2_000_001])
def test_there_is_no_command_for_an_element_that_cannot_be_sent(element: bytes) -> None:
    with pytest.raises(InvalidElementError):
        curl(letter(element), settings_for("http://127.0.0.1:1"))
