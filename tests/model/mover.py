"""What `mover.pml`, the mover of `forwarder reshard`, is explored with.

The bounds are a text like ``SHAPE=1 RUNS=2``: the head of the model says what each of them is.
"""

from collections.abc import Mapping

from tests.model.exploring import Configuration, Guard
from tests.model.spin import Search

MODEL = "mover.pml"


def bounds(text: str) -> Mapping[str, int]:
    """The macros in a text like ``SHAPE=1 RUNS=2``."""
    return {name: int(number) for name, number in (each.split("=") for each in text.split())}


def _configuration(what: str, text: str, *, large: bool = False, search: Search = Search.ALL) -> Configuration:
    return Configuration(MODEL, what, bounds(text), large, search)


CONFIGURATIONS = (
    _configuration("two commands at once", "RUNS=2"),
    _configuration("one list becomes two, in pages of two", "SHAPE=2 PAGE=2 RUNS=2"),
    _configuration("every run ends", "RUNS=1 LATE=1", search=Search.ENDLESS),
    _configuration("two lists become one, an event is pushed", "SHAPE=3 RUNS=2 PUSHES=1", large=True),
    _configuration("a person replays and deletes", "RUNS=1 PUSHES=2 PERSON=2", large=True),
    _configuration("a command is sent again, and late", "SHAPE=3 RUNS=1 LATE=1 RESENDS=1", large=True),
    _configuration("a frozen worker wakes", "RUNS=1 WORKER=3 ACQUIRES=1 EXPIRIES=1", large=True),
    _configuration("a lease ends", "RUNS=2 EXPIRIES=1", large=True),
    _configuration("a command is late", "RUNS=2 LATE=1", large=True),
    _configuration("three commands, one of their steps is late", "RUNS=3 LATE=1", large=True),
    _configuration("one list becomes two, one command is late", "SHAPE=2 PAGE=2 RUNS=2 LATE=1", large=True),
)


def _guard(number: int, what: str, text: str, breaks: str = "", purpose: str = "") -> Guard:
    """Without the guard that BREAK=`number` leaves out."""
    return Guard(MODEL, what, {"BREAK": number}, bounds(text), breaks, purpose, quick=number in _QUICK)


#: Found in a few seconds, one of each kind.
_QUICK = {9, 14, 18}

GUARDS = (
    _guard(1, "reshard: the text that is expected", "RUNS=2", "clean"),
    _guard(
        2,
        "reshard: that no worker runs",
        "RUNS=1 WORKER=3 ACQUIRES=1 EXPIRIES=1",
        purpose="a running worker holds a lease, so the command would begin and give up",
    ),
    _guard(3, "set_aside: the token", "RUNS=2", "clean"),
    _guard(4, "set_aside: once in a move", "SHAPE=3 RUNS=1", "succeeded"),
    _guard(
        5,
        "set_aside: that nothing is set aside yet",
        "RUNS=2",
        purpose="`move` says the same, unless somebody deletes it",
    ),
    _guard(
        6, "unload_events: the token", "RUNS=2", purpose="the page stays in `stage`, where the present run finds it"
    ),
    _guard(7, "unload_letters: the token", "RUNS=2", purpose="the same"),
    _guard(8, "unload_counts: the token", "SHAPE=3 RUNS=2", purpose="the same"),
    _guard(9, "unload_*: that `stage` is empty", "RUNS=1", "no_loss"),
    _guard(10, "unload_*: the number of the page in `stage`", "RUNS=1", "liveness"),
    _guard(
        11,
        "unload_events: that no claimed event is left",
        "RUNS=1 WORKER=3 ACQUIRES=1 EXPIRIES=1",
        purpose="only an owner claims; a failover brings claims back",
    ),
    _guard(12, "load: the token", "RUNS=2", "clean"),
    _guard(13, "load: that the page is not loaded yet", "RUNS=1", "in_order"),
    _guard(14, "load: that no later page is loaded", "RUNS=1 LATE=1", "no_double"),
    _guard(
        15,
        "acquire: that the lease is free",
        "RUNS=1 WORKER=3",
        purpose="the worker's token is void; what it is sending is not overtaken",
    ),
    _guard(16, "acquire: the prefix of an earlier lease", "RUNS=1", "succeeded"),
    _guard(17, "release: the token", "RUNS=2", purpose="a run without its lease takes it again"),
    _guard(18, "replay_letter: that no move has begun", "RUNS=1 PERSON=1", "in_its_list"),
    _guard(
        19,
        "delete_letter: that no move has begun",
        "RUNS=1 PERSON=1",
        purpose="a person would read that a moved letter is gone",
    ),
    _guard(23, "the worker: the number of lists, under the lease", "RUNS=1 WORKER=3 ACQUIRES=1 EXPIRIES=1", "in_order"),
    _guard(32, "the mover: the ID in the mark, under all leases", "RUNS=2", "clean"),
    _guard(
        33,
        "the mover: the ID in the mark, when a lease is lost",
        "RUNS=2",
        purpose="it would take all leases before it notices",
    ),
    _guard(34, "the mover: `tidy` in the mark", "RUNS=1 PUSHES=1", "in_its_list"),
    _guard(35, "the mover: a page is loaded before the next one", "SHAPE=2 PAGE=2 RUNS=1 EXPIRIES=1", "no_loss"),
    _guard(37, "unload_events: claimed events first", "RUNS=1", "in_order"),
    _guard(38, "the mover: the leases, after the mark", "RUNS=2", "clean"),
    Guard(
        MODEL,
        "the replicas follow: no failover goes back in time",
        {"FAILOVERS": 1, "REPLICA": 0},
        bounds("RUNS=1"),
        "no_loss",
        story="A list goes back in time while it is unloaded. It takes out another page under a number that the target "
        "knows, so the target does not load it. [Redis](../../deploy/redis.md#urls) names this limit.",
        quick=False,
    ),
)
