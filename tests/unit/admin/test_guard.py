"""Who may act on the admin address."""

from collections.abc import Mapping

import pytest

from forwarder.admin.guard import Guard, host_of, is_loopback

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
    ("header", "loopback"),
    [
        ("127.0.0.1:9464", True), ("127.8.9.1", True), ("localhost:1", True), ("LOCALHOST", True), ("[::1]:9464", True),
        ("evil.example:9464", False), ("localhost.evil.example", False), ("127.0.0.1.evil.example", False),
        ("10.0.0.1", False), ("", False), ("[::1", False), ("evil@127.0.0.1", True), ("127.1", False),
        ("0.0.0.0", False),
    ],
)  # fmt: skip
def test_which_hosts_are_this_machine(header: str, loopback: bool) -> None:  # noqa: FBT001
    assert is_loopback(host_of(header)) is loopback
