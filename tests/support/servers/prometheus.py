"""Starts, queries and ends a real Prometheus for tests."""

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.documents import from_yaml
from tests.support.service import eventually, fetch

DEPLOYED = Path(__file__).parents[3] / "deploy" / "prometheus"


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`. Skips the test if it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} (Debian: prometheus) is not installed")
    return found


def alerts_and_records() -> list[dict[str, Any]]:
    """The shipped rules, of every group."""
    groups = from_yaml((DEPLOYED / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def quickened(rules: str) -> str:
    """The shipped rules, with a second instead of each minute and no other change.

    `for: 5m`, `[15m]` and `15 * 60` become `for: 5s`, `[15s]` and `15 * 1`: an alert that takes a quarter of an hour
    takes 15 seconds in a test.
    """
    rules = re.sub(r"(for: |\[)(\d+)m\b", r"\1\2s", rules)
    return re.sub(r"(\d+) \* 60\b", r"\1 * 1", rules)


class Prometheus:
    """A running Prometheus. Every target belongs to a job, and the test names the job."""

    def __init__(self, url: str, targets: Path) -> None:
        self.url = url
        self._targets = targets

    def scrape(self, job: str, addresses: Iterable[str]) -> None:
        """From now on these admin addresses (http://…) are the targets of the job."""
        file = self._targets / f"{job}.json"
        new = file.with_suffix(".new")
        targets = [address.removeprefix("http://") for address in addresses]
        new.write_text(json.dumps([{"targets": targets, "labels": {"job": job}}]))
        new.replace(file)

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query.

        Raises:
            AssertionError: Prometheus refuses the expression.
        """
        found: list[dict[str, Any]] = (await self._ask("query", query=expression))["result"]
        return found

    async def firing(self, alert: str, labels: Mapping[str, str]) -> dict[str, Any] | None:
        """The alert with this name that fires with at least these labels, or None."""
        wanted = {"alertname": alert, **labels}.items()
        for each in (await self._ask("alerts"))["alerts"]:
            if each["state"] == "firing" and wanted <= each["labels"].items():
                return dict(each)
        return None

    async def _ask(self, what: str, **parameters: str) -> Any:
        status, text = await fetch(f"{self.url}/api/v1/{what}?{urlencode(parameters)}")
        assert status == 200, text
        return json.loads(text)["data"]


@asynccontextmanager
async def prometheus(directory: Path, *, rules: str = "groups: []") -> AsyncIterator[Prometheus]:
    """Runs a Prometheus with these rules, which scrapes and evaluates twice a second. Skips if it is not installed."""
    server = program("prometheus")
    targets = directory / "targets"
    targets.mkdir()
    (directory / "rules.yml").write_text(rules)
    (directory / "prometheus.yml").write_text(
        "global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}\n"
        "rule_files: [rules.yml]\n"
        "scrape_configs: [{job_name: by-file, file_sd_configs: [{files: [targets/*.json], refresh_interval: 1s}]}]\n"
    )
    log = directory / "prometheus.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [
                server,
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stderr=stream,
        )
    try:
        url = await eventually(lambda: _address(process, log), what="prometheus listens")

        async def ready() -> bool:
            return (await fetch(f"{url}/-/ready"))[0] == 200

        await eventually(ready, what="prometheus is ready")
        yield Prometheus(url, targets)
    finally:
        process.kill()
        process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str | None:
    text = log.read_text()
    assert process.poll() is None, text
    found = re.search(r'Listening on"? address="?([0-9.:]+)', text)
    return f"http://{found[1]}" if found else None
