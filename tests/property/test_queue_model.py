"""The queue on a real Redis against its model, with owners that come, go and come back late."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from itertools import count
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from forwarder.demo.redis_server import EmbeddedRedis
from forwarder.errors import LeaseLostError, RolledBackError
from forwarder.queue.claims import Claimed, Claims, NewLetter, Settlement
from forwarder.queue.keys import Keys, Side
from forwarder.queue.lease import Lease, Position
from forwarder.queue.queue import QueueList
from forwarder.queue.wire.connection import connect
from tests.support.service import push
from tests.support.virtual.list_model import ListModel

LONGEST = 12
SIZES = st.lists(st.integers(8, LONGEST + 2), min_size=1, max_size=6)

T = TypeVar("T")


def letter(field: tuple[int, int]) -> NewLetter:
    return NewLetter(*field, reason="rejected", status="400", detail="", user="u", attempts=1)


class QueueAgainstModel(RuleBasedStateMachine):
    """Every rule does the same to both."""

    def __init__(self, url: str, prefixes: Iterator[int]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.redis = self.do(_connected(url))
        self.keys = Keys(f"model-{next(prefixes)}")
        self.list = QueueList(self.redis, self.keys)
        self.model = ListModel()
        self.replayed = 0
        self.everything: Counter[bytes] = Counter()
        self.owner: Claims | None = None
        self.zombies: list[Claims] = []
        self.last_claim: Claimed | None = None
        self.last_settlement: Settlement | None = None

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @initialize(side=st.sampled_from(["left", "right"]))
    def starts(self, side: Side) -> None:
        self.side: Side = side
        self.acquire()

    @rule(sizes=SIZES)
    def push(self, sizes: list[int]) -> None:
        elements = [b"%0*d" % (size, self.model.pushed + i) for i, size in enumerate(sizes)]
        self.model.push(elements)
        assert self.do(push(self.redis, self.keys.list, elements, self.side)) == len(self.model.waiting)
        self.everything.update(elements)

    @precondition(lambda self: self.model.letters)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        found = self.do(self.all_letters())
        index = data.draw(st.integers(0, len(found) - 1))
        for there in (True, False):
            number = self.do(self.list.letters.replay(*found[index], side=self.side))
            assert number == (self.model.sequence + len(self.model.waiting) + 1 if there else None)
        self.model.waiting.append(self.model.letters.pop(index)[0])
        self.replayed += 1

    async def all_letters(self) -> list[tuple[str, bytes]]:
        return [(letter.id, letter.element) async for letter in self.list.letters.all(page=2)]

    @precondition(lambda self: self.owner)
    @rule(most=st.integers(1, 8), most_bytes=st.integers(1, 60))
    def claim(self, most: int, most_bytes: int) -> None:
        assert self.owner is not None
        claimed = self.do(self.owner.claim(most=most, most_bytes=most_bytes, most_bytes_of_one=LONGEST))
        first = self.model.sequence + 1
        elements = self.model.claim(claimed.stamp, most, most_bytes, LONGEST)
        assert (claimed.first, claimed.elements, claimed.waiting) == (first, elements, len(self.model.waiting))
        self.last_claim = claimed

    @precondition(lambda self: self.last_claim)
    @rule(most=st.integers(1, 8))
    def claim_as_if_the_reply_was_lost(self, most: int) -> None:
        assert self.owner is not None
        assert self.last_claim is not None
        if not self.last_claim.elements:
            return
        self.owner._sequence = self.last_claim.first - 1
        again = self.do(self.owner.claim(most=most, most_bytes=1, most_bytes_of_one=LONGEST))
        assert (again.first, again.elements) == (self.last_claim.first, self.last_claim.elements)
        assert again.stamp == self.last_claim.stamp
        assert self.model.claimed_after(again.first - 1, LONGEST) == (again.stamp, again.elements)

    @precondition(lambda self: self.owner)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        assert self.owner is not None
        fates = data.draw(st.lists(st.sampled_from(["accepted", "letter", "kept"]), max_size=12))
        order = data.draw(st.permutations(sorted(self.model.claimed)))
        settlement = Settlement()
        for field, fate in zip(order, fates, strict=False):
            if fate == "accepted":
                settlement.accepted.setdefault(field[1], []).append(field[0])
            elif fate == "letter":
                settlement.letters.append(letter(field))
        self.do(self.owner.settle(settlement))
        self.model.settle(self.model.settlement + 1, settlement)
        self.last_claim, self.last_settlement = None, settlement

    @precondition(lambda self: self.last_settlement)
    @rule()
    def settle_as_if_the_reply_was_lost(self) -> None:
        assert self.owner is not None
        assert self.last_settlement is not None
        self.owner._settlement -= 1
        self.do(self.owner.settle(self.last_settlement))
        self.model.settle(self.model.settlement, self.last_settlement)

    @precondition(lambda self: self.owner and self.model.claimed)
    @rule(data=st.data(), as_letter=st.booleans(), stamp_is_wrong=st.booleans())
    def settle_what_is_not_claimed(self, data: st.DataObject, *, as_letter: bool, stamp_is_wrong: bool) -> None:
        assert self.owner is not None
        number, stamp = data.draw(st.sampled_from(sorted(self.model.claimed)))
        wrong = (number, stamp + 1) if stamp_is_wrong else (self.model.sequence + 1, stamp)
        settlement = Settlement({stamp: [number]})
        if as_letter:
            settlement.letters.append(letter(wrong))
        else:
            settlement.accepted.setdefault(wrong[1], []).append(wrong[0])
        with pytest.raises(RolledBackError):
            self.do(self.owner.settle(settlement))
        with pytest.raises(RolledBackError):
            self.model.settle(self.model.settlement + 1, settlement)

    @precondition(lambda self: self.owner)
    @rule(expires=st.booleans())
    def lose_the_lease(self, *, expires: bool) -> None:
        assert self.owner is not None
        self.do(self.redis.delete(self.keys.lease) if expires else self.owner.lease.release())
        self.zombies = [*self.zombies, self.owner][-2:]
        self.owner = self.last_claim = self.last_settlement = None

    @rule()
    def acquire(self) -> None:
        contender = Lease(self.redis, self.keys, ttl=600)
        acquired = self.do(contender.acquire())
        if self.owner:
            assert acquired is None
            return
        assert acquired == Position(self.model.sequence, self.model.settlement, len(self.model.claimed))
        self.owner = Claims(contender, side=self.side)
        fields = self.do(self.owner.claimed_fields()).take(10_000)
        assert fields == sorted(self.model.claimed)
        if fields:
            read = self.do(self.owner.read(fields, most_bytes_of_one=1_000))
            assert read == [self.model.claimed[field] for field in fields]

    @precondition(lambda self: self.zombies)
    @rule()
    def a_zombie_tries_everything(self) -> None:
        zombie = self.zombies[-1]
        accepted: dict[int, list[int]] = {}
        for number, stamp in self.model.claimed:
            accepted.setdefault(stamp, []).append(number)
        before = self.do(self.snapshot())
        for attempt in (
            zombie.claim(most=8, most_bytes=100, most_bytes_of_one=LONGEST),
            zombie.settle(Settlement(accepted)),
            zombie.settle(Settlement(letters=[letter(field) for field in self.model.claimed])),
            zombie.lease.renew(),
        ):
            with pytest.raises(LeaseLostError):
                self.do(attempt)
        self.do(zombie.lease.release())
        assert self.do(self.snapshot()) == before

    async def snapshot(self) -> list[bytes | None]:
        return [await self.redis.dump(key) for key in self.keys.of_the_list]

    @invariant()
    def every_event_is_in_exactly_one_place_with_its_bytes(self) -> None:
        if not hasattr(self, "side"):
            return
        waiting, claimed, letters = self.do(self.contents())
        assert waiting[:: 1 if self.side == "left" else -1] == list(self.model.waiting)
        assert claimed == {b"%d-%d" % field: element for field, element in self.model.claimed.items()}
        assert letters == [element for element, _ in self.model.letters]
        assert Counter([*waiting, *claimed.values(), *letters, *self.model.accepted]) == self.everything

    async def contents(self) -> tuple[list[bytes], dict[bytes, bytes], list[bytes]]:
        waiting: Any = await self.redis.lrange(self.keys.list, 0, -1)
        claimed: Any = await self.redis.hgetall(self.keys.claimed)
        return waiting, claimed, [element for _, element in await self.all_letters()]

    @invariant()
    def the_sums_are_right_to_the_unit(self) -> None:
        now = self.do(self.list.census())
        assert not any(now.imbalances.values()), now
        model = self.model
        assert model.pushed + now.replayed == now.waiting + now.sequence
        assert (now.sequence, now.settlement) == (model.sequence, model.settlement)
        assert (now.accepted, now.dead_lettered) == (len(model.accepted), model.dead_lettered)
        assert (now.replayed, now.letters, now.claimed) == (self.replayed, len(model.letters), len(model.claimed))
        assert now.lease == (self.owner.lease.token if self.owner else None)

    def teardown(self) -> None:
        self.do(self.redis.delete(*self.keys.of_the_list))
        self.do(self.redis.aclose())
        self.runner.close()


async def _connected(url: str) -> Any:
    return connect(url)


def test_the_queue_does_what_its_model_does(each_server: EmbeddedRedis) -> None:
    prefixes = count()

    class HereAndNow(QueueAgainstModel):
        def __init__(self) -> None:
            super().__init__(each_server.url, prefixes)

    run_state_machine_as_test(
        HereAndNow,
        settings=settings(max_examples=10, stateful_step_count=30),
    )
