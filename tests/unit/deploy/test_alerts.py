"""Alerts, their tests, the runbook, the dashboard and the metrics belong together, one for one."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from forwarder.metrics import Metrics
from tests.support.incidents.runbook import RUNBOOK, sections
from tests.support.servers.prometheus import DEPLOYED, alerts_and_records, quickened

RULES = alerts_and_records()
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
DASHBOARD = json.loads((DEPLOYED.parent / "grafana" / "dashboard.json").read_text())
CASES = yaml.safe_load((DEPLOYED / "rules_test.yml").read_text())["tests"]


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


def headings() -> list[str]:
    return re.findall(r"^## (.*)$", RUNBOOK.read_text(), re.MULTILINE)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(alert: str) -> None:
    asked = [each for case in CASES for each in case["alert_rule_test"] if each["alertname"] == alert]
    assert any(each["exp_alerts"] for each in asked)
    assert any(not each["exp_alerts"] for each in asked)
    # A case that stays silent all along, not only before it fires.
    cases = [case["alert_rule_test"] for case in CASES if case["alert_rule_test"][0]["alertname"] == alert]
    assert any(not any(each["exp_alerts"] for each in case) for case in cases)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_it_means_how_urgent_it_is_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["description"].endswith((".", "{{- end }}"))
    assert rule["annotations"]["runbook_url"] == f"deploy/runbook.md#{alert.lower()}"


def test_every_alert_has_a_section_in_the_runbook_and_every_section_an_alert() -> None:
    assert headings() == list(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_section_begins_with_what_is_at_stake_and_has_commands(alert: str) -> None:
    text = RUNBOOK.read_text().split(f"\n## {alert}\n\n")[1].split("\n## ")[0]
    assert text.startswith("**At stake:** ")
    assert "\nLook:" in text
    assert any(name.partition("/")[0] == alert and blocks for name, blocks in sections().items())


def test_every_link_of_the_runbook_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", RUNBOOK.read_text()):
        if target.startswith("#"):
            assert target[1:] in {heading.lower() for heading in headings()}, target
        else:
            assert (RUNBOOK.parent / target.partition("#")[0]).exists(), target


def test_every_section_of_the_runbook_is_read_by_a_story() -> None:
    """Then all of it is: a story that leaves out a block of a section fails (`Scene.read_all`)."""
    folder = Path(__file__).parents[2]
    stories = "".join((folder / file).read_text() for file in ("support/incidents/nights.py", "e2e/test_runbook.py"))
    for name, blocks in sections().items():
        assert not blocks or f'"{name}"' in stories, name


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
            assert all('{job="$job"}' in target["expr"] for target in panel["targets"])
    assert {each["name"] for each in DASHBOARD["templating"]["list"]} == {"datasource", "job"}


def test_quickened_rules_are_the_shipped_ones_with_seconds_for_minutes() -> None:
    assert quickened("for: 10m, x[15m] > 75 * 60 and y < 4 * 60 * 60") == "for: 10s, x[15s] > 75 * 1 and y < 4 * 1 * 60"
    groups = yaml.safe_load(quickened((DEPLOYED / "rules.yml").read_text()))["groups"]
    quick = {rule["alert"]: rule for rule in groups[0]["rules"] if "alert" in rule}
    assert set(quick) == set(ALERTS)
    durations = [(rule["expr"].replace(":deriv15m", ""), rule.get("for")) for rule in quick.values()]
    assert not re.search(r"\dm\b", str(durations)), durations
