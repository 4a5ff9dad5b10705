"""Builds an overlay as `kubectl kustomize` does, as far as deploy/kubernetes needs it, where there is no kubectl.

Names get no suffix. What it does not know is an error.
"""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.documents import all_from_yaml, from_yaml

Manifest = dict[str, Any]
#: As kustomize does it: what an overlay adds of its own, and the components that it names, come before its changes.
_ORDER = ("resources", "components", "configMapGenerator", "patches", "images", "namespace")


def build(folder: Path, components: Iterable[str] = ()) -> list[Manifest]:
    """The manifests of an overlay to which these components are added."""
    built: list[Manifest] = []
    _build(folder, built, [f"../../components/{name}" for name in components])
    return built


def kustomization(folder: Path) -> Manifest:
    found: Manifest = from_yaml((folder / "kustomization.yaml").read_text())
    return found


def _build(folder: Path, built: list[Manifest], components: Iterable[str]) -> None:
    fields = kustomization(folder)
    assert {*fields} <= {"apiVersion", "kind", *_ORDER}, fields.keys()
    own: list[Manifest] = built if fields["kind"] == "Component" else []
    for resource in fields.get("resources", ()):
        if (folder / resource).is_dir():
            own += build((folder / resource).resolve())
        else:
            own += all_from_yaml((folder / resource).read_text())
    for component in (*fields.get("components", ()), *components):
        _build((folder / component).resolve(), own, ())
    for each in fields.get("configMapGenerator", ()):
        _generate(each, own)
    for each in fields.get("patches", ()):
        _patch(each, own)
    for each in fields.get("images", ()):
        _name_image(each, own)
    if namespace := fields.get("namespace"):
        for manifest in own:
            manifest["metadata"] |= {} if manifest["kind"] == "Namespace" else {"namespace": namespace}
    if own is not built:
        built += own


def _generate(generator: Manifest, manifests: list[Manifest]) -> None:
    data = dict(line.split("=", 1) for line in generator["literals"])
    metadata = {"name": generator["name"]}
    existing = [
        each for each in manifests if each["kind"] == "ConfigMap" and each["metadata"].items() >= metadata.items()
    ]
    assert len(existing) == (1 if generator.get("behavior") == "merge" else 0)
    if existing:
        existing[0]["data"] |= data
    else:
        manifests.append({"apiVersion": "v1", "kind": "ConfigMap", "data": data, "metadata": metadata})


def _patch(patch: Manifest, manifests: list[Manifest]) -> None:
    """A JSON patch (RFC 6902) of every manifest that the target describes; of none, if there is none."""
    target = {**patch["target"]}
    kind, name = target.pop("kind"), target.pop("name", None)
    assert not target
    for manifest in manifests:
        if manifest["kind"] == kind and name in (None, manifest["metadata"]["name"]):
            for operation in from_yaml(patch["patch"]):
                _change(manifest, **operation)


def _change(manifest: Manifest, op: str, path: str, value: Any = None) -> None:
    *steps, last = path.strip("/").split("/")
    place: Any = manifest
    for step in steps:
        place = place[int(step) if isinstance(place, list) else step]
    key: Any = last
    if isinstance(place, list):
        key = len(place) if last == "-" else int(last)
    match op:
        case "test":
            assert place[key] == value
        case "add" if isinstance(place, list):
            place.insert(key, copy.deepcopy(value))
        case "add":
            place[key] = copy.deepcopy(value)
        case "replace":
            assert place[key] is not None
            place[key] = copy.deepcopy(value)
        case "remove":
            del place[key]
        case _:
            raise AssertionError(op)


def _name_image(image: Manifest, part: Any) -> None:
    """Gives each container with the image's name its new one."""
    match part:
        case {"image": str(name), **_others} if name == image["name"]:
            part["image"] = f"{image['newName']}:{image['newTag']}"
        case dict():
            for each in part.values():
                _name_image(image, each)
        case list():
            for each in part:
                _name_image(image, each)
