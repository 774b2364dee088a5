"""The parts of a release: the program as it is built for it, and its archive."""

import gzip
import hashlib
import io
import os
import platform
import re
import shutil
import tarfile
from pathlib import Path

from .envoy import ROOT, TARGET, WASM, run, step

# One build for the archives and for the image of the controller.
FEATURES = "embed-filter,controller"
README = """# mcp-gateway {version}

Puts MCP servers behind one endpoint, with stock Envoy. Copy `mcp-gateway` into a directory of your `PATH`, and run

    mcp-gateway run servers.yaml

with a file that names your servers:

    servers:
    - name: weather
      url: http://127.0.0.1:9001/mcp

The first time it downloads Envoy, which needs Linux with glibc 2.31 or newer, or macOS 15 or newer on Apple silicon. Elsewhere use the container image, or name an Envoy 1.36 or newer that is built with WebAssembly (Homebrew's is not) with `--envoy PATH`.

`completions/` is for your shell, `man/` for `man`.
"""


def version():
    text = (ROOT / "Cargo.toml").read_text()
    return re.search(r'^version = "(.*)"$', text, re.MULTILINE).group(1)


def this_machine() -> str:
    """The target of a release that runs here. On Linux the program is static, with musl."""
    arch = {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    system = {"Linux": "unknown-linux-musl", "Darwin": "apple-darwin"}.get(platform.system(), platform.system())
    return f"{arch}-{system}"


def build_filter():
    if shutil.which("rustup"):
        run("rustup", "--quiet", "target", "add", "wasm32-wasip1", timeout=300)
    step("building the filter")
    run("cargo", "build", "--quiet", "--locked", "--release", "--lib", "--target", "wasm32-wasip1", timeout=1200)


def build_program(target: str) -> Path:
    """Builds the program with the filter inside, which must be there, and gives its path."""
    if shutil.which("rustup"):
        run("rustup", "--quiet", "target", "add", target, timeout=600)
    os.environ["MCP_GATEWAY_EMBED"] = str(WASM)
    step(f"building the program for {target}")
    options = ("--locked", "--profile", "dist", "--features", FEATURES, "--bin", "mcp-gateway", "--target", target)
    run("cargo", "build", "--quiet", *options, timeout=2400)
    return TARGET / target / "dist" / "mcp-gateway"


def name(target):
    """The name of the archive without its ending, which is also the name of its only folder."""
    return f"mcp-gateway-{version()}-{target}"


def archive(folder: Path, target, program: Path, made: Path) -> Path:
    """Writes the archive and gives its path. The same files always give the same bytes."""
    files = {"mcp-gateway": program.read_bytes(), "LICENSE": (ROOT / "LICENSE").read_bytes()}
    files["README.md"] = README.format(version=version()).encode()
    files |= {str(path.relative_to(made)): path.read_bytes() for path in made.rglob("*") if path.is_file()}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(files):
            entry = tarfile.TarInfo(f"{name(target)}/{path}")
            entry.size = len(files[path])
            entry.mode = 0o755 if path == "mcp-gateway" else 0o644
            tar.addfile(entry, io.BytesIO(files[path]))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name(target)}.tar.gz"
    file.write_bytes(gzip.compress(out.getvalue(), mtime=0))
    return file


def checksums(folder: Path):
    """Writes SHA256SUMS for all archives in the folder."""
    sums = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(folder.glob("*.tar.gz")))
    (folder / "SHA256SUMS").write_text("".join(sums))
