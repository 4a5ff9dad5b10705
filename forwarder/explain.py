"""Why an event is a dead letter, in plain sentences."""

from forwarder.outcome import LetterReason

#: One sentence or two for each reason.
SENTENCES = {
    LetterReason.INVALID: "It is no event, so it was never sent.",
    LetterReason.REJECTED: "The API refused it. The same event will be refused again until its cause is mended.",
    LetterReason.TOO_LARGE: "The API says that it is too large, even alone in its POST.",
    LetterReason.EXHAUSTED: "It was tried often and long, while the API accepted the events of others.",
}


def explain(reason: str, status: str, detail: str, element: bytes) -> str:  # noqa: ARG001
    """What happened to a dead letter, from what is kept of it; never empty."""
    try:
        return SENTENCES[LetterReason(reason)]
    except ValueError:
        return "Its reason is none that forwarder gives."
