"""The manifests: Kubernetes takes them, they fit together, and they say of the service what is so.

Of the kinds that other projects bring (PodMonitor, ScaledObject, TriggerAuthentication) no schema can be had as a
package, so their fields are compared with the documented ones that we mean to use.
"""

import itertools
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import pytest
import yaml

from forwarder import config
from forwarder.errors import ConfigurationError
from tests.programs.image import ROOT, USER
from tests.support import kustomize
from tests.support.kustomize import Manifest, kustomization

UNITS = ROOT / "deploy" / "systemd"
KUBERNETES = ROOT / "deploy" / "kubernetes"
COMPONENTS = sorted(folder.name for folder in (KUBERNETES / "components").iterdir())
#: Each overlay as it is, with each component, and with those that are made to go together.
VARIANTS = [
    ("base",),
    *itertools.product(["overlays/plain", "overlays/production"], ["", *COMPONENTS]),
    ("overlays/production", "redis-managed", "redis-tls", "api-proxy", "api-ca"),
    ("overlays/production", "redis-sentinel", "redis-tls"),
]
#: The oldest that has all we use, and the newest that the package knows.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
PROXY = "http://forwarder:password@proxy.example.com:3128"
FOREIGN = {
    "PodMonitor": {"jobLabel", "selector", "podMetricsEndpoints"},
    "ScaledObject": {
        *("scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "fallback", "advanced", "triggers")
    },
    "TriggerAuthentication": {"secretTargetRef"},
}


@cache
def built(overlay: str, *components: str) -> dict[str, Manifest]:
    """The manifests of an overlay by their kinds, with these components."""
    manifests = kustomize.build(KUBERNETES / overlay, filter(None, components))
    found = {manifest["kind"]: manifest for manifest in manifests}
    assert len(found) == len(manifests)
    return found


ALL = built("overlays/production")
PLAIN = built("overlays/plain")


def the(kind: str, variant: dict[str, Manifest] = ALL) -> Any:
    return variant[kind]["spec"]


POD: Manifest = the("Deployment")["template"]
(CONTAINER,) = POD["spec"]["containers"]
SECRETS = CONTAINER["volumeMounts"][0]["mountPath"]


def lists(given: config.Settings) -> list[str]:
    return [given.queue] if given.shards == 1 else [f"{given.queue}:{number}" for number in range(given.shards)]


def test_every_file_is_a_resource_and_every_resource_is_there() -> None:
    for folder in {file.parent for file in KUBERNETES.rglob("*.yaml")}:
        resources = kustomization(folder).get("resources", ())
        files = {file.name for file in folder.iterdir()} - {"kustomization.yaml"}
        assert {resource for resource in resources if resource.endswith(".yaml")} == files
        assert all((folder / resource).exists() for resource in resources)


def test_a_cluster_may_have_neither_keda_nor_the_prometheus_operator() -> None:
    assert not PLAIN.keys() & FOREIGN.keys()
    assert PLAIN.keys() | FOREIGN.keys() == ALL.keys()


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_field(version: str) -> None:
    different: list[Manifest] = []
    for manifest in itertools.chain.from_iterable(built(*variant).values() for variant in VARIANTS):
        if manifest not in different:
            different.append(manifest)
    for manifest in different:
        if manifest["kind"] in FOREIGN:
            assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
            assert set(manifest["spec"]) == FOREIGN[manifest["kind"]]
            continue
        kubernetes_validate.validate(manifest, version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**ALL["Deployment"], "specs": {}}, version, strict=True)


def selectors(part: object) -> Iterator[dict[str, str]]:
    """Every selector of our pods; those in the rules of a NetworkPolicy are of others."""
    match part:
        case dict():
            for name, each in part.items():
                if name in ("selector", "podSelector", "labelSelector"):
                    yield each["matchLabels"]
                elif name not in ("ingress", "egress"):
                    yield from selectors(each)
        case list():
            for each in part:
                yield from selectors(each)


@pytest.mark.parametrize("kind", ["Deployment", "PodDisruptionBudget", "NetworkPolicy", "PodMonitor"])
def test_every_selector_finds_the_pods(kind: str) -> None:
    found = list(selectors(the(kind)))
    assert len(found) == (2 if kind == "Deployment" else 1)
    for labels in found:
        assert labels
        assert labels.items() <= POD["metadata"]["labels"].items()


def test_the_pod_is_shut_in() -> None:
    pod = POD["spec"]["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] == pod["runAsGroup"] == pod["fsGroup"] == USER
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert POD["spec"]["automountServiceAccountToken"] is False
    assert ALL["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_job_that_deletes_what_erased_users_left_is_shut_in_as_the_pods_are() -> None:
    template = the("CronJob")["jobTemplate"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    for name in ("securityContext", "volumes", "automountServiceAccountToken", "enableServiceLinks"):
        assert template["spec"][name] == POD["spec"][name]
    for name in ("image", "envFrom", "securityContext", "volumeMounts"):
        assert container[name] == CONTAINER[name]
    assert the("NetworkPolicy")["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert not the("Deployment")["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    (command,) = re.findall(r"^ExecStart=\S+ (.*)$", (UNITS / "forwarder-erase.service").read_text(), re.MULTILINE)
    assert container["args"] == command.split()


def test_a_pod_is_restarted_for_silence_and_not_for_a_halt() -> None:
    assert CONTAINER["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "admin"}
    assert CONTAINER["startupProbe"]["httpGet"] == {"path": "/livez", "port": "admin"}
    assert CONTAINER["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}


def test_a_pod_has_the_memory_that_was_measured() -> None:
    """The most under load is in deploy/scaling.md; tests/fault/test_memory.py bounds what a full buffer adds."""
    (measured,) = re.findall(r"(\d+) MiB for a worker", (ROOT / "deploy" / "scaling.md").read_text())
    resources = CONTAINER["resources"]
    requested, limit = (int(resources[name]["memory"].removesuffix("Mi")) for name in ("requests", "limits"))
    assert requested >= int(measured)
    assert limit >= requested + 1.5 * config.Settings(api_key="key").max_buffered_bytes / 2**20
    assert "cpu" not in resources["limits"], "throttling would freeze the event loop"


def test_one_pod_drains_and_another_stands_by_and_a_halt_keeps_no_node_from_being_drained() -> None:
    assert the("Deployment", PLAIN)["replicas"] >= 2
    assert "replicas" not in the("Deployment"), "it would undo what KEDA decides"
    assert the("Deployment")["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    budget = the("PodDisruptionBudget")
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: "+".join(filter(None, variant)))
def test_the_forwarder_understands_its_settings(variant: tuple[str, ...], tmp_path: Path) -> None:
    found = built(*variant)
    given = {**found["ConfigMap"]["data"]}
    assert CONTAINER["envFrom"] == [{"configMapRef": {"name": found["ConfigMap"]["metadata"]["name"]}}]
    files = {name: value for name, value in given.items() if name.endswith("_FILE")}
    assert files.keys() >= {"FORWARDER_API_KEY_FILE", "FORWARDER_REDIS_URL_FILE"}
    secrets = {"api-key": "key", "redis-url": "redis://redis:6379/0", "api-proxy": PROXY}
    for name, value in files.items():
        folder, _, key = value.rpartition("/")
        assert folder == SECRETS
        (tmp_path / key).write_text(secrets.get(key, ""))
        given[name] = str(tmp_path / key)
    loaded = config.load(given)
    assert loaded.admin_host == "0.0.0.0"
    assert given["FORWARDER_ADMIN_ALLOWED_HOSTS"] == loaded.admin_allowed_hosts == ""
    assert loaded.admin_port == CONTAINER["ports"][0]["containerPort"]
    assert POD["spec"]["terminationGracePeriodSeconds"] >= loaded.drain_timeout + 10


def test_every_secret_is_in_one_folder_so_that_a_component_needs_no_other_volume() -> None:
    (mount,) = CONTAINER["volumeMounts"]
    (volume,) = POD["spec"]["volumes"]
    assert mount["name"] == volume["name"]
    assert "subPath" not in mount, "a new key would not arrive"
    assert "items" not in volume["secret"]


def test_a_service_of_that_name_would_set_what_is_no_setting_and_does_not() -> None:
    with pytest.raises(ConfigurationError):
        config.load({"FORWARDER_PORT": "tcp://10.0.0.1:9464"})  # what Kubernetes sets for a Service called forwarder
    assert POD["spec"]["enableServiceLinks"] is False


def test_secrets_are_files_and_none_is_here() -> None:
    assert "env" not in CONTAINER
    assert not [variant for variant in VARIANTS if "Secret" in built(*variant)]


def test_the_network_is_open_for_prometheus_and_to_redis_names_and_the_api_alone() -> None:
    policy = the("NetworkPolicy")
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (rule,) = policy["ingress"]
    assert rule["from"]
    assert rule["ports"] == [{"protocol": "TCP", "port": CONTAINER["ports"][0]["containerPort"]}]
    assert all(rule["to"] for rule in policy["egress"])
    assert egress() == [{53}, {6379}, {443}]
    private = policy["egress"][2]["to"][0]["ipBlock"]["except"]
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(private), "neither the cluster nor the cloud's metadata"


def egress(*components: str) -> list[set[int]]:
    """The ports of each rule: to name servers, Redis, and the API."""
    rules = the("NetworkPolicy", built("overlays/production", *components))["egress"]
    return [{port["port"] for port in rule["ports"]} for rule in rules]


def examples(component: str) -> str:
    """What the first lines of a component say."""
    text = (KUBERNETES / "components" / component / "kustomization.yaml").read_text()
    return text.partition("apiVersion")[0]


@pytest.mark.parametrize("component", [name for name in COMPONENTS if name.startswith("redis-")])
def test_the_policy_and_keda_lead_to_the_redis_that_the_component_shows(component: str) -> None:
    (url,) = re.findall(r"rediss?\S*://\S+", examples(component))
    given = config.load({"FORWARDER_API_KEY": "key", "FORWARDER_REDIS_URL": url})
    assert given.redis_url.get_secret_value() == url
    parts = urlsplit(url)
    found = built("overlays/production", component)
    assert parts.port in egress(component)[1]
    (trigger,) = the("ScaledObject", found)["triggers"]
    sentinel = "sentinel" in parts.scheme
    assert trigger["type"] == ("redis-sentinel" if sentinel else "redis")
    assert trigger["metadata"]["addresses" if sentinel else "address"] == f"{parts.hostname}:{parts.port}"
    assert trigger["metadata"].get("sentinelMaster") == (parts.path.strip("/") if sentinel else None)
    assert trigger["metadata"].get("enableTLS") == ("true" if parts.scheme.startswith("rediss") else None)
    authentication = {each["parameter"]: each["key"] for each in the("TriggerAuthentication", found)["secretTargetRef"]}
    assert authentication.pop("password") == "redis-password"
    authority = parse_qs(parts.query).get("ssl_ca_certs", [])
    assert [f"{SECRETS}/{name}" for name in authentication.values()] == authority


def test_with_sentinels_pods_reach_them_and_the_redis_that_they_name() -> None:
    assert egress("redis-sentinel") == [{53}, {6379, 26379}, {443}]


def test_with_a_proxy_pods_reach_it_and_not_the_internet() -> None:
    (port,) = re.findall(r"http://\S+:(\d+)$", examples("api-proxy"), re.MULTILINE)
    assert egress("api-proxy") == [{53}, {6379}, {int(port)}]
    rule = the("NetworkPolicy", built("overlays/plain", "api-proxy"))["egress"][2]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.1.2.3/32"}}]


def test_prometheus_finds_a_port_that_is_there() -> None:
    ports = {port["name"] for port in CONTAINER["ports"]}
    monitored = the("PodMonitor")
    assert {endpoint["port"] for endpoint in monitored["podMetricsEndpoints"]} == ports
    assert monitored["jobLabel"] in POD["metadata"]["labels"]


def test_keda_scales_the_deployment_by_every_list_and_never_to_nothing() -> None:
    scaled = the("ScaledObject")
    given = config.load({k: v for k, v in ALL["ConfigMap"]["data"].items() if not k.endswith("_FILE")})
    names = {kind: manifest["metadata"]["name"] for kind, manifest in ALL.items()}
    assert scaled["scaleTargetRef"] == {"name": names["Deployment"]}
    assert scaled["minReplicaCount"] == 1
    assert scaled["maxReplicaCount"] >= max(2, given.shards)
    assert [trigger["type"] for trigger in scaled["triggers"]] == ["redis"] * given.shards
    assert [trigger["metadata"]["listName"] for trigger in scaled["triggers"]] == lists(given)
    for trigger in scaled["triggers"]:
        assert set(trigger["metadata"]) == {"address", "listName", "listLength"}
        assert all(isinstance(value, str) for value in trigger["metadata"].values()), "KEDA takes strings alone"
        assert int(trigger["metadata"]["listLength"]) == given.max_buffered_events
        assert trigger["authenticationRef"] == {"name": names["TriggerAuthentication"]}
    (secret,) = the("TriggerAuthentication")["secretTargetRef"]
    assert secret["name"] == POD["spec"]["volumes"][0]["secret"]["secretName"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl to build the overlays with")
@pytest.mark.parametrize(
    "variant", [("overlays/plain",), VARIANTS[-2], VARIANTS[-1]], ids=lambda variant: "+".join(filter(None, variant))
)
def test_kustomize_builds_the_same(variant: tuple[str, ...], tmp_path: Path) -> None:
    overlay, *components = variant
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    folder = tmp_path / "kubernetes" / overlay
    with (folder / "kustomization.yaml").open("a") as file:
        yaml.safe_dump({"components": [f"../../components/{name}" for name in components]}, file)
    ran = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True)
    suffix = re.compile(r"\bforwarder-[a-z0-9]{10}\b")
    found = {each["kind"]: each for each in yaml.safe_load_all(suffix.sub("forwarder", ran.stdout))}
    assert found == built(*variant)
