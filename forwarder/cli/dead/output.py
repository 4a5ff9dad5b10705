"""What the commands about dead letters print."""

import time
from collections.abc import AsyncIterator

from rich.text import Text

from forwarder.cli.output import as_line, out, problem, say
from forwarder.cli.streams import write_bytes
from forwarder.dead_letters.letter import count_of, order, summary
from forwarder.dead_letters.selection import Selection
from forwarder.logs.printable import visible
from forwarder.queue.letters import DeadLetter

#: A list shows at most this many characters of a user or a name.
_LONGEST = 40
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))


def _short(text: str) -> str:
    shown = visible(text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"


def _age(letter: DeadLetter, now: float) -> str:
    seconds = max(0.0, now - order(letter.id)[0] / 1e3)
    return next((f"{seconds / unit:.0f} {name}" for unit, name in _AGES if seconds >= unit), f"{seconds:.0f} s")


async def print_list(found: AsyncIterator[DeadLetter], *, as_json: bool) -> None:
    """Prints one line per letter, and for people their number."""
    count, now = 0, time.time()
    async for letter in found:
        count += 1
        shown = summary(letter)
        if as_json:
            as_line(shown)
            continue
        line = Text(f"{letter.id:<17} ", "bold").append(f"{_age(letter, now):>6}  ", "dim")
        line.append(f"{visible(letter.reason):<9} {visible(letter.status) or '-':<7} ", "default")
        line.append(f"{_short(letter.user_id) or '-'}  ", "cyan").append(f"{_short(str(shown['name'] or '-'))}  ")
        out.print(line.append(visible(letter.detail), "dim"), soft_wrap=True)
    if not as_json:
        out.print(count_of(count), style="dim")


def print_letter(found: DeadLetter, explanation: str, curl: bytes | str, *, as_json: bool) -> None:
    """Prints one letter in full. `curl` is the command that sends it (bytes), or why it cannot be sent (str)."""
    if as_json:
        command = curl.decode() if isinstance(curl, bytes) else None
        as_line({**summary(found), "explanation": explanation, "curl": command})
        return
    for name, value in summary(found).items():
        shown = "-" if value in {None, ""} else visible(str(value))
        say(Text(f"{name.replace('_', ' '):<18}", "bold").append(shown, "default"))
    out.print()
    say(Text(visible(explanation), "yellow"))
    out.print()
    if isinstance(curl, str):
        say(Text(f"It cannot be sent at all, so there is no request to try: {curl}", "dim"))
        return
    out.print(Text("To send the same request (the key is read from FORWARDER_API_KEY):", "dim"))
    write_bytes(curl + b"\n")  # not through rich, which would wrap and colour the command


def print_missing(ids: int) -> None:
    """Prints that some of the IDs match no letter."""
    if ids:
        problem(f"{ids} of the IDs match no dead letter; they may have been replayed or deleted")


def question(what: str, selection: Selection) -> str:
    """The question before a selection is replayed or deleted."""
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in selection.reasons.items())
    return f"{what} {count_of(selection.count)} ({visible(reasons)})?"
