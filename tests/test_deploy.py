"""The manifests: what Kubernetes, KubeRay and Compose would say of them, and that they start us."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from lightning_demo.cli import build_parser
from lightning_demo.commands.options import settings_from

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"


def documents(name: str) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def started(command: str) -> Any:
    """The settings of a command line that starts the demo."""
    program = command.partition("python app.py")[2]
    return settings_from(build_parser().parse_args(["serve", *shlex.split(program)]))


@pytest.mark.parametrize("name", ["kubernetes.yaml", "kuberay.yaml"])
def test_the_schemas_of_kubernetes_hold(name: str):
    validate = pytest.importorskip("kubernetes_validate")
    for document in documents(name):
        if document["apiVersion"] != "ray.io/v1":
            validate.validate(document, "1.30", strict=True)
            continue
        groups = [document["spec"]["headGroupSpec"], *document["spec"]["workerGroupSpecs"]]
        for number, group in enumerate(groups):
            pods = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": f"pod-{number}", **group["template"].get("metadata", {})},
                "spec": group["template"]["spec"],
            }
            validate.validate(pods, "1.30", strict=True)


def test_kuberays_fields():
    """By hand: no package has KubeRay's schema. Of ray.io/v1 as of KubeRay 1.4."""
    (cluster,) = (d for d in documents("kuberay.yaml") if d["apiVersion"] == "ray.io/v1")
    assert cluster["kind"] == "RayCluster"
    spec = cluster["spec"]
    assert set(spec) == {"rayVersion", "headGroupSpec", "workerGroupSpecs"}
    head, (workers,) = spec["headGroupSpec"], spec["workerGroupSpecs"]
    assert set(head) == {"rayStartParams", "template"}
    assert set(workers) == {
        "groupName",
        "replicas",
        "minReplicas",
        "maxReplicas",
        "rayStartParams",
        "template",
    }
    for params in (head["rayStartParams"], workers["rayStartParams"]):
        assert all(isinstance(value, str) for value in params.values())
    assert head["rayStartParams"]["dashboard-host"] == "127.0.0.1"
    (container,) = head["template"]["spec"]["containers"]
    settings = started(container["args"][0])
    assert settings.engine == "ray" and settings.ray_address == "auto"
    assert settings.replicas == str(workers["replicas"])
    required = (DEPLOY.parent / "requirements-ray.txt").read_text(encoding="utf-8")
    assert f"=={spec['rayVersion'].rpartition('.')[0]}.*" in required
    assert f"=={spec['rayVersion'].rpartition('.')[0]}.*" in (DEPLOY / "Dockerfile.ray").read_text()


def test_the_plain_deployment():
    _, deployment, service = documents("kubernetes.yaml")
    pod = deployment["spec"]["template"]
    assert service["spec"]["selector"] == pod["metadata"]["labels"]
    (container,) = pod["spec"]["containers"]
    assert started(" ".join(container["command"])).device == "cuda"
    assert container["ports"][0]["name"] == service["spec"]["ports"][0]["targetPort"]


def test_compose_has_a_gpu_for_each_replica():
    (compose,) = documents("compose.yaml")
    assert set(compose) == {"name", "services", "volumes"}
    (demo,) = compose["services"].values()
    settings = started(" ".join(demo["command"]))
    (device,) = demo["deploy"]["resources"]["reservations"]["devices"]
    assert settings.engine == "ray" and settings.replicas == str(device["count"])
    assert all(port.startswith("127.0.0.1:") for port in demo["ports"])
    assert (DEPLOY / demo["build"]["dockerfile"].removeprefix("deploy/")).is_file()
