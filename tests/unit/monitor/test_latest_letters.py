"""What the status page says of dead letters, and what it leaves to the command."""

from forwarder.monitor.latest_letters import Latest, hidden
from forwarder.queue.letters import DeadLetter


def letters(size: int) -> Latest:
    element = b'{"user_id":"u","name":"n","x":"%b"}' % (b"x" * size)
    return Latest(
        tuple((DeadLetter(f"{n}-0", element, "rejected", "400", "", "u", 10**15, 1), size) for n in range(20))
    )


def test_usual_letters_are_all_explained() -> None:
    assert not [each for each in hidden(letters(1_000)) if "dead show" in str(each["explanation"])]


def test_of_letters_that_take_long_to_explain_only_so_many_are() -> None:
    """Whoever pushes what is refused must not keep the service busy with it while a page is open."""
    left = [each["id"] for each in hidden(letters(30_000)) if "dead show" in str(each["explanation"])]
    assert left == [f"{n}-0" for n in range(2, 20)], "the latest are"
