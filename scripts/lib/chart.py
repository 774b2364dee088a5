"""The Helm chart as it is delivered, an archive that names its images by their digests, and as a kustomize base."""

import re
from pathlib import Path

from . import oci, release
from .envoy import ROOT, Failure, run

CHART = ROOT / "deploy" / "charts" / "mcp-gateway"
BASE = ROOT / "deploy" / "controller" / "controller.yaml"
# The sections of values.yaml with images, and the names of these images in digests.json.
IMAGES = {"image": "controller", "filterImage": "image"}


def about() -> dict[str, str]:
    """Chart.yaml, which has one string in each line."""
    lines = (CHART / "Chart.yaml").read_text().splitlines()
    said = {name: value.strip('"') for name, value in (line.split(": ", 1) for line in lines)}
    if {said["version"], said["appVersion"]} != {release.version()}:
        raise Failure(f"Chart.yaml has version {said['version']} and appVersion {said['appVersion']}, Cargo.toml {release.version()}")
    return said


def archive(digests: dict[str, str]) -> bytes:
    """The chart as .tgz. The same files and digests always give the same bytes."""
    ignored = [line for line in (CHART / ".helmignore").read_text().splitlines() if line and not line.startswith("#")]
    files = {}
    for path in sorted(_files(CHART)):
        name = str(path.relative_to(CHART))
        if name in (*ignored, ".helmignore"):
            continue
        content = _pinned(path.read_text(), digests) if name == "values.yaml" else path.read_text()
        files[f"{about()['name']}/{name}"] = oci.File(content.encode())
    return oci.archive(files)


def _files(folder):
    """All files below a folder. Follows symbolic links, since the CRDs are in deploy/crds."""
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _pinned(values: str, digests: dict[str, str]) -> str:
    """values.yaml with the digests of these images."""
    for section, name in IMAGES.items():
        pattern = rf'^({section}:\n(?:  .*\n)*?  digest: )""$'
        values, places = re.subn(pattern, rf'\g<1>"{digests[name]}"', values, flags=re.MULTILINE)
        if places != 1:
            raise Failure(f"values.yaml has {places} places for the digest of {section}")
    return values


def base(helm: Path) -> str:
    """The objects of the chart with its own values, without parts that only Helm needs. The CRDs are a separate base."""
    said = run(helm, "template", "mcp-gateway", CHART, "--namespace=mcp-system", "--set=crds.enabled=false", timeout=120)
    of_helm = re.compile(r"\s*(helm\.sh/chart: .*|app\.kubernetes\.io/managed-by: Helm|# Source: .*)")
    lines = [line for line in said.splitlines() if not of_helm.fullmatch(line)]
    return "# Made from deploy/charts/mcp-gateway by ./scripts/chart --write.\n" + "\n".join(lines) + "\n"
