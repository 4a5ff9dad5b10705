"""What the commands about dead letters print."""

from collections.abc import Mapping

from rich.text import Text

from forwarder.cli.output import as_line, out, problem, say
from forwarder.cli.streams import write_bytes
from forwarder.dead_letters.letter import count_of, summary
from forwarder.dead_letters.selection import Selection
from forwarder.logs.printable import visible
from forwarder.outcome import LetterReason
from forwarder.queue.letters import DeadLetter


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


def question(what: str, selection: Selection, *, edited: bool = True) -> str:
    """The question before a selection is replayed or deleted. `edited`: not as invalid as they are."""
    invalid = 0 if edited else selection.reasons.get(LetterReason.INVALID, 0)
    which = "They are" if invalid == selection.count else f"{invalid:,} are"
    warning = f"{which} invalid: unchanged they come back. Edit them with --set or --program. " if invalid else ""
    return f"{warning}{what} {count_of(selection.count)} ({visible(_listed(selection.reasons))})?"


def print_spared(spared: Mapping[str, int]) -> None:
    """Prints that some letters were left out, and how to select them."""
    if spared:
        reasons = " or ".join(f"--reason {reason}" for reason in spared)
        say(Text(f"left out: {_listed(spared)}; to replay them anyway, add {reasons}", "dim"))


def _listed(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {reason}" for reason, number in reasons.items())
