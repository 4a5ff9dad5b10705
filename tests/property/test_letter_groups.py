"""The groups of dead letters against a plain count, whatever happens to the letters meanwhile."""

import asyncio
import json
from collections import Counter
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder.dead_letters.letter import order
from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.queue import groups
from forwarder.queue.groups import OTHERS_ACCEPTED, Groups, Names
from forwarder.queue.keys import Keys
from forwarder.queue.letters import DeadLetter, ListLetters
from forwarder.queue.wire.connection import Redis, connect

OURS = ["refuse", "count", "delete", "replay"]
#: What the groups cannot follow. It is noticed when all letters are counted, and then they are counted anew.
FOREIGN = ["old delete", "trim", "drop", "spoil"]


def steps(*kinds: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    """What happens, one after the other. A number chooses a letter, or how many."""
    return st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 7)), min_size=8, max_size=30)


NAMES = ["purchase", "visit", "a b=c", "é" * 150, 'quote"', "\U0001f642", "", "new\nline", "\x00"]
STRANGE = [b"\xff", b"[]", b'{"name":5}', b'{"name":"\xff\xfe"}', b'{"x":"\\ud83d","name":"half"}', b'"name"', b""]


def names_of(element: bytes) -> str | Names:
    """The name as a group has it."""
    try:
        name = json.loads(element.decode(errors="replace"))["name"]
    except (ValueError, TypeError, KeyError):
        return Names.NONE
    if not isinstance(name, str) or not name:
        return Names.NONE
    cut = name.encode(errors="replace")
    return name if len(cut) <= 200 else cut[:197].decode(errors="ignore") + "…"


def plain(letters: list[DeadLetter]) -> Counter[tuple[str, str, str | Names, bool]]:
    found: Counter[tuple[str, str, str | Names, bool]] = Counter()
    for each in letters:
        name = Names.NONE if each.reason == "invalid" else names_of(each.element)
        found[each.reason, each.status, name, each.detail.endswith(OTHERS_ACCEPTED)] += 1
    return found


class Course:
    """One list, and what is done to its letters."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self.redis, self.keys = redis, keys
        self.letters = ListLetters(redis, keys)
        self._number = count()

    async def all(self) -> list[DeadLetter]:
        return [each async for each in self.letters.all()]

    async def refuse(self, choice: int) -> None:
        for _ in range(choice + 1):
            number = next(self._number)
            name = NAMES[number % len(NAMES)] if number % 2 else "purchase"
            reason = ("rejected", "exhausted", "invalid")[number % 3]
            event = json.dumps({"user_id": "u", "name": name}, ensure_ascii=number % 2 == 0).encode()
            element = STRANGE[number % len(STRANGE)] if number % 5 == 4 else event
            fields: dict[str, object] = {
                "element": element,
                "reason": reason,
                "status": "400" if number % 8 else "",
                "user_id": "u",
            }
            detail = f"the API answered 400{OTHERS_ACCEPTED if number % 7 == 0 else ''}"
            fields |= {"detail": detail, "claimed_at": "1", "attempts": "1"}
            # A clock never goes back, not even when somebody deletes all letters within a millisecond.
            letter_id = f"{9 + number // 3}-{number % 3}"
            await self.redis.xadd(self.keys.dead, fields, id=letter_id)  # type: ignore[arg-type]

    async def step(self, what: str, choice: int) -> None:
        letters = await self.all()
        letter = letters[choice % len(letters)] if letters else None
        match what, letter:
            case "refuse", _:
                await self.refuse(choice)
            case "count", _:
                await self.letters.count()
            case "delete", DeadLetter():
                assert await self.letters.delete(letter.id)
            case "replay", DeadLetter():
                assert await self.letters.replay(letter.id, letter.element, side="left")
            case "old delete", DeadLetter():  # a worker of the version before knows nothing of groups
                await self.redis.xdel(self.keys.dead, letter.id)
            case "trim", _:
                await self.redis.xtrim(self.keys.dead, maxlen=choice, approximate=False)
            case "drop", _:
                await self.redis.delete(self.keys.dead if choice % 2 else self.keys.dead_groups)
            case "spoil", _:
                await self._spoil(choice)

    async def _spoil(self, choice: int) -> None:
        """Somebody else writes where the groups are."""
        if choice == 0:
            await self.redis.delete(self.keys.dead_groups)
            await self.redis.set(self.keys.dead_groups, "text")
        elif choice == 1:
            await self.redis.hset(self.keys.dead_groups, "rejected 400 =purchase", "many")
        elif choice == 2 and await self.redis.type(self.keys.dead_groups) == b"hash":
            await self.redis.hset(self.keys.dead_groups, "cursor", "now")

    async def nothing_needs_to_be_counted_anew(self) -> None:
        letters, counted = await self.all(), await groups.read(self.redis, self.keys)
        text: Any = await self.redis.hget(self.keys.dead_groups, "cursor")
        cursor = order((text or b"0-0").decode())
        assert counted.by_reason.total() == sum(order(each.id) <= cursor for each in letters)

    async def groups(self) -> Groups:
        found = await self.letters.groups(calls=1_000)
        assert found.exact
        return found


@settings(max_examples=30)
@given(
    course=steps(*OURS) | steps(*OURS * 3, *FOREIGN), most=st.integers(1, 9), most_groups=st.sampled_from([1, 3, 1_000])
)
def test_the_groups_are_those_of_a_plain_count(
    redis_server: EmbeddedRedis, course: list[tuple[str, int]], most: int, most_groups: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "_LETTERS", most)
        patch.setattr(groups, "_MOST_GROUPS", most_groups)
        patch.setattr(groups, "_FEWEST_GROUPS", 0)
        asyncio.run(_run(redis_server.url, course))


async def _run(url: str, happens: list[tuple[str, int]]) -> None:
    async with connect(url) as redis:
        course = Course(redis, Keys(f"groups-{uuid4().hex[:8]}"))
        for what, choice in happens:
            await course.step(what, choice)
        if not {what for what, _ in happens} & {*FOREIGN}:
            await course.nothing_needs_to_be_counted_anew()
        await check(await course.groups(), await course.all())
        while letters := await course.all():  # what is taken out afterwards is taken out of its own group
            assert await course.letters.delete(letters[len(letters) // 2].id)
            await check(await groups.read(redis, course.keys), await course.all())
        await redis.delete(*course.keys.of_the_list, course.keys.dead_groups)


async def check(found: Groups, letters: list[DeadLetter]) -> None:
    expected, known = plain(letters), {(g.reason, g.status, g.name) for g in found.groups}
    counted: Counter[Any] = Counter()
    for (reason, status, name, others), number in expected.items():
        group = (reason, status, name if (reason, status, name) in known else Names.OTHERS)
        counted[*group, "letters"] += number
        counted[*group, "others"] += number * others
    assert +counted == +Counter(
        {
            (g.reason, g.status, g.name, what): number
            for g in found.groups
            for what, number in (("letters", g.count), ("others", g.others_accepted))
        }
    )
    for each in found.groups:
        assert order(each.first) <= order(each.last)
