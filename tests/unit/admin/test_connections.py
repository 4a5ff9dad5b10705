"""Which connections of the admin address end when there are too many."""

import asyncio
from collections import Counter

from aiohttp import web

from forwarder.admin.connections import Connection, to_end

NOW = 1_000.0


def connections(count: int, *, address: str = "a", quiet: float = 5.0, under_way: bool = False) -> list[Connection]:
    """Connections that were quiet for so many seconds, each a moment less than the one before."""
    server = web.Server(lambda _: None)  # type: ignore[arg-type,return-value]
    found = []
    for number in range(count):
        each = Connection(server, loop=asyncio.get_running_loop())
        each.address, each.heard, each.under_way = address, NOW - quiet + number / 1e6, under_way
        found.append(each)
    return found


async def test_a_hundred_may_stay() -> None:
    assert to_end(connections(100), NOW) == []


async def test_beyond_those_that_were_quiet_for_longest_end() -> None:
    crowd = connections(110)
    assert to_end(crowd[5:] + crowd[:5], NOW) == crowd[:10]


async def test_the_youngest_second_is_spared_until_there_are_two_hundred() -> None:
    new = connections(190, quiet=0.9)
    assert to_end(new, NOW) == []
    assert to_end(new, NOW + 0.2) == new[:90]
    more = new + connections(20, quiet=0.5)
    assert to_end(more, NOW) == more[:10]
    old = connections(5)
    assert to_end(old + more, NOW) == old + more[:10]


async def test_one_with_a_request_under_way_never_ends() -> None:
    working = connections(300, quiet=30.0, under_way=True)
    idle = connections(3)
    assert to_end(working, NOW) == []
    assert to_end(working + idle, NOW) == idle


async def test_the_address_that_has_the_most_pays() -> None:
    page, probe = connections(2, address="b", quiet=40.0), connections(1, address="c", quiet=0.0)
    flood = connections(500, quiet=0.1)
    assert to_end(page + probe + flood, NOW) == flood[:303]
    assert to_end(page + probe + flood, NOW + 1) == flood[:403]
    two = connections(80) + connections(60, address="b", quiet=50.0)
    assert Counter(each.address for each in to_end(two, NOW)) == {"a": 30, "b": 10}
