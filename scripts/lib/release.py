"""The archive of a release: what is in it, and the bytes of it."""

import gzip
import hashlib
import io
import re
import tarfile
from pathlib import Path

from .envoy import ROOT

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


def name(target):
    """What the archive is called, without its ending, and its one folder."""
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
