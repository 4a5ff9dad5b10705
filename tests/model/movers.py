"""The clients of a schedule in which lists are resharded: the real mover of each list."""

from collections.abc import Sequence

from redis.asyncio import Redis

from forwarder.queue.fleet import Fleet
from forwarder.queue.mover import ListMover
from forwarder.queue.queue import Queue
from forwarder.queue.shard_count import Mark
from tests.model.clients import TTL, Call
from tests.model.lists import Content, Lists
from tests.model.names import Names, element, item_events
from tests.model.trace import Step

#: A model's resharding has tokens from here on; those of workers are smaller.
FIRST_TOKEN = 4
#: More than any list of a schedule holds.
_ALL = 10_000
#: How many lists the queue has, and is to have.
_BEFORE, _AFTER = 2, 3


def text_of(number: int) -> str:
    """What the model's number stands for in the key `shards`: 0 the old number of lists, 1 the new one, else a mark."""
    return {0: str(_BEFORE), 1: str(_AFTER)}.get(number) or Mark(_BEFORE, _AFTER, f"{number:x}").text


def number_of(text: bytes) -> int:
    """The model's number of a text."""
    mark = Mark.read(text.decode())
    return int(mark.id, 16) if mark else {str(_BEFORE): 0, str(_AFTER): 1}[text.decode()]


class Movers:
    """One :class:`ListMover` for each token of a list; they send what a `forwarder reshard` would send."""

    def __init__(self, redis: Redis, lists: Lists, names: Names) -> None:
        self._redis = redis
        self._lists = lists
        self._names = names
        self._queue = Queue(redis, lists.queue.queue, _BEFORE)
        self._movers: dict[tuple[str, int], ListMover] = {}
        #: The items of the pages that were taken out, by the list and the number of the page.
        self._pages: dict[tuple[str, int], Sequence[bytes]] = {}

    def call(self, step: Step, content: Content) -> Call:
        """The call that sends a step's command, when its list holds `content`.

        Raises:
            LookupError: the step names a stamp, a page or a letter that no reply has brought.
        """
        match step.command:
            case "attend":
                return Fleet(self._redis, self._lists.queue.queue, _BEFORE, name="w", remembered=TTL).attend()
            case "read":
                return self._queue.shards()
            case "reshard":
                present, text = step.arguments.number("present"), step.arguments.number("text")
                return self._queue.write_shards(text_of(present), text_of(text))
        mover = self._mover(step.list_name, step.arguments.number("token"))
        match step.command:
            case "acquire":
                mover._lease._unanswered.clear()  # a copy of a call has the same token
                return mover._lease.acquire()
            case "release":
                return mover.release()
            case "set_aside":
                return mover.set_aside()
            case "load":
                page = step.arguments.word("from"), step.arguments.number("page")
                source = self._lists.keys[page[0]].list
                return mover.load(source, page[1], list(self._items(step, page)))
            case "tidy":
                return mover.tidy(gone=bool(step.arguments.number("gone")))
        return self._unload(mover, step, content)

    async def scan(self, step: Step) -> Sequence[tuple[int, int]]:
        """The claimed events of a list."""
        mover = self._mover(step.list_name, step.arguments.number("token"))
        ids = (await mover.claimed_fields()).take(_ALL)
        return tuple((number, self._names.stamp(stamp)) for number, stamp in ids)

    def note_page(self, list_name: str, number: int, items: Sequence[bytes]) -> None:
        """A page was taken out of a list."""
        self._pages[list_name, number] = items

    def _mover(self, list_name: str, token: int) -> ListMover:
        of = list_name, token
        if of not in self._movers:
            self._movers[of] = mover = ListMover(self._redis, self._lists.keys[list_name], side=self._lists.side)
            mover._lease._ttl = TTL
            self._names.tokens[of] = mover._lease.token
        return self._movers[of]

    def _unload(self, mover: ListMover, step: Step, content: Content) -> Call:
        mover._loaded = step.arguments.number("page")
        match step.command:
            case "unload_events":
                fields = step.arguments.fields("fields")
                return mover.unload_events([(number, self._names.stamps[stamp]) for number, stamp in fields])
            case "unload_letters":
                letters = step.arguments.fields("letters")
                return mover.unload_letters([(content.letter_of(event), shard) for event, shard in letters])
        return mover.unload_counts()

    def _items(self, step: Step, page: tuple[str, int]) -> Sequence[bytes]:
        """This list's part of a page, as `forwarder reshard` cuts it out."""
        if "counts" in step.arguments:
            return [b"c" + b" ".join(b"%d" % count for count in step.arguments.numbers("counts"))]
        if "events" in step.arguments:
            return [b"e" + element(event) for event in step.arguments.numbers("events")]
        found = {item_events(item): item for item in self._pages[page]}
        return [b"l" + found[event,].partition(b" ")[2] for event in step.arguments.numbers("letters")]
