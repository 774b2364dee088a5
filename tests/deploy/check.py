"""The manifests of deploy/: built by kustomize, and held against what is published of their kinds. What real control
planes make of them is for the layer `cluster`.
"""

import copy
import json
import subprocess
import sys
from pathlib import Path

import yaml

import schemas

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
# Mistakes that the schemas must find: kind, path of a field, and what it is to be.
MISTAKES = [
    ("WasmPlugin", ("spec", "fase"), "AUTHN"),
    ("WasmPlugin", ("spec", "phase"), "FIRST"),
    ("HTTPRoute", ("spec", "rules", 0, "matches", 0, "path", "typ"), "Exact"),
    ("EnvoyExtensionPolicy", ("spec", "wasm", 0, "code", "tpye"), "Image"),
    ("EnvoyExtensionPolicy", ("spec", "wasm", 0, "code", "sha256"), "0" * 64),
]


class Wrong(Exception):
    """A manifest is not what it should be."""


def run(node: Path) -> int:
    """Checks all manifests and gives their number; `node` is where the npm packages are."""
    built = [build(path.parent) for path in sorted(DEPLOY.glob("**/kustomization.yaml"))]
    different = {json.dumps(manifest, sort_keys=True): manifest for manifests in built for manifest in manifests}
    manifests = list(different.values())
    if wrong := schemas.wrong(manifests, node):
        raise Wrong("\n  ".join(["manifests are wrong:", *wrong]))
    for kind, path, value in MISTAKES:
        mistaken = with_value(next(m for m in manifests if m["kind"] == kind), path, value)
        if not schemas.wrong([mistaken], node):
            raise Wrong(f"{kind} with {'.'.join(map(str, path))} is accepted")
    return len(manifests)


def with_value(manifest: dict, path: tuple, value) -> dict:
    """The same manifest with another value at `path`."""
    changed = copy.deepcopy(manifest)
    *way, last = path
    to = changed
    for key in way:
        to = to[key]
    to[last] = value
    return changed


def build(folder: Path) -> list[dict]:
    """What kustomize makes of a folder."""
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run([kubectl, "kustomize", folder], check=False, text=True, capture_output=True)
    if done.returncode or done.stderr:
        raise Wrong(f"kustomize {folder}: {done.stderr}")
    return list(yaml.safe_load_all(done.stdout))
