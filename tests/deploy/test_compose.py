"""What docker-compose.yml, and what it mounts, promise to whoever starts it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from forwarder import config
from tests.programs.image import ROOT
from tests.support.documents import from_yaml

TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = from_yaml(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
TARGETS = ("stand-in", "carnival")
OURS = ("api", "forwarder")


def resolved(target: str) -> dict[str, Any]:
    """The file as Docker reads it when TARGET is set so."""
    found: dict[str, Any] = from_yaml(TEXT.replace("${TARGET:-stand-in}", target))
    return found


def settings(target: str) -> dict[str, str]:
    """The forwarder's environment: what stands in the file, then the file it names."""
    service = resolved(target)["services"]["forwarder"]
    (file,) = service["env_file"]
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith("#")]
    assert not set(service["environment"]) & {line.partition("=")[0] for line in lines}, "the file would not win"
    return {**service["environment"], **dict(line.split("=", 1) for line in lines)}


def megabytes(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)([a-z]+)", text.lower()).groups()  # type: ignore[union-attr]
    return float(number) * {"m": 1, "mb": 1, "g": 1024, "gb": 1024}[unit]


def bind_mounts() -> Iterator[tuple[str, str]]:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                yield name, volume


def test_yamllint_finds_nothing() -> None:
    files = [ROOT / "docker-compose.yml", ROOT / "deploy"]
    lint = subprocess.run(
        [sys.executable, "-m", "yamllint", "--strict", *files], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert lint.returncode == 0, lint.stdout + lint.stderr


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in OURS])
def test_every_image_is_pinned_to_a_release_and_names_no_registry(name: str) -> None:
    assert re.fullmatch(r"[a-z]+(/[a-z]+)?:v?\d+(\.\d+){1,2}(-alpine)?(@sha256:[0-9a-f]{64})?", SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_shut_in(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service
    assert not str(service.get("user", "unset")).startswith(("0", "root"))


@pytest.mark.parametrize("name", SERVICES)
def test_no_log_fills_the_disk(name: str) -> None:
    logging = SERVICES[name]["logging"]
    assert logging["driver"] == "json-file", "the driver that `docker compose logs` and every reader of files know"
    assert megabytes(logging["options"]["max-size"]) * int(logging["options"]["max-file"]) <= 100


@pytest.mark.parametrize("name", OURS)
def test_a_stop_reaches_the_service_from_its_first_moment(name: str) -> None:
    assert SERVICES[name]["init"] is True


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_limited_and_fits_a_machine_with_one_core(name: str) -> None:
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert float(limits["cpus"]) <= 1, "Docker refuses more than there are"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_whether_it_is_healthy(name: str) -> None:
    # The forwarder's is the image's own.
    assert (name == "forwarder") == ("healthcheck" not in SERVICES[name])


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_redis_keeps_events_on_disk_and_never_evicts_them() -> None:
    redis = SERVICES["redis"]
    given = dict(zip(redis["command"][1::2], redis["command"][2::2], strict=True))
    assert given["--appendonly"] == "yes"
    assert given["--maxmemory-policy"] == "noeviction"
    assert megabytes(redis["deploy"]["resources"]["limits"]["memory"]) >= 2 * megabytes(given["--maxmemory"])
    assert redis["volumes"] == ["redis-data:/data"]
    assert "redis-data" in COMPOSE["volumes"]


def test_any_image_of_redis_or_valkey_answers_the_forwarder() -> None:
    # Of the official image alone the entrypoint turns it off. The network is internal, see below.
    command = SERVICES["redis"]["command"]
    assert command[command.index("--protected-mode") + 1] == "no"


def test_redis_is_reached_by_the_forwarder_alone() -> None:
    assert [name for name, service in SERVICES.items() if "queue" in service["networks"]] == ["redis", "forwarder"]
    assert SERVICES["redis"]["networks"] == ["queue"]
    assert COMPOSE["networks"]["queue"] == {"internal": True}
    assert "ports" not in SERVICES["redis"]


def test_the_forwarder_waits_for_a_redis_that_answers() -> None:
    assert SERVICES["forwarder"]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert "ping" in SERVICES["redis"]["healthcheck"]["test"][1]


def test_one_variable_turns_it_on_the_real_api() -> None:
    assert set(re.findall(r"\$\{(\w+)", TEXT)) == {"TARGET"}
    defaults = {name: default for name, default, _ in config.documented()}
    assert settings("carnival")["FORWARDER_API_URL"] == defaults["FORWARDER_API_URL"]
    assert settings("stand-in")["FORWARDER_API_URL"] == "http://api:8080"
    command = SERVICES["api"]["command"]
    assert command[0] == "simulate"
    assert command[command.index("--port") + 1] == "8080"
    key = (ROOT / resolved("stand-in")["secrets"]["api-key"]["file"]).read_text().strip()
    assert command[command.index("--api-key") + 1] == key


def test_the_real_key_cannot_be_committed() -> None:
    file = resolved("carnival")["secrets"]["api-key"]["file"]
    assert f"/{file}" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("target", TARGETS)
def test_the_forwarder_understands_its_settings(target: str) -> None:
    given = config.load(settings(target))
    assert str(given.api_key_file) == "/run/secrets/api-key"
    assert SERVICES["forwarder"]["secrets"] == ["api-key"]
    stop = float(SERVICES["forwarder"]["stop_grace_period"].removesuffix("s"))
    assert stop >= given.drain_timeout + 10, "POSTs in flight are finished and settled"


def test_the_forwarder_is_served_by_its_name_to_the_other_containers_and_by_no_name_of_others() -> None:
    given = config.load(settings("stand-in"))
    assert given.admin_host == "0.0.0.0"
    assert given.admin_allowed_hosts == "forwarder"


@pytest.mark.parametrize(("name", "volume"), list(bind_mounts()))
def test_everything_mounted_exists_and_is_mounted_to_be_read(name: str, volume: str) -> None:
    source, _, mode = volume.split(":")
    assert (ROOT / source).exists()
    assert mode == "ro"


def test_prometheus_asks_the_forwarder_and_grafana_asks_prometheus() -> None:
    scraped = from_yaml((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    port = SERVICES["forwarder"]["ports"][0].rpartition(":")[2]
    assert re.search(r"\bforwarder\b", json.dumps(scraped).replace('"job_name": "forwarder"', ""))
    assert re.search(rf"\b{port}\b", json.dumps(scraped))
    assert set(SERVICES["prometheus"]["networks"]) & set(SERVICES["forwarder"]["networks"])
    (source,) = provisioned("datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"


def provisioned(name: str) -> dict[str, Any]:
    found: dict[str, Any] = from_yaml((ROOT / "deploy/grafana/provisioning" / name).read_text())
    return found


def datasources(part: object) -> Iterator[str]:
    """The uid of every data source that a part of a dashboard names."""
    match part:
        case {"datasource": {"uid": str(uid)}, **rest}:
            yield uid
            yield from datasources(rest)
        case dict():
            for each in part.values():
                yield from datasources(each)
        case list():
            for each in part:
                yield from datasources(each)


def test_grafana_finds_the_dashboard_and_the_dashboard_its_data() -> None:
    (source,) = provisioned("datasources/prometheus.yml")["datasources"]
    dashboard = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
    uids = set(datasources(dashboard))
    assert uids
    for uid in uids - {"-- Grafana --", "grafana"}:
        assert uid == source["uid"] or uid.startswith("$"), uid
    (provider,) = provisioned("dashboards/forwarder.yml")["providers"]
    mounted = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/dashboard.json" in mounted
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in mounted
