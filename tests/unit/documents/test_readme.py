"""What the README says about settings, metrics, commands, exit codes and answers is what the code does."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from prometheus_client.metrics import MetricWrapperBase
from typer.core import TyperGroup

from forwarder import config
from forwarder.api.answer import Meaning, meaning
from forwarder.cli import app as cli
from forwarder.metrics import Metrics
from forwarder.outcome import HaltReason, LetterReason

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def table(name: str) -> list[list[str]]:
    """The cells of the table between the markers of that name, without its two lines of heading."""
    between = README.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in between.splitlines()[2:]]


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def commands() -> Iterator[str]:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from (f"forwarder {name} {inner}" for inner in command.commands)
        else:
            yield f"forwarder {name}"


def status_meanings() -> dict[int, str]:
    """What the table of answers says of every status: one that is named wins over its class."""
    named: dict[int, str] = {}
    by_class: dict[str, str] = {}
    for answers, what, _ in table("answers"):
        for answer in code(answers):
            if answer.endswith("xx"):
                by_class[answer[0]] = what.strip("`")
            else:
                named[int(answer)] = what.strip("`")
    return {status: named.get(status) or by_class[str(status)[0]] for status in range(200, 600)}


def shell_block(marker: str) -> list[str]:
    """The lines of the fenced block directly after the marker's line."""
    found = re.search(rf"^<!-- {marker} -->\n```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found, marker
    return found[1].splitlines()


def test_every_setting_stands_with_its_default_and_meaning() -> None:
    expected = [[f"`{name}`", f"`{default}`" if default else "-", text] for name, default, text in config.documented()]
    assert table("settings") == expected


def test_every_metric_stands_with_its_labels_type_and_meaning() -> None:
    metrics = Metrics()
    labels = {
        next(iter(metric.describe())).name: metric._labelnames
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
    }
    expected = []
    for family in metrics._registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if labels[family.name]:
            name += "{" + ",".join(labels[family.name]) + "}"
        expected.append([f"`{name}`", family.type, family.documentation])
    assert table("metrics") == expected


def test_every_metric_and_setting_in_the_text_exists() -> None:
    settings = {name for name, _, _ in config.documented()} | config._NOT_SETTINGS
    metrics = {row[0].strip("`").partition("{")[0] for row in table("metrics")}
    assert set(re.findall(r"FORWARDER_[A-Z_]+", README)) <= settings
    assert set(re.findall(r"`(forwarder_\w+)", README)) <= metrics


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_is_explained(command: str) -> None:
    explained = [row for row in table_of_commands() if f"{code(row)[0]} ".startswith(f"{command} ")]
    assert len(explained) == 1


def table_of_commands() -> list[str]:
    return re.findall(r"^\| `forwarder .*$", README, re.MULTILINE)


def test_no_command_is_invented() -> None:
    written = re.findall(r"(?:^|`|exec forwarder )(forwarder [a-z]+(?: [a-z]+)?)", README, re.MULTILINE)
    known = set(commands())
    for command in written:
        assert command in known or command.rpartition(" ")[0] in known, command


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    constants = {value for name, value in vars(cli).items() if name.startswith("EXIT_")}
    assert {int(code(row[0])[0]) for row in table("exit-codes")} == constants | {0, 130}


def test_every_status_has_the_meaning_that_the_table_of_answers_gives_it() -> None:
    meant = {status: meaning(status) or "accepted" for status in range(200, 600)}
    assert status_meanings() == meant


def test_every_meaning_has_a_row() -> None:
    rows = [row[1] for row in table("answers")]
    assert sorted(rows) == sorted([*(f"`{what}`" for what in Meaning), "accepted", "unanswered"])


@pytest.mark.parametrize(("name", "reasons"), [("halts", HaltReason), ("letters", LetterReason)])
def test_every_reason_has_a_row(name: str, reasons: type[HaltReason | LetterReason]) -> None:
    assert [row[0] for row in table(name)] == [f"`{reason}`" for reason in reasons]


@pytest.mark.parametrize(
    ("marker", "extra", "last"),
    [("demo-command", "demo", ".venv/bin/forwarder demo"), ("test-command", "dev", ".venv/bin/pytest -n 3")],
)
def test_a_fresh_machine_needs_one_line(marker: str, extra: str, last: str) -> None:
    (line,) = shell_block(marker)
    venv, install, run = line.split(" && ")
    assert venv == "python3 -m venv .venv"
    assert install.startswith(".venv/bin/pip install -c deploy/constraints.txt ")
    assert install.endswith(f"'.[{extra}]'")
    assert run == last
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert extra in extras


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        *sorted(f"deploy/{each.name}" for each in (ROOT / "deploy").glob("*.md")),
    ],
)
def test_every_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (ROOT / page).parent.joinpath(target.partition("#")[0]).exists(), target
