"""The table in deploy/README.md: each fault, what was promised and kept, and how soon it was over."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "deploy" / "README.md"
BEGIN, END = "<!-- containers -->\n", "<!-- /containers -->\n"
_COLUMNS = {
    "fault": "---",
    "what happens": "---",
    "seen": "---",
    "nothing lost": ":-:",
    "in order": ":-:",
    "no dead letters": ":-:",
    "sent twice": "--:",
    "longest silence": "--:",
    "POSTs again after": "--:",
}
_HEAD = f"| {' | '.join(_COLUMNS)} |\n|{'|'.join(_COLUMNS.values())}|\n"
#: Which kinds of the checker's findings break which promise.
_PROMISES = (("missing", "unaccounted"), ("out of order",), ("dead letters",))


@dataclass(frozen=True)
class Outcome:
    """What a fault did. Seconds; `faults` counts what broke a promise, `wrong` says what else was not as it must be."""

    name: str
    pushed: int
    doubles: int
    #: From the end of the fault to the next accepted POST.
    again: float
    #: The longest time without an accepted POST since the fault began.
    silence: float
    drained: float
    seen: str = ""
    faults: dict[str, int] = field(default_factory=dict)
    wrong: Sequence[str] = ()

    @property
    def good(self) -> bool:
        """Whether every promise held."""
        return not self.faults and not self.wrong


def row(title: str, happens: str, outcome: Outcome) -> str:
    """One line of the table."""
    kept = ["✗" if any(outcome.faults.get(kind) for kind in kinds) else "✓" for kinds in _PROMISES]
    unexplained = outcome.faults.get("doubled without a cause", 0)
    twice = f"{outcome.doubles} of {outcome.pushed:,}" + (f", and {unexplained} without a cause" if unexplained else "")
    times = [f"{each:.1f} s" for each in (outcome.silence, outcome.again)]
    seen = "; ".join([outcome.seen, *outcome.wrong]).strip("; ")
    return f"| {' | '.join([title, happens, seen, *kept, twice, *times])} |\n"


def inserted(text: str, rows: Iterable[str]) -> str:
    """The document with this table between its marks."""
    table = BEGIN + "\n" + _HEAD + "".join(rows) + "\n" + END
    found, times = re.subn(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: table, text, flags=re.DOTALL)
    if times != 1:
        raise ValueError(f"{DOCUMENT} does not have the marks {BEGIN.strip()} and {END.strip()} once")
    return found


def titles(text: str) -> list[str]:
    """The faults that the document's table names, in order."""
    _, _, rest = text.partition(BEGIN)
    lines = [line for line in rest.partition(END)[0].splitlines() if line.startswith("| ")]
    return [line.split(" | ")[0].removeprefix("| ") for line in lines[1:]]
