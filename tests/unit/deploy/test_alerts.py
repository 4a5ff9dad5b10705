"""Alerts, their tests, the runbook, the dashboard and the metrics belong together, one for one."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forwarder.diagnosis.facts import Halted, Setup
from forwarder.diagnosis.halts import halted
from forwarder.metrics import Metrics
from forwarder.outcome import HaltReason
from tests.support.documents import ROOT, cells, code, from_yaml
from tests.support.incidents.runbook import RUNBOOK, bodies, sections
from tests.support.servers.prometheus import DEPLOYED, alerts_and_records, quickened

RULES = alerts_and_records()
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
DASHBOARD = json.loads((DEPLOYED.parent / "grafana" / "dashboard.json").read_text())
CASES = from_yaml((DEPLOYED / "rules_test.yml").read_text())["tests"]


def metrics() -> set[str]:
    """What a worker exposes, as a scrape names it, without the parts of histograms."""
    families = Metrics()._registry.collect()
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def named(expression: str) -> set[str]:
    """The metrics of ours in an expression; a histogram by its own name."""
    found = re.findall(r"(?<![\w:])forwarder_\w+", expression)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def expressions(panels: list[dict[str, Any]]) -> Iterator[str]:
    for panel in panels:
        yield from (target["expr"] for target in panel.get("targets", ()))
        yield from expressions(panel.get("panels", []))


def anchors(alert: str) -> set[str]:
    """Where an alert leads: the sections of the runbook. A halt leads to the section of its reason."""
    page, _, anchor = ALERTS[alert]["annotations"]["runbook_url"].partition("#")
    assert page == "deploy/runbook.md"
    if anchor == '{{ reReplaceAll "_" "-" $labels.reason }}':
        return {reason.replace("_", "-") for reason in HaltReason}
    return {anchor}


#: What each section says, in this order.
LABELS = ("**You see:** ", "**Events:** ", "**Do first:** ", "**By itself:** ", "**Over when:** ")


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(alert: str) -> None:
    asked = [each for case in CASES for each in case["alert_rule_test"] if each["alertname"] == alert]
    assert any(each["exp_alerts"] for each in asked)
    assert any(not each["exp_alerts"] for each in asked)
    # A case that stays silent all along, not only before it fires.
    cases = [case["alert_rule_test"] for case in CASES if case["alert_rule_test"][0]["alertname"] == alert]
    assert any(not any(each["exp_alerts"] for each in case) for case in cases)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_it_means_how_urgent_it_is_what_to_do_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "action", "runbook_url"}
    assert not rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["description"].endswith((".", "{{- end }}"))
    assert rule["annotations"]["action"].endswith((".", "{{- end }}"))
    assert anchors(alert) <= set(bodies())


def test_the_table_of_the_runbook_names_every_alert_and_section_once() -> None:
    text = RUNBOOK.read_text()
    rows = cells(text[text.index("| alert | reason") :].partition("\n\n")[0])
    leads = {alert: {row[2].partition("#")[2].strip(")") for row in rows if alert in code(row[0])} for alert in ALERTS}
    assert leads == {alert: anchors(alert) for alert in ALERTS}
    named = [row[2].partition("#")[2].strip(")") for row in rows]
    assert sorted(named) == sorted(bodies())
    for (_, reason, _), anchor in zip(rows, named, strict=True):
        assert reason == "-" or code(reason) == [anchor.replace("-", "_")]


@pytest.mark.parametrize("section", bodies())
def test_every_section_says_what_one_sees_what_it_means_what_to_do_first_and_when_it_is_over(section: str) -> None:
    text = bodies()[section]
    places = [text.index(label) for label in LABELS]
    assert places == sorted(places)
    assert places[0] == 0
    for alert in re.findall(r"`(Forwarder\w+)`", text):
        assert section in anchors(alert)
    for alert in ALERTS:
        assert section not in anchors(alert) or f"`{alert}`" in text


def titles() -> dict[str, set[str]]:
    """The titles of all findings that a person should act on, and the sections that may name each of them."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "forwarder" / "diagnosis").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name("Finding"), args=[why, tone, title, *_]):
                    for each in texts(title) if texts(tone) & {"warn", "bad"} else ():
                        found.setdefault(each, set()).update(texts(why))
    for reason in HaltReason:
        for named in (False, True):
            found.setdefault(halted(Halted(reason, "", "", named), Setup()).title, set()).add(reason)
    return found


def texts(node: ast.expr) -> set[str]:
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def test_everything_that_can_be_wrong_has_a_section_that_names_it() -> None:
    """The page, `forwarder status` and /status.json lead there: `Finding.anchor`."""
    assert len(titles()) > 20
    for title, reasons in titles().items():
        sections_of_it = [bodies()[reason.replace("_", "-")] for reason in reasons]
        assert any(f'"{title}"' in section.partition("\n\n")[0] for section in sections_of_it), title


@pytest.mark.parametrize("reason", HaltReason)
def test_for_a_halt_resume_comes_last(reason: str) -> None:
    """Resumed with the same key or address, the service would halt again at once."""
    text = bodies()[reason.replace("_", "-")]
    before, _, last = text.partition("\nLast of all: ")
    assert last
    assert "forwarder resume" in last
    if reason != HaltReason.DEAD_LETTER_BRAKE:  # whose bad events must be let through, once the producer is fixed
        assert "forwarder resume" not in before
        first = before.partition("**Do first:** ")[2].partition("\n\n")[0]
        assert "FORWARDER_API_" in first


def test_every_command_of_the_runbook_is_run_by_a_story() -> None:
    """A story that leaves out a block of a section fails (`Scene.read_all`). Other sections repeat these commands."""
    folder = Path(__file__).parents[2]
    stories = "".join((folder / file).read_text() for file in ("support/incidents/nights.py", "e2e/test_runbook.py"))
    read = {name for name in sections() if re.search(rf'(run\(|for section in .*)"{name}"', stories)}
    assert len(read) >= len(ALERTS) - 4
    run = {command for name in read for block in sections()[name] for command in block}
    assert {command for blocks in sections().values() for block in blocks for command in block} == run


def test_rules_use_metrics_that_exist() -> None:
    assert set.union(*(named(rule["expr"]) for rule in RULES)) <= metrics()


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    assert set.union(*map(named, expressions(DASHBOARD["panels"]))) == metrics()


def test_the_panels_of_the_dashboard_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_dashboard_asks_the_data_source_that_is_chosen() -> None:
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["targets"], panel["title"]
            assert all('{job="$job"' in target["expr"] for target in panel["targets"])
    for annotation in DASHBOARD["annotations"]["list"]:
        assert annotation["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert '{job="$job"}' in annotation["expr"]
        assert named(annotation["expr"]) <= metrics()
    assert {each["name"] for each in DASHBOARD["templating"]["list"]} == {"datasource", "job", "page"}


def test_the_first_row_of_the_dashboard_says_how_much_waits_and_how_long_that_takes() -> None:
    first = sorted(DASHBOARD["panels"], key=lambda panel: (panel["gridPos"]["y"], panel["gridPos"]["x"]))
    assert [panel["title"] for panel in first[1:4]] == ["Backlog", "Time to go", "Accepted per second"]


def test_the_dashboard_leads_to_the_page_and_to_sections_of_the_runbook() -> None:
    assert [link["url"] for link in DASHBOARD["links"]] == ["${page}/", "${page}/runbook"]
    links = [link for panel in DASHBOARD["panels"] for link in panel.get("links", ())]
    assert len(links) > 10
    for link in links:
        page, _, anchor = link["url"].partition("#")
        assert page == "${page}/runbook"
        assert anchor in bodies()
        assert link["title"] == f"Runbook: {anchor.replace('-', ' ').capitalize()}"


def test_quickened_rules_are_the_shipped_ones_with_seconds_for_minutes() -> None:
    assert quickened("for: 10m, x[15m] > 75 * 60 and y < 4 * 60 * 60") == "for: 10s, x[15s] > 75 * 1 and y < 4 * 1 * 60"
    groups = from_yaml(quickened((DEPLOYED / "rules.yml").read_text()))["groups"]
    quick = {rule["alert"]: rule for rule in groups[0]["rules"] if "alert" in rule}
    assert set(quick) == set(ALERTS)
    durations = [(rule["expr"].replace(":deriv15m", ""), rule.get("for")) for rule in quick.values()]
    assert not re.search(r"\dm\b", str(durations)), durations
