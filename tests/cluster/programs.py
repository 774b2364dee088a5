"""The control planes, built from source: `tools/<program>` pins each with its own go.mod and go.sum.

The built programs stay in the user's cache folder, under a digest of everything that they are built from, so that all
clones of the repository use them. The folder of a program also has files of its module (CRDs, templates).
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lib.envoy import Failure, step

TOOLS = Path(__file__).resolve().parent / "tools"
VERSION = "k8s.io/component-base/version.git"


class NoGo(Exception):
    """Go is not installed. The text says what needs it."""


@dataclass(frozen=True)
class Program:
    """The programs of `tools/<name>`. `packages` has the Go package of each binary."""

    name: str
    packages: dict[str, str]
    seconds: int
    # Files that the program needs: the path of their module, and files or folders in it, by their
    # new names.
    module: str = ""
    files: dict[str, str] = field(default_factory=dict)
    # Variables that the linker sets to the version of the module (`-X <name>=<version>`).
    stamps: tuple[str, ...] = ()


PROGRAMS = [
    Program("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, 40),
    Program(
        "kubernetes",
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in ("kube-apiserver", "kube-controller-manager")},
        540,
        module="k8s.io/kubernetes",
        stamps=(f"{VERSION}Version",),
    ),
    Program(
        "envoy-gateway",
        {"envoy-gateway": "github.com/envoyproxy/gateway/cmd/envoy-gateway"},
        390,
        module="github.com/envoyproxy/gateway",
        files={
            "crds/gateway-api.yaml": "charts/gateway-helm/charts/crds/crds/gatewayapi-crds.yaml",
            "crds/envoy-gateway": "charts/gateway-helm/charts/crds/crds/generated",
        },
    ),
    Program(
        "istio",
        {name: f"istio.io/istio/pilot/cmd/{name}" for name in ("pilot-discovery", "pilot-agent")},
        460,
        module="istio.io/istio",
        files={
            "crds/istio.yaml": "manifests/charts/base/files/crd-all.gen.yaml",
            "bootstrap.json": "tools/packaging/common/envoy_bootstrap.json",
            "chart": "manifests/charts/istio-control/istio-discovery",
        },
    ),
    Program("helm", {"helm": "helm.sh/helm/v4/cmd/helm"}, 200),
]


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mcp-gateway" / "cluster"


def place(program: Program) -> Path:
    """The folder for the binaries. It exists only if they are built."""
    recipe = {name: value for name, value in asdict(program).items() if name != "seconds"}
    digest = hashlib.sha256(json.dumps(recipe).encode())
    for name in ("go.mod", "go.sum", "tools.go"):
        digest.update((TOOLS / program.name / name).read_bytes())
    return cache() / f"{program.name}-{digest.hexdigest()[:16]}"


# Programs that every test needs. Envoy Gateway is among them, since it contains the CRDs of the
# Gateway API.
ALWAYS = ("etcd", "kubernetes", "envoy-gateway", "helm")


def install(planes: tuple[str, ...] = ("envoy-gateway", "istio")):
    """Builds the programs that these control planes need, unless they are already built."""
    needed = [program for program in PROGRAMS if program.name in (*ALWAYS, *planes)]
    missing = [program for program in needed if not place(program).exists()]
    if missing and not shutil.which("go"):
        raise NoGo("go builds the control planes")
    if missing:
        cpu = sum(program.seconds for program in missing)
        step(f"building {', '.join(program.name for program in missing)}: about {cpu} s of CPU time, once")
    for program in missing:
        build(program)


def build(program: Program):
    """Builds into another folder and renames it at the end. So an interrupted build leaves no incomplete folder."""
    to, source = place(program), TOOLS / program.name
    unfinished = to.with_name(f"{to.name}.{os.getpid()}")
    unfinished.mkdir(parents=True)
    try:
        started = time.monotonic()
        flags = f"-s -w {_stamps(program)}".strip()
        for binary, package in program.packages.items():
            command = ("go", "build", "-trimpath", f"-ldflags={flags}", "-o", unfinished / binary, package)
            _shown(binary, command, source, started)
        if program.files:
            module = Path(_go(source, "list", "-m", "-f", "{{.Dir}}", program.module))
            for name, path in program.files.items():
                _copy(module / path, unfinished / name)
        unfinished.rename(to)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _stamps(program: Program) -> str:
    """The linker's options for the version. Kubernetes does not start without one."""
    if not program.stamps:
        return ""
    version = _go(TOOLS / program.name, "list", "-m", "-f", "{{.Version}}", program.module)
    major, minor = re.match(r"v(\d+)\.(\d+)", version).groups()
    values = [f"-X {name}={version}" for name in program.stamps]
    return " ".join([*values, f"-X {VERSION}Major={major}", f"-X {VERSION}Minor={minor}"])


def _environment() -> dict[str, str]:
    return os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}


def _go(source: Path, *arguments: str) -> str:
    done = subprocess.run(("go", *arguments), cwd=source, env=_environment(), text=True, capture_output=True)
    if done.returncode:
        raise Failure(f"go {' '.join(arguments)} in {source}:\n{done.stderr}")
    return done.stdout.strip()


def _shown(binary: str, command: tuple, source: Path, started: float):
    """Runs a build, and prints every half minute that it is still running."""
    log = cache() / f"{binary}.log"
    with open(log, "w") as out:
        process = subprocess.Popen(command, cwd=source, env=_environment(), stdout=out, stderr=out)
        try:
            while process.poll() is None:
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    print(f"  {binary}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
        finally:
            process.kill()
    if process.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise Failure(f"{binary} does not build:\n{tail}")
    log.unlink()
    print(f"  {binary}: built in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _copy(source: Path, to: Path):
    """Copies without the permissions, since the module cache is read-only. So the copies can be deleted again."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to, copy_function=shutil.copyfile)
        for folder in [to, *(path for path in to.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)
    else:
        shutil.copyfile(source, to)
