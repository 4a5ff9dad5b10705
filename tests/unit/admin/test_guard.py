"""Who may act on the admin address."""

from collections.abc import Mapping

import pytest

from forwarder.admin.guard import Guard, Hosts

TOKEN = "a-token-of-this-test"
RIGHT = {"Authorization": f"Bearer {TOKEN}", "Host": "127.0.0.1:9464"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def status(guard: Guard, headers: Mapping[str, str]) -> int | None:
    refusal = guard.refuses(headers)
    return None if refusal is None else refusal.status


def test_the_right_token_may() -> None:
    guard = Guard(TOKEN, Clock())
    assert status(guard, RIGHT) is None
    assert status(guard, {**RIGHT, "Authorization": f"bearer  {TOKEN} "}) is None


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_nobody_may(token: str | None) -> None:
    guard = Guard(token, Clock())
    assert not guard.armed
    for given in ("", "Bearer", "Bearer ", "Bearer None", f"Bearer {TOKEN}"):
        assert status(guard, {"Authorization": given}) == 403


@pytest.mark.parametrize(
    "given",
    ["Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN.upper()}", "Bearer \udce9\udcff",
     "Bearer 😀", f"Bearer {TOKEN} {TOKEN}", f"Bearer {TOKEN}\0"],
)  # fmt: skip
def test_a_wrong_token_may_not_and_is_a_guess(given: str) -> None:
    refusal = Guard(TOKEN, Clock()).refuses({"Authorization": given})
    assert refusal is not None
    assert (refusal.status, refusal.guess) == (401, True)
    assert TOKEN not in refusal.error


class Uncomparable(bytes):
    """A token that shows how a guess is compared with it: == ends at the first difference, compare_digest does not."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, _: object) -> bool:
        raise AssertionError("compared with ==")

    __ne__ = __lt__ = __gt__ = __eq__


def test_a_token_is_compared_in_constant_time() -> None:
    guard = Guard(TOKEN, Clock())
    guard._token = Uncomparable(TOKEN.encode())
    assert status(guard, {**RIGHT, "Authorization": f"Bearer {TOKEN[:-1]}"}) == 401
    assert status(guard, RIGHT) is None


@pytest.mark.parametrize("given", ["", "Bearer", f"Basic {TOKEN}", TOKEN])
def test_no_token_at_all_is_no_guess(given: str) -> None:
    guard = Guard(TOKEN, Clock())
    for _ in range(20):
        refusal = guard.refuses({"Authorization": given})
        assert refusal is not None
        assert (refusal.status, refusal.guess) == (401, False)
    assert status(guard, RIGHT) is None


def test_after_five_guesses_in_a_minute_nobodys_token_is_looked_at() -> None:
    clock = Clock()
    guard = Guard(TOKEN, clock)
    for _ in range(4):
        assert status(guard, {"Authorization": "Bearer wrong"}) == 401
        clock.now += 10
    assert status(guard, RIGHT) is None
    assert status(guard, {"Authorization": "Bearer wrong"}) == 401
    refusal = guard.refuses(RIGHT)
    assert refusal is not None
    assert (refusal.status, refusal.retry_after) == (429, 20)
    clock.now += 19.5
    assert status(guard, RIGHT) == 429
    clock.now += 0.5
    assert status(guard, RIGHT) is None
    assert status(guard, {"Authorization": "Bearer wrong"}) == 401
    assert status(guard, RIGHT) == 429


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:9464"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:8080"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://[::1"},
    ],
)
def test_another_sites_page_may_neither_act_nor_guess(headers: dict[str, str]) -> None:
    guard = Guard(TOKEN, Clock())
    for _ in range(20):
        assert status(guard, {**RIGHT, **headers}) == 403
        assert status(guard, {**RIGHT, **headers, "Authorization": "Bearer wrong"}) == 403
    assert status(guard, RIGHT) is None


@pytest.mark.parametrize(
    "own",
    [
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:9464"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy.example"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://127.0.0.1:9464"},
    ],
)
def test_the_pages_own_requests_may(own: dict[str, str]) -> None:
    assert status(Guard(TOKEN, Clock()), {**RIGHT, **own}) is None


@pytest.mark.parametrize(
    "header",
    ["127.0.0.1:9464", "127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:9464", "[2001:db8::1]", "10.1.2.3:9464",
     "0.0.0.0", "forwarder.example:80", "Forwarder.Example", "own-host:9464", "", "localhost:"],
)  # fmt: skip
def test_addresses_and_known_names_are_answered(header: str) -> None:
    """For an address a browser asks nobody, so no other site's page can stand behind it."""
    assert Hosts(["own-host", "forwarder.example"]).answer([header])


def test_a_client_that_sends_no_host_is_answered() -> None:
    """It is not a browser: those always send one."""
    assert Hosts([]).answer([])


@pytest.mark.parametrize(
    "header",
    ["evil.example:9464", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", "evil@127.0.0.1", "127.1",
     "2130706433", "0x7f000001", "evil.example:80@127.0.0.1", "127.0.0.1/@evil.example", "127.0.0.1:80:80", " ",
     "evil.example.", "forwarder.example.evil.example", "[::1%25evil]", "[evil.example]", "127.0.0.1\tevil.example",
     "127.0.0.1, evil.example", "\u0661\u0662\u0667.0.0.1"],
)  # fmt: skip
def test_no_other_name_is_answered(header: str) -> None:
    hosts = Hosts(["0.0.0.0", "forwarder.example", ""])
    assert not hosts.answer([header])
    assert not hosts.answer(["127.0.0.1", header]), "nor behind an address"
