"""OCI images of the filter, of the program and of the chart. Their bytes do not depend on the time or the machine.

An image layout (OCI image-spec 1.1) is a folder that skopeo, oras and crane read.
"""

import hashlib
import json
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# Media types of the "Wasm Image Specification", which Istio and Envoy Gateway read in addition to plain images.
WASM_CONFIG = "application/vnd.module.wasm.config.v1+json"
WASM_LAYER = "application/vnd.module.wasm.content.layer.v1+wasm"
# The file that both read in a plain image.
FILE = "plugin.wasm"
# Media types of Helm.
CHART_CONFIG = "application/vnd.cncf.helm.config.v1+json"
CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


class File(NamedTuple):
    """A file of a layer."""

    content: bytes
    mode: int = 0o644


def image(folder: Path, wasm: bytes, annotations: dict) -> str:
    """Makes a plain image, FROM scratch and one file, and gives its digest."""
    return _layout(folder, _image(folder, {FILE: File(wasm)}, ("wasm", "wasip1"), {}, annotations))


def images(folder: Path, platforms: dict[str, dict[str, File]], runs: dict, annotations: dict) -> str:
    """An image for Linux on several architectures, FROM scratch; gives the digest of their index.

    `runs` is the `config` of each image, which says how to run it.
    """
    manifests = []
    for architecture, files in platforms.items():
        made = _image(folder, files, (architecture, "linux"), runs | {"Labels": annotations}, annotations)
        manifests.append(made | {"platform": {"architecture": architecture, "os": "linux"}})
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, "annotations": annotations}
    return _layout(folder, _blob(folder, INDEX, _json(index)))


def artifact(folder: Path, wasm: bytes, annotations: dict) -> str:
    """The same as an artifact with the media types of Wasm; gives its digest.

    Two layers: Istio takes no other number (pkg/wasm/imagefetcher.go).
    """
    runtime = _json({"type": "envoy_proxy", "abiVersions": ["v0-2-100"], "config": {"rootIds": [""]}})
    layers = [(WASM_CONFIG, runtime), (WASM_LAYER, wasm)]
    return _layout(folder, _manifest(folder, (WASM_CONFIG, runtime), layers, annotations))


def chart(folder: Path, about: dict, archive: bytes, annotations: dict) -> str:
    """A chart as helm pulls it, `about` is its Chart.yaml; gives its digest."""
    return _layout(folder, _manifest(folder, (CHART_CONFIG, _json(about)), [(CHART_LAYER, archive)], annotations))


def archive(files: dict[str, File]) -> bytes:
    """These files as .tar.gz."""
    return _gzip(_tar(files))


def _image(folder: Path, files: dict[str, File], platform: tuple[str, str], runs: dict, annotations: dict) -> dict:
    """The manifest of an image with one layer."""
    tar = _tar(files)
    architecture, system = platform
    config = {
        "architecture": architecture,
        "os": system,
        "config": runs,
        "rootfs": {"type": "layers", "diff_ids": [_digest(tar)]},
    }
    return _manifest(folder, (CONFIG, _json(config)), [(LAYER, _gzip(tar))], annotations)


def _manifest(folder: Path, config, layers, annotations: dict) -> dict:
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _blob(folder, *config),
        "layers": [_blob(folder, *layer) for layer in layers],
        "annotations": annotations,
    }
    return _blob(folder, MANIFEST, _json(manifest))


def _blob(folder: Path, kind: str, content: bytes) -> dict:
    """Writes it, and gives its descriptor."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    digest = _digest(content)
    (blobs / digest.removeprefix("sha256:")).write_bytes(content)
    return {"mediaType": kind, "digest": digest, "size": len(content)}


def _layout(folder: Path, described: dict) -> str:
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [described]}))
    return described["digest"]


def _json(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _tar(files: dict[str, File]) -> bytes:
    """Files without a real owner, with the date 1970 (POSIX.1-1988 ustar)."""
    out = []
    for name, (content, mode) in files.items():
        fields = [(name, 100), (f"{mode:07o}", 8), ("0000000", 8), ("0000000", 8)]
        fields += [(f"{len(content):011o}", 12), ("0" * 11, 12), (" " * 8, 8), ("0", 1)]
        fields += [("", 100), ("ustar", 6), ("00", 2)]
        header = b"".join(text.encode().ljust(size, b"\0") for text, size in fields).ljust(512, b"\0")
        header = header[:148] + f"{sum(header):06o}\0 ".encode() + header[156:]
        out += [header, content, b"\0" * (-len(content) % 512)]
    return b"".join(out) + b"\0" * 1024


def _gzip(content: bytes) -> bytes:
    """Stored, not deflated (RFC 1951, 3.2.4), since the output of deflate differs between versions of zlib."""
    size = 0xFFFF
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    out = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff"]
    for at, piece in enumerate(pieces):
        last = at + 1 == len(pieces)
        out += [struct.pack("<BHH", last, len(piece), len(piece) ^ 0xFFFF), piece]
    out.append(struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF))
    return b"".join(out)
