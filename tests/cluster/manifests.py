"""The API server must accept every manifest of deploy/ and every Kubernetes object in the documentation.

The check is strict: an unknown field is an error, and so is a warning, such as one of Pod Security in a namespace with
the level `restricted`.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml

from lib.envoy import PROGRAM, ROOT, Failure, run

from .api import Cluster, Refused, dump

DEPLOY = ROOT / "deploy"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^([ ]*)```yaml\b[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
# Groups whose objects are skipped if the API server does not serve them. Pages about migration show
# such objects.
FOREIGN = ("mcp.kuadrant.io", "mcp.kagenti.com")


def check(cluster: Cluster) -> list[str]:
    """Sends all objects to the API server. Returns the faults."""
    cluster.apply_definitions()
    served = {line.split("/")[0] for line in cluster.kubectl("api-versions").splitlines()}
    faults, count = [], 0
    for where, objects in [*_kustomized(cluster), *_charts(cluster), *_rendered(), *_files(), *_blocks()]:
        objects = [one for one in objects if group(one) in served or group(one) not in FOREIGN]
        count += len(objects)
        if fault := refused(cluster, objects):
            faults.append(f"{where}: {fault}")
    _can_say_no(cluster)
    print(f"  {count} objects")
    return faults


def group(manifest: dict) -> str:
    return manifest["apiVersion"].split("/")[0]


def refused(cluster: Cluster, objects: list[dict]) -> str | None:
    """Why the API server does not accept these objects. None if it does."""
    for namespace in sorted({one["metadata"].get("namespace", "default") for one in objects}):
        cluster.create_namespace(namespace, **RESTRICTED)
    try:
        warnings = cluster.warned(
            "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", text=dump(objects)
        )
    except Refused as refusal:
        return str(refusal)
    return "\n".join(warnings) or None


def _kustomized(cluster: Cluster) -> Iterator[tuple[str, list[dict]]]:
    for file in sorted(DEPLOY.rglob("kustomization.yaml")):
        if "kind: Component" not in file.read_text():
            yield _name(file.parent), _objects(cluster.kubectl("kustomize", file.parent))


def _charts(cluster: Cluster) -> Iterator[tuple[str, list[dict]]]:
    for file in sorted(DEPLOY.glob("charts/*/Chart.yaml")):
        helm = cluster.programs["helm"] / "helm"
        command = (helm, "template", "test", file.parent, "--namespace", "mcp-system", "--include-crds")
        done = subprocess.run(command, text=True, capture_output=True)
        if done.returncode:
            raise Failure(f"helm template {_name(file.parent)}: {done.stderr}")
        yield _name(file.parent), _objects(done.stdout)


def _rendered() -> Iterator[tuple[str, list[dict]]]:
    file = DEPLOY / "example" / "servers.yaml"
    for target in ("envoy-gateway", "istio", "standalone"):
        command = (PROGRAM, "render", file, "--target", target, "--anonymous")
        yield f"render --target {target}", _objects(run(*command, timeout=120))


def _files() -> Iterator[tuple[str, list[dict]]]:
    """The files of deploy/ themselves, also those that no kustomization names."""
    for file in sorted(DEPLOY.rglob("*.yaml")):
        if "charts" not in file.parts and (objects := _objects(file.read_text())):
            yield _name(file), objects


def _blocks() -> Iterator[tuple[str, list[dict]]]:
    for page in PAGES:
        text = page.read_text()
        for block in BLOCK.finditer(text):
            content = re.sub(f"^{block[1]}", "", block[2], flags=re.MULTILINE)
            if objects := _objects(content):
                yield f"{_name(page)}:{text.count(chr(10), 0, block.start()) + 1}", objects


def _objects(text: str) -> list[dict]:
    """The Kubernetes objects in a text, which may also contain other YAML."""
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError:
        return []
    return [one for one in documents if isinstance(one, dict) and {"apiVersion", "kind", "metadata"} <= set(one)]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _can_say_no(cluster: Cluster):
    """Checks that the API server refuses wrong objects. Otherwise the check above could never fail."""
    metadata = {"name": "wrong", "namespace": "mcp"}
    pod = {"containers": [{"name": "a", "image": "a"}]}
    for what, one in {
        "an unknown field": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "dato": {}},
        "a pod with all rights": {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod},
        "a route to nothing": {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": metadata,
            "spec": {"rules": [{"backendRefs": [{"name": "weather"}]}]},
        },
    }.items():
        if not refused(cluster, [one]):
            raise Failure(f"{what} is accepted")
