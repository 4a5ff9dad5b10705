"""The manifests: Kubernetes takes them, they fit together, and they say of the service what is so.

Of the kinds that other projects bring (PodMonitor, ScaledObject, TriggerAuthentication) no schema can be had as a
package, so their fields are compared with the documented ones that we mean to use.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from forwarder import config
from forwarder.errors import ConfigurationError
from tests.programs.image import ROOT, USER

BASE = ROOT / "deploy" / "kubernetes" / "base"
UNITS = ROOT / "deploy" / "systemd"
OVERLAY = ROOT / "deploy" / "kubernetes" / "overlays" / "production"
#: The oldest that has all we use, and the newest that the package knows.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
FOREIGN = {
    "PodMonitor": {"jobLabel", "selector", "podMetricsEndpoints"},
    "ScaledObject": {
        *("scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "fallback", "advanced", "triggers")
    },
    "TriggerAuthentication": {"secretTargetRef"},
}

Manifest = dict[str, Any]


def kustomization(folder: Path) -> Manifest:
    found: Manifest = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return found


def manifests(*folders: Path) -> list[Manifest]:
    files = [file for folder in folders for file in sorted(folder.glob("*.yaml")) if file.stem != "kustomization"]
    return [manifest for file in files for manifest in yaml.safe_load_all(file.read_text())]


ALL = manifests(BASE, OVERLAY)


def the(kind: str) -> Any:
    (found,) = (manifest["spec"] for manifest in ALL if manifest["kind"] == kind)
    return found


POD: Manifest = the("Deployment")["template"]
(CONTAINER,) = POD["spec"]["containers"]


def settings(*folders: Path) -> dict[str, str]:
    """What the ConfigMap of an overlay holds."""
    generators = [generator for folder in folders for generator in kustomization(folder)["configMapGenerator"]]
    assert {generator["name"] for generator in generators} == {CONTAINER["envFrom"][0]["configMapRef"]["name"]}
    return dict(line.split("=", 1) for generator in generators for line in generator["literals"])


def lists(given: config.Settings) -> list[str]:
    return [given.queue] if given.shards == 1 else [f"{given.queue}:{number}" for number in range(given.shards)]


@pytest.mark.parametrize("folder", [BASE, OVERLAY], ids=lambda folder: folder.name)
def test_every_file_is_a_resource_and_every_resource_is_there(folder: Path) -> None:
    resources = kustomization(folder)["resources"]
    files = {file.name for file in folder.iterdir()} - {"kustomization.yaml"}
    assert {resource for resource in resources if resource.endswith(".yaml")} == files
    assert all((folder / resource).exists() for resource in resources)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", ALL, ids=lambda manifest: manifest["kind"])
def test_kubernetes_takes_every_field(manifest: Manifest, version: str) -> None:
    if manifest["kind"] in FOREIGN:
        assert set(manifest) == {"apiVersion", "kind", "metadata", "spec"}
        assert set(manifest["spec"]) == FOREIGN[manifest["kind"]]
        return
    kubernetes_validate.validate(manifest, version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**manifest, "specs": {}}, version, strict=True)


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
    (namespace,) = (manifest for manifest in ALL if manifest["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


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


def test_one_pod_drains_and_another_stands_by_and_a_halt_keeps_no_node_from_being_drained() -> None:
    assert the("Deployment")["replicas"] >= 2
    assert the("Deployment")["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    budget = the("PodDisruptionBudget")
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


@pytest.mark.parametrize("folders", [(BASE,), (BASE, OVERLAY)], ids=["base", "production"])
def test_the_forwarder_understands_its_settings(folders: tuple[Path, ...]) -> None:
    given = settings(*folders)
    files = [given.pop(name) for name in ("FORWARDER_API_KEY_FILE", "FORWARDER_REDIS_URL_FILE")]
    (mount,) = CONTAINER["volumeMounts"]
    (volume,) = POD["spec"]["volumes"]
    assert mount["name"] == volume["name"]
    assert [f"{mount['mountPath']}/{item['path']}" for item in volume["secret"]["items"]] == files
    loaded = config.load(given)
    assert loaded.admin_host == "0.0.0.0"
    assert given["FORWARDER_ADMIN_ALLOWED_HOSTS"] == loaded.admin_allowed_hosts == ""
    assert loaded.admin_port == CONTAINER["ports"][0]["containerPort"]
    assert POD["spec"]["terminationGracePeriodSeconds"] >= loaded.drain_timeout + 10


def test_a_service_of_that_name_would_set_what_is_no_setting_and_does_not() -> None:
    with pytest.raises(ConfigurationError):
        config.load({"FORWARDER_PORT": "tcp://10.0.0.1:9464"})  # what Kubernetes sets for a Service called forwarder
    assert POD["spec"]["enableServiceLinks"] is False


def test_secrets_are_files_and_none_is_here() -> None:
    assert "env" not in CONTAINER
    assert not [manifest for manifest in ALL if manifest["kind"] == "Secret"]
    assert not any("secretGenerator" in kustomization(folder) for folder in (BASE, OVERLAY))


def test_the_network_is_open_for_prometheus_and_to_redis_names_and_the_api_alone() -> None:
    policy = the("NetworkPolicy")
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (rule,) = policy["ingress"]
    assert rule["from"]
    assert rule["ports"] == [{"protocol": "TCP", "port": CONTAINER["ports"][0]["containerPort"]}]
    assert all(rule["to"] for rule in policy["egress"])
    ports = [{port["port"] for port in rule["ports"]} for rule in policy["egress"]]
    assert ports == [{53}, {6379}, {443}]
    private = policy["egress"][2]["to"][0]["ipBlock"]["except"]
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(private), "neither the cluster nor the cloud's metadata"


def test_prometheus_finds_a_port_that_is_there() -> None:
    ports = {port["name"] for port in CONTAINER["ports"]}
    monitored = the("PodMonitor")
    assert {endpoint["port"] for endpoint in monitored["podMetricsEndpoints"]} == ports
    assert monitored["jobLabel"] in POD["metadata"]["labels"]


def test_keda_scales_the_deployment_by_every_list_and_never_to_nothing() -> None:
    scaled = the("ScaledObject")
    given = config.load({k: v for k, v in settings(BASE, OVERLAY).items() if not k.endswith("_FILE")})
    names = {manifest["kind"]: manifest["metadata"]["name"] for manifest in ALL}
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


def test_what_the_overlay_changes_is_there_to_be_changed() -> None:
    overlay = kustomization(OVERLAY)
    assert {image["name"] for image in overlay["images"]} == {CONTAINER["image"]}
    base = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests(BASE)}
    for patch in overlay["patches"]:
        target = base[patch["target"]["kind"], patch["target"]["name"]]
        for operation in yaml.safe_load(patch["patch"]):
            place: Any = target
            for step in operation["path"].strip("/").split("/"):
                place = place[step]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl to build the overlay with")
def test_kustomize_builds_the_overlay() -> None:
    built = subprocess.run(["kubectl", "kustomize", OVERLAY], capture_output=True, text=True, check=True)
    found = {manifest["kind"]: manifest for manifest in yaml.safe_load_all(built.stdout)}
    assert set(found) == {manifest["kind"] for manifest in ALL} | {"ConfigMap"}
    for kind, manifest in found.items():
        if kind not in FOREIGN:
            kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)
    deployment = found["Deployment"]["spec"]
    assert "replicas" not in deployment, "it would undo what KEDA decides"
    (container,) = deployment["template"]["spec"]["containers"]
    assert container["envFrom"][0]["configMapRef"]["name"] == found["ConfigMap"]["metadata"]["name"]
    assert found["ConfigMap"]["data"] == settings(BASE, OVERLAY)
