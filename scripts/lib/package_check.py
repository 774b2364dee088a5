"""Checks the packages, also after they went through a registry."""

import gzip
import io
import json
import os
import re
import shutil
import stat
import sys
import tarfile
import urllib.request
from pathlib import Path

from . import chart, controller_image, oci, release
from .envoy import ROOT, TARGET, WASM, Failure, Processes, run, step

TOOLS = ("skopeo", "docker-registry")
WORK = TARGET / "package-check"
LAYOUTS = ("image", "artifact", "controller", "chart")


class NoRegistry(Exception):
    """A program that the check needs is missing and cannot be installed."""


def check(made: Path, digests: dict[str, str], parts: dict[str, set[str]], programs: dict[str, Path]):
    """Checks a folder of ./scripts/package: its files, its lists of parts, and the files that a registry gives back."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    lists(parts)
    inside = {entry.name: (entry.mode, content) for entry, content in layer(made / "image", digests["image"])}
    if inside != {oci.FILE: (0o644, WASM.read_bytes())}:
        raise Failure(f"the image's layer holds {sorted(inside)}")
    install()
    through_a_registry(made, digests)
    for architecture, digest in architectures(WORK / "controller", digests["controller"]).items():
        of_the_controller(digest, programs[architecture], architecture)
    of_the_chart(digests)
    all_are_published()


def lists(parts: dict[str, set[str]]):
    """Checks that the lists of parts have all linked crates."""
    linked = re.search(r"const LINKED: &\[&str\] = &\[(.*?)\];", (ROOT / "tests" / "house" / "linked_crates.rs").read_text(), re.DOTALL)
    wanted = {"filter": set(re.findall(r'"(.*)"', linked.group(1))) - {"mcp-gateway"}, "program": {"clap", "rustls", "tokio"}}
    for name, of in wanted.items():
        if missing := of - parts[name]:
            raise Failure(f"the list of parts of the {name} lacks {', '.join(sorted(missing))}")


def blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()


def layer(layout: Path, manifest: str) -> list[tuple[tarfile.TarInfo, bytes]]:
    """The files in the only layer of an image. All of them have no real owner, and the date 1970."""
    of = json.loads(blob(layout, manifest))["layers"]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layout, of[0]["digest"])))) as tar:
        inside = [(entry, tar.extractfile(entry).read()) for entry in tar]
    if len(of) != 1 or any((entry.mtime, entry.uid, entry.gid) != (0, 0, 0) for entry, _ in inside):
        raise Failure(f"{layout.name} has {len(of)} layers, the first with {[entry.get_info() for entry, _ in inside]}")
    return inside


def architectures(layout: Path, index: str) -> dict[str, str]:
    """The manifests that an index has for Linux."""
    return {m["platform"]["architecture"]: m["digest"] for m in json.loads(blob(layout, index))["manifests"]}


def through_a_registry(made: Path, digests: dict[str, str]):
    """Pushes to Debian's registry and pulls again. The digest must be the same."""
    config = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(WORK / "registry")}},
        "http": {"addr": "127.0.0.1:0"},
    }
    (WORK / "registry.yml").write_text(json.dumps(config))
    with Processes(WORK) as processes:
        step("starting a registry")
        address = processes.listening("registry", "docker-registry", "serve", WORK / "registry.yml")
        for name in LAYOUTS:
            step(f"pushing and pulling: {name}")
            there = f"docker://{address}/mcp-gateway:{name}"
            skopeo("copy", "--all", "--preserve-digests", "--dest-tls-verify=false", f"oci:{made / name}", there)
            headers = {"accept": f"{oci.MANIFEST}, {oci.INDEX}"}
            url = f"http://{address}/v2/mcp-gateway/manifests/{digests[name]}"
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=120) as answer:
                said = answer.headers["docker-content-digest"]
            if said != digests[name]:
                raise Failure(f"the registry calls {name} {said}, not {digests[name]}")
            by_digest = f"docker://{address}/mcp-gateway@{digests[name]}"
            skopeo("copy", "--all", "--preserve-digests", "--src-tls-verify=false", by_digest, f"oci:{WORK / name}")
            pulled = json.loads((WORK / name / "index.json").read_text())["manifests"][0]["digest"]
            if pulled != digests[name]:
                raise Failure(f"pulled {pulled}, not {digests[name]}")
            for one in (made / name / "blobs" / "sha256").iterdir():
                if blob(WORK / name, one.name) != one.read_bytes():
                    raise Failure(f"of {name}, {one.name} came back changed")


def of_the_controller(manifest: str, program: Path, architecture: str):
    """Checks that the pulled image has the program, and runs it as nobody and with nothing but the image."""
    layout = WORK / "controller"
    config = json.loads(blob(layout, json.loads(blob(layout, manifest))["config"]["digest"]))
    if config["architecture"] != architecture or config["config"].get("User") != controller_image.USER:
        raise Failure(f"the image of the controller says {config}")
    root = WORK / f"root-{architecture}"
    for entry, content in layer(layout, manifest):
        path = root / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(entry.mode)
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    if files != {controller_image.PROGRAM, controller_image.CERTIFICATES}:
        raise Failure(f"the image of the controller has {sorted(files)}")
    inside = root / controller_image.PROGRAM
    if inside.read_bytes() != program.read_bytes() or not inside.stat().st_mode & stat.S_IXOTH:
        raise Failure("the image of the controller has another program")
    if (root / controller_image.CERTIFICATES).read_text().count("BEGIN CERTIFICATE") < 100:
        raise Failure("the image of the controller has no certificates of authorities")
    if not controller_image.ARCHITECTURES[architecture] == os.uname().machine:
        return
    step("running the image of the controller")
    entrypoint = config["config"]["Entrypoint"]
    alone = ("chroot", f"--userspec={config['config']['User']}", root) if os.geteuid() == 0 else ()
    command = entrypoint if alone else [str(root / entrypoint[0].lstrip("/"))]
    said = run(*alone, *command, "--version", timeout=120)
    if said != f"mcp-gateway {release.version()}":
        raise Failure(f"the image of the controller says {said}")
    run(*alone, *command, *config["config"]["Cmd"], "--help", timeout=120)
    crds = "---\n".join(file.read_text() for file in sorted((ROOT / "deploy" / "crds").glob("mcp*.yaml")))
    if run(*alone, *command, "crds", timeout=120) != crds.strip():
        raise Failure("the image of the controller has other CRDs than the chart")


def of_the_chart(digests: dict[str, str]):
    """Checks that the pulled chart has the CRDs, the templates, and the digests of the images."""
    layout = WORK / "chart"
    files = {entry.name.removeprefix("mcp-gateway/"): content for entry, content in layer(layout, digests["chart"])}
    templates = {path.relative_to(chart.CHART).as_posix() for path in (chart.CHART / "templates").iterdir()}
    crds = {f"files/crds/{path.name}" for path in (ROOT / "deploy" / "crds").glob("*.yaml")} - {"files/crds/kustomization.yaml"}
    wanted = {"Chart.yaml", "README.md", "values.yaml", "values.schema.json", *templates, *crds}
    if set(files) != wanted or not crds:
        raise Failure(f"the chart has {sorted(files)}, not {sorted(wanted)}")
    for name in chart.IMAGES.values():
        if f'digest: "{digests[name]}"' not in files["values.yaml"].decode():
            raise Failure(f"the chart does not name {name} by its digest")


def all_are_published():
    """Checks that the workflow of a release pushes and signs each package."""
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    for what, pattern in (("pushes", r"oci:target/package/(\w+) "), ("signs", r"\$\(digest (\w+)\)")):
        if (done := set(re.findall(pattern, workflow))) != set(LAYOUTS):
            raise Failure(f"release.yml {what} {sorted(done)}, not {sorted(LAYOUTS)}")


def skopeo(*arguments):
    run("skopeo", "--insecure-policy", *arguments, timeout=300)


def install():
    """Installs Debian's registry and skopeo, if this is possible."""
    if all(map(shutil.which, TOOLS)):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        step(f"installing {' and '.join(TOOLS)}")
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        try:
            run("apt-get", "update", "-qq", timeout=1200)
            run("apt-get", "install", "-y", "-qq", *TOOLS, timeout=600)
        except Failure as error:
            print(f"package: {error}", file=sys.stderr)
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        raise NoRegistry(f"missing: {', '.join(missing)} (apt-get install {' '.join(TOOLS)})")
