"""The image of the controller. It contains only the static program of a release, and certificates."""

import shutil
import sys
from pathlib import Path

from . import oci, release
from .envoy import ROOT, TARGET, run, step

PROGRAM = "usr/local/bin/mcp-gateway"
# The path at which rustls searches for the certificates of the system.
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
USER = "65532:65532"
RUNS = {"Entrypoint": [f"/{PROGRAM}"], "Cmd": ["controller"], "User": USER, "WorkingDir": "/"}
# The names of an architecture in container images and in Rust.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


def make(folder: Path, programs: dict[str, Path], annotations: dict[str, str]) -> str:
    """The image with a program for each architecture; gives its digest."""
    certificates = oci.File(_certificates())
    platforms = {
        architecture: {CERTIFICATES: certificates, PROGRAM: oci.File(program.read_bytes(), 0o755)}
        for architecture, program in programs.items()
    }
    return oci.images(folder, platforms, RUNS, annotations)


def programs_of(folder: Path) -> dict[str, Path]:
    """The programs in a folder with one for each architecture, as deploy/image/Dockerfile needs it."""
    return {architecture: folder / architecture / "mcp-gateway" for architecture in ARCHITECTURES}


def program_of_this_machine() -> dict[str, Path]:
    target = release.this_machine()
    architecture = next(name for name, rust in ARCHITECTURES.items() if rust == target.split("-")[0])
    return {architecture: release.build_program(f"{ARCHITECTURES[architecture]}-unknown-linux-musl")}


def _certificates() -> bytes:
    """The certificates in the version of deploy/image/requirements.txt."""
    wanted = ROOT / "deploy" / "image" / "requirements.txt"
    folder = TARGET / "certificates"
    stamp = folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted.read_text():
        step("installing the certificates of authorities")
        shutil.rmtree(folder, ignore_errors=True)
        run(sys.executable, "-m", "venv", folder / "venv", timeout=120)
        pip = (folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "--require-hashes", "--target", folder / "package", "-r", wanted, timeout=600)
        stamp.write_text(wanted.read_text())
    return (folder / "package" / "certifi" / "cacert.pem").read_bytes()
