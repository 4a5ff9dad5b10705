"""What `forwarder dead ...` refuses before it has looked at anything."""

import pytest
from typer.exceptions import TyperException

from forwarder.cli import app as cli


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay",),
        ("replay", "1", "--yes"),
        ("replay", "1-1", "--all", "--yes"),
        ("replay", "--all", "--yes", "--rate", "nan"),
        ("replay", "--all", "--yes", "--rate", "inf"),
        ("replay", "--all", "--yes", "--rate", "-1"),
        ("replay", "--all", "--yes", "--canary", "0"),
        ("replay", "--all", "--yes", "--canary", "1", "--canary-timeout", "soon"),
        ("replay", "--all", "--yes", "--set", "name"),
        ("replay", "--all", "--yes", "--set", "=x"),
        ("replay", "--all", "--yes", "--set", "a=1", "--program", "cat"),
        ("replay", "--limit", "0", "--yes"),
        ("delete", "--older", "5"),
        ("export", "--reason", "nonsense"),
        ("list", "--older", "2h", "--newer", "1h"),
        ("list", "--newer", ""),
        ("show",),
        ("show", "1"),
        ("show", "1-1", "2-2"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_REDIS_URL", "unix:///nowhere")
    with pytest.raises(TyperException) as error:
        cli.app(["dead", *arguments], standalone_mode=False)
    assert cli._explained(error.value) == 64
    assert len(error.value.format_message().splitlines()) == 1
