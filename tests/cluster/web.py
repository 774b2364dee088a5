"""The servers on the internet that the manifests name: the registry with the filter's image, the download of the
filter, and the keys of the issuer. They use HTTPS, with a certificate of the tests' authority.
"""

import hashlib
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# All these names have the same address. The paths are different.
NAMES = ("ghcr.io", "login.example.com", "downloads.example.com")


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Prints nothing: a client that closes its connection early is not an error."""


class Web:
    """`files` has the media type and the content of each path."""

    def __init__(self):
        self.files: dict[str, tuple[str, bytes]] = {}
        self.asked: list[str] = []

    def json(self, path: str, content: dict):
        self.files[path] = ("application/json", json.dumps(content).encode())

    def image(self, layout: Path, name: str, tag: str) -> str:
        """Serves an OCI layout like a registry (distribution-spec 1.1, only for reading). Returns its digest."""
        blobs = layout / "blobs" / "sha256"
        [entry] = json.loads((layout / "index.json").read_text())["manifests"]
        for blob in blobs.iterdir():
            self.files[f"/v2/{name}/blobs/sha256:{blob.name}"] = ("application/octet-stream", blob.read_bytes())
        manifest = (blobs / entry["digest"].removeprefix("sha256:")).read_bytes()
        for reference in (tag, entry["digest"]):
            self.files[f"/v2/{name}/manifests/{reference}"] = (entry["mediaType"], manifest)
        self.json("/v2/", {})
        return entry["digest"]

    def serve(self, address: str, certificate: Path, key: Path):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = _Server((address, 443), self._handler())
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def _handler(web):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.split("?")[0]
                web.asked.append(path)
                kind, content = web.files.get(path, ("text/plain", b"not found\n"))
                self.send_response(200 if path in web.files else 404)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(content)))
                if "/manifests/" in path:
                    self.send_header("docker-content-digest", f"sha256:{hashlib.sha256(content).hexdigest()}")
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        return Handler
