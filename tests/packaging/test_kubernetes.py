"""The manifests and the chart: rendered by the real tools, validated, compared with each other."""

from __future__ import annotations

import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from sensor import __version__
from sensor.agent.config import Config
from sensor.bpf import kept_files
from tests.packaging.test_units import unit

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "packaging/kubernetes"
TOOLS = ROOT / ".venv/kubernetes"
VERSIONS = tuple(f"1.{minor}" for minor in range(28, 38))
OVERLAYS = ("base", "overlays/audit", "overlays/forward", "overlays/debug")
FIELD_SINCE = 30
"""Minor version since which a pod names its AppArmor profile in a field."""

EVERYTHING = {
    "audit": {"enabled": True},
    "debug": {"enabled": True},
    "config": {"outputs": '[outputs.local]\ntype = "jsonl"\npath = "/var/lib/castoff/e.jsonl"\n'},
    "secretName": "collector",
    "image": {"repository": "registry.example/castoff", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "pull"}],
    "seLinuxOptions": {"type": "spc_t"},
    "paths": {
        "bpffs": "/sys/fs/bpf",
        "cgroup": "/sys/fs/cgroup",
        "machineId": "",
        "run": "/run/castoff",
        "state": "/mnt/state",
    },
    "priorityClass": {"name": "sensors", "create": True, "value": 1000, "quota": True},
    "affinity": {"nodeAffinity": {}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"c": "d"},
    "networkPolicy": {"enabled": True, "egress": [{"ports": [{"protocol": "TCP", "port": 24224}]}]},
    "namespace": {"create": True},
}

AWKWARD = {
    "config": {"castoff": "  [agent]\n", "empty": "", "last": "a = 1"},
    "nodeSelector": {"kubernetes.io/os": "linux", "pool": "a"},
    "podLabels": {"app.kubernetes.io/name": "other", "team": "a"},
    "podAnnotations": {"kubectl.kubernetes.io/default-container": "other", "a": "b: c"},
    "paths": {"state": "/mnt/a: b"},
    "image": {"repository": "localhost:5000/castoff", "tag": "1"},
    "tolerations": [],
    "priorityClass": {"name": ""},
}
"""Values that people give, and that a template easily makes something invalid of."""

Document = dict[str, Any]


class Strict(yaml.SafeLoader):
    """A loader that refuses a key that comes twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT002 - the base class has it so
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        assert not twice, twice
        return super().construct_mapping(node, deep)


def run(*command: str | Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def documents(text: str) -> list[Document]:
    return [document for document in yaml.load_all(text, Strict) if document]


@cache
def kustomized(directory: Path) -> list[Document]:
    return documents(run(TOOLS / "kubectl", "kustomize", directory))


def template(
    tmp_path: Path, values: Document, version: str = "1.37", name: str = "castoff"
) -> list[Document]:
    """Render the chart as a release of that name in a namespace of the same name."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return documents(
        run(
            *(TOOLS / "helm", "template", name, KUBERNETES / "chart", "--namespace", name),
            *("--values", file, "--kube-version", f"{version}.0"),
        )
    )


def one(found: list[Document], kind: str) -> Document:
    (document,) = (document for document in found if document["kind"] == kind)
    return document


def pod(found: list[Document]) -> Document:
    spec: Document = one(found, "DaemonSet")["spec"]["template"]["spec"]
    return spec


def container(found: list[Document], name: str) -> Document:
    spec = pod(found)
    (chosen,) = (
        each for each in (*spec["initContainers"], *spec["containers"]) if each["name"] == name
    )
    assert isinstance(chosen, dict)
    return chosen


def capabilities(found: list[Document], name: str) -> set[str]:
    given = container(found, name)["securityContext"]["capabilities"]
    assert given["drop"] == ["ALL"]
    return set(given["add"])


def with_component(tmp_path: Path, overlay: str, component: str) -> list[Document]:
    """An overlay of a user's own, which adds a component."""
    directory = KUBERNETES / f"overlays/test-{tmp_path.name}"
    directory.mkdir()
    try:
        (directory / "kustomization.yaml").write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "kustomize.config.k8s.io/v1beta1",
                    "kind": "Kustomization",
                    "resources": [f"../../{overlay}"],
                    "components": [f"../../components/{component}"],
                }
            )
        )
        return documents(run(TOOLS / "kubectl", "kustomize", directory))
    finally:
        (directory / "kustomization.yaml").unlink()
        directory.rmdir()


@pytest.mark.parametrize("version", [v for v in VERSIONS if int(v[2:]) >= FIELD_SINCE])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_overlay_is_valid(overlay: str, version: str) -> None:
    for document in kustomized(KUBERNETES / overlay):
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_overlay_is_valid_before_1_30_with_its_component(tmp_path: Path, overlay: str) -> None:
    for document in with_component(tmp_path, overlay, "before-1.30"):
        for version in VERSIONS[:2]:
            kubernetes_validate.validate(document, version, strict=True)


def test_the_component_for_selinux_is_valid(tmp_path: Path) -> None:
    found = with_component(tmp_path, "base", "selinux")
    assert pod(found)["securityContext"]["seLinuxOptions"] == {"type": "spc_t"}
    kubernetes_validate.validate(one(found, "DaemonSet"), VERSIONS[-1], strict=True)


def test_a_quota_is_for_the_pods_priority_class(tmp_path: Path) -> None:
    for found in (
        with_component(tmp_path, "base", "priority-quota"),
        template(tmp_path, {"priorityClass": {"quota": True}}),
    ):
        quota = one(found, "ResourceQuota")
        kubernetes_validate.validate(quota, VERSIONS[-1], strict=True)
        (expression,) = quota["spec"]["scopeSelector"]["matchExpressions"]
        assert expression["values"] == [pod(found)["priorityClassName"]]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "values", [{}, EVERYTHING, AWKWARD], ids=["defaults", "everything", "awkward"]
)
def test_the_chart_is_valid(tmp_path: Path, values: Document, version: str) -> None:
    found = template(tmp_path, values, version)
    for document in found:
        kubernetes_validate.validate(document, version, strict=True)
    daemonset = one(found, "DaemonSet")["spec"]["template"]
    profile = daemonset["spec"]["securityContext"].get("appArmorProfile")
    annotation = "container.apparmor.security.beta.kubernetes.io/agent"
    named = daemonset["metadata"]["annotations"].get(annotation)
    is_field = int(version[2:]) >= FIELD_SINCE
    assert (profile, named) == (
        ({"type": "Unconfined"}, None) if is_field else (None, "unconfined")
    )


def test_the_charts_own_labels_and_the_system_go_before_a_users(tmp_path: Path) -> None:
    spec = one(template(tmp_path, AWKWARD), "DaemonSet")["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert labels["team"] == "a"
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    assert spec["template"]["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux", "pool": "a"}


def test_each_text_of_the_configuration_is_a_drop_in_whatever_its_name(tmp_path: Path) -> None:
    found = template(tmp_path, AWKWARD)
    data = one(found, "ConfigMap")["data"]
    (volume,) = (each for each in pod(found)["volumes"] if each["name"] == "config")
    files = {item["path"]: data[item["key"]].strip() for item in volume["configMap"]["items"]}
    assert "host_root" in files.pop("castoff.toml")
    assert files == {
        "castoff.d/castoff.toml": "[agent]",
        "castoff.d/empty.toml": "",
        "castoff.d/last.toml": "a = 1",
    }


def test_a_release_and_a_namespace_may_be_numbers(tmp_path: Path) -> None:
    for document in template(tmp_path, {}, name="123"):
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)
        assert document["metadata"].get("namespace", "123") == "123"
        assert document["metadata"]["labels"]["app.kubernetes.io/instance"] == "123"


def test_helm_finds_no_fault() -> None:
    assert "0 chart(s) failed" in run(TOOLS / "helm", "lint", "--strict", KUBERNETES / "chart")


@pytest.mark.parametrize(
    "wrong",
    [
        {"imagee": {}},
        {"paths": {"state": "relative"}},
        {"image": {"repository": "castoff", "digest": "latest"}},
        {"config": {"../x": "a"}},
        {"priorityClass": {"value": 2_000_000_000}},
        {"priorityClass": {"create": True}},
        {"priorityClass": {"create": True, "name": ""}},
        {"priorityClass": {"quota": True, "name": ""}},
        {"image": {"repository": "registry.example/castoff:1"}},
        {"image": {"tag": "sha256:0"}},
        {"secretName": "My Secret"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_values_are_refused_with_their_name(tmp_path: Path, wrong: Document) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(wrong))
    done = subprocess.run(
        [TOOLS / "helm", "template", "castoff", KUBERNETES / "chart", "--values", file],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert next(iter(wrong)) in done.stderr


def test_versions_are_those_of_the_program() -> None:
    chart = yaml.safe_load((KUBERNETES / "chart/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    image = container(kustomized(KUBERNETES / "base"), "agent")["image"]
    assert image == f"castoff:{__version__}"
    changelog = (ROOT / "packaging/debian/changelog").read_text()
    assert changelog.startswith(f"castoff ({__version__})")


@pytest.mark.parametrize("name", ["base", "overlays/audit", "overlays/debug"])
def test_the_configuration_in_the_manifest_is_accepted(tmp_path: Path, name: str) -> None:
    data = one(kustomized(KUBERNETES / name), "ConfigMap")["data"]
    (tmp_path / "castoff.toml").write_text(data["castoff.toml"])
    config = Config.load(tmp_path / "castoff.toml")
    assert str(config.identity.host_root) == "/proc/1/root"
    assert config.sources.audit == ("netlink" if name == "overlays/audit" else "off")


def test_an_output_of_the_manifest_is_a_drop_in(tmp_path: Path) -> None:
    found = kustomized(KUBERNETES / "overlays/forward")
    data = one(found, "ConfigMap")["data"]
    (volume,) = (each for each in pod(found)["volumes"] if each["name"] == "config")
    for item in volume["configMap"]["items"]:
        target = tmp_path / item["path"]
        target.parent.mkdir(exist_ok=True)
        target.write_text(data[item["key"]])
    config = Config.load(tmp_path / "castoff.toml")
    assert [output.name for output in config.outputs] == ["aggregator"]


def test_chart_and_manifests_agree(tmp_path: Path) -> None:
    """What they give the containers is the same, with the defaults and with audit."""
    for name, values in (("base", {}), ("overlays/audit", {"audit": {"enabled": True}})):
        manifest, chart = kustomized(KUBERNETES / name), template(tmp_path, values)
        for part in ("load-probes", "agent"):
            assert capabilities(manifest, part) == capabilities(chart, part)
            ours, theirs = container(manifest, part), container(chart, part)
            for key in ("args", "volumeMounts", "securityContext", "resources", "livenessProbe"):
                assert key not in ours or sorted_adds(ours[key]) == sorted_adds(theirs[key]), key
        ours, theirs = pod(manifest), pod(chart)
        for key in ("hostPID", "hostNetwork", "tolerations", "securityContext", "nodeSelector"):
            assert ours.get(key) == theirs.get(key), key
        volumes = {each["name"]: each for each in ours["volumes"] if each["name"] != "config"}
        assert volumes == {
            each["name"]: each for each in theirs["volumes"] if each["name"] != "config"
        }
        manifest_toml = one(manifest, "ConfigMap")["data"]["castoff.toml"]
        chart_toml = one(chart, "ConfigMap")["data"]["castoff.toml"]
        assert tomllib.loads(manifest_toml) == tomllib.loads(chart_toml)


def sorted_adds(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sorted_adds(one) for key, one in value.items()}
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return sorted(value)
    return value


def test_pod_and_unit_hold_the_same_capabilities() -> None:
    service = unit("castoff.service")["Service"]["CapabilityBoundingSet"].split()
    audit = capabilities(kustomized(KUBERNETES / "overlays/audit"), "agent")
    assert {name.removeprefix("CAP_") for name in service} == audit
    # Without hostNetwork there are no audit records to read.
    assert capabilities(kustomized(KUBERNETES / "base"), "agent") == audit - {"AUDIT_READ"}


def test_the_loader_holds_less_in_a_pod_than_in_its_unit() -> None:
    service = unit("castoff-probes.service")["Service"]["CapabilityBoundingSet"].split()
    loader = capabilities(kustomized(KUBERNETES / "base"), "load-probes")
    assert loader < {name.removeprefix("CAP_") for name in service}
    # bpffs is mounted into the pod, and its pins stay root's.
    assert "SYS_ADMIN" not in loader


def test_paths_are_those_of_the_defaults() -> None:
    defaults = Config()
    mounts = {
        each["name"]: each["mountPath"]
        for each in container(kustomized(KUBERNETES / "base"), "agent")["volumeMounts"]
    }
    assert mounts["run"] == str(defaults.agent.run_dir) == str(defaults.socket.path.parent)
    assert mounts["state"] == str(defaults.agent.state_dir)
    service = unit("castoff.service")["Service"]
    assert f"/var/lib/{service['StateDirectory']}" == mounts["state"]
    assert f"/run/{service['RuntimeDirectory']}" == mounts["run"]
    # The unit may write where the pins are, if that is there already; the pod has all of it.
    assert service["ReadWritePaths"] == f"-{mounts['bpffs']}/castoff"


def test_programs_are_kept_on_the_node_where_the_loader_looks(tmp_path: Path) -> None:
    kept = {"name": "state", "mountPath": str(kept_files.DIRECTORY), "subPath": "probes"}
    for manifest in (kustomized(KUBERNETES / "base"), template(tmp_path, {})):
        assert kept in container(manifest, "load-probes")["volumeMounts"]


def test_the_documentation_names_what_the_manifests_ask_for() -> None:
    text = (KUBERNETES / "README.md").read_text()
    found = kustomized(KUBERNETES / "overlays/audit")
    for part in ("load-probes", "agent"):
        line = next(line for line in text.splitlines() if line.startswith(f"| `{part}` |"))
        named = {word.strip("`,") for word in line.split("|")[2].split()}
        assert named == capabilities(found, part), part
    values = yaml.safe_load((KUBERNETES / "chart/values.yaml").read_text())
    for volume in pod(found)["volumes"]:
        if "hostPath" in volume:
            assert f"`{volume['hostPath']['path']}`" in text
    for key in values["paths"]:
        assert f"`paths.{key}`" in text


def test_nothing_is_privileged_and_no_token_is_mounted() -> None:
    for overlay in OVERLAYS:
        found = kustomized(KUBERNETES / overlay)
        spec = pod(found)
        assert spec["automountServiceAccountToken"] is False
        assert not [each for each in found if "Role" in each["kind"]]
        for each in (*spec["initContainers"], *spec["containers"]):
            context = each["securityContext"]
            assert context["privileged"] is False
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
