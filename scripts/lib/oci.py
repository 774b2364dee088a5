"""OCI images of one .wasm, the same bytes whenever and wherever they are made.

An image layout (OCI image-spec 1.1) is a folder that skopeo, oras and crane read.
"""

import hashlib
import json
import struct
import zlib
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# Of the "Wasm Image Specification" that Istio and Envoy Gateway read beside plain images.
WASM_CONFIG = "application/vnd.module.wasm.config.v1+json"
WASM_LAYER = "application/vnd.module.wasm.content.layer.v1+wasm"
# What both take out of a plain image.
FILE = "plugin.wasm"


def image(folder: Path, wasm: bytes, annotations: dict) -> str:
    """A plain image, FROM scratch and one file; gives its digest."""
    tar = _tar(FILE, wasm)
    config = {
        "architecture": "wasm",
        "os": "wasip1",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [_digest(tar)]},
    }
    return _layout(folder, (CONFIG, _json(config)), [(LAYER, _gzip(tar))], annotations)


def artifact(folder: Path, wasm: bytes, annotations: dict) -> str:
    """The same as an artifact with the media types of Wasm; gives its digest.

    Two layers: Istio takes no other number (pkg/wasm/imagefetcher.go).
    """
    runtime = _json({"type": "envoy_proxy", "abiVersions": ["v0-2-100"], "config": {"rootIds": [""]}})
    layers = [(WASM_CONFIG, runtime), (WASM_LAYER, wasm)]
    return _layout(folder, (WASM_CONFIG, runtime), layers, annotations)


def _layout(folder: Path, config, layers, annotations: dict) -> str:
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(kind, content):
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {"mediaType": kind, "digest": f"sha256:{name}", "size": len(content)}

    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(*config),
        "layers": [blob(*layer) for layer in layers],
        "annotations": annotations,
    }
    described = blob(MANIFEST, _json(manifest))
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [described]}))
    return described["digest"]


def _json(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _tar(name: str, content: bytes) -> bytes:
    """One file of nobody's in particular, from 1970 (POSIX.1-1988 ustar)."""
    fields = [(name, 100), ("0000644", 8), ("0000000", 8), ("0000000", 8)]
    fields += [(f"{len(content):011o}", 12), ("0" * 11, 12), (" " * 8, 8), ("0", 1)]
    fields += [("", 100), ("ustar", 6), ("00", 2)]
    header = b"".join(text.encode().ljust(size, b"\0") for text, size in fields).ljust(512, b"\0")
    header = header[:148] + f"{sum(header):06o}\0 ".encode() + header[156:]
    padded = header + content + b"\0" * (-len(content) % 512)
    return padded + b"\0" * 1024


def _gzip(content: bytes) -> bytes:
    """Stored, not deflated (RFC 1951, 3.2.4): what deflate writes differs between versions of zlib."""
    size = 0xFFFF
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    out = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff"]
    for at, piece in enumerate(pieces):
        last = at + 1 == len(pieces)
        out += [struct.pack("<BHH", last, len(piece), len(piece) ^ 0xFFFF), piece]
    out.append(struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF))
    return b"".join(out)
