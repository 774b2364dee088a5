"""Tenants share a Gateway. The endpoint must send the requests for an MCPServer only to the server that this MCPServer
names, also if an HTTPRoute of another tenant has the same host name: this route may have an authentication of its own,
which the request has not passed.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lib.envoy import Failure

from .api import until
from .asking import VERSION, get, modern, send
from .machine import Machine
from .pods import Pod
from .questions import Asked
from .servers import PORT

NAMESPACE, OTHER = "mcp", "other"
GATEWAY, ENDPOINT = "gateways.gateway.networking.k8s.io", "mcpgateways.mcp.kagenti.com"
WITHIN = 90
# The host names of the other tenant's routes: one that an MCPServer names, and the default one of an MCPServer.
PRIVATE, TAKEN = "private.example.com", "own.mcp.svc.cluster.local"


class Server:
    """A server in a pod. It answers everything with its name, and keeps the hosts and paths that it was asked for."""

    def __init__(self, name: str, address: str):
        self.name, self.address, self.asked = name, address, []
        self.pod = Pod(address)
        self.pod.run(self._serve)

    def _serve(self):
        server = ThreadingHTTPServer((self.address, PORT), self._handler())
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def _result(self, method: str) -> dict:
        cached = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        results = {
            "server/discover": cached
            | {
                "supportedVersions": [VERSION],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": self.name, "version": "1"},
            },
            "tools/list": cached | {"tools": [{"name": "read", "inputSchema": {"type": "object"}}]},
        }
        text = {"type": "text", "text": f"from {self.name}"}
        return results.get(method, {"resultType": "complete", "content": [text]})

    def _handler(server):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                message = json.loads(body or b"{}")
                method = message.get("method", "")
                server.asked.append((method, self.headers.get("host"), self.path))
                answer = {"jsonrpc": "2.0", "id": message.get("id"), "result": server._result(method)}
                content = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        return Handler


class Tenants:
    def __init__(self, here: Machine, asked: Asked, url: str):
        self.cluster, self.asked, self.url = here.cluster, asked, url

    def run(self) -> list[str]:
        """Returns the faults."""
        own, other = Server("own", "10.77.1.11"), Server("other", "10.77.1.12")
        try:
            self._share()
            self.cluster.create_namespace(OTHER)
            self.cluster.apply([*_service(NAMESPACE, own), *_service(OTHER, other), _route("private"), _route("taken")])
            for host in (PRIVATE, TAKEN):
                # At Istio, every request of the Gateway needs a token.
                ask = lambda host=host: send(self.url, get("/", host=host), self.asked.admin)
                until(f"the route for {host}", lambda: "from other" in ask().text, WITHIN, ask)
            wanted = {
                "own": (f"{TAKEN}:{PORT}", "/mcp"),
                "guest": (PRIVATE, "/secret"),
                "guest-2": (f"{PRIVATE}:{PORT}", "/secret"),
                "local": ("localhost:8000", "/mcp"),
            }
            others = [(name, place) for name, place in wanted.items() if name != "own"]
            self.cluster.apply([_mcp_server("own"), *(_mcp_server(name, hostname=h, path=p) for name, (h, p) in others)])
            return [fault for name, place in wanted.items() if (fault := self._call(name, place, own, other))]
        except Failure as failure:
            return [str(failure)]
        finally:
            self.cluster.kubectl("delete", "namespace", OTHER, "--ignore-not-found", within=120)
            for server in (own, other):
                server.pod.end()

    def _share(self):
        """The endpoint has a listener of its own. The other tenant has listeners at the same port, with host names."""
        [listener] = self.cluster.get(GATEWAY, "mcp", NAMESPACE)["spec"]["listeners"]
        common = {"port": listener["port"], "protocol": "HTTP"}
        named = [
            common | {"name": name, "hostname": host, "allowedRoutes": {"namespaces": {"from": "All"}}}
            for name, host in (("private", PRIVATE), ("taken", TAKEN))
        ]
        self._patch(ENDPOINT, {"targetRef": {"name": "mcp", "sectionName": listener["name"]}})
        self._patch(GATEWAY, {"listeners": [common | {"name": listener["name"]}, *named]})

    def _patch(self, kind: str, spec: dict):
        self.cluster.kubectl("patch", kind, "mcp", "-n", NAMESPACE, "--type=merge", "-p", json.dumps({"spec": spec}))

    def _call(self, name: str, place: tuple[str, str], own: Server, other: Server) -> str | None:
        """Calls a tool of an MCPServer, whose server must get it at this host and path. Returns the fault."""
        ask = lambda: send(self.url, modern("tools/call", f"{name}__read"), self.asked.admin)
        other.asked = []
        until(f"an answer for {name}", lambda: "from " in ask().text, WITHIN, ask)
        calls = {(host, path) for method, host, path in own.asked if method == "tools/call"}
        if other.asked:
            return f"the server of another tenant was asked for MCPServer {name}: {other.asked[0]}"
        return None if place in calls else f"the server of MCPServer {name} was not asked for {place}: {calls}"


def _service(namespace: str, server: Server) -> list[dict]:
    port = {"name": "http", "port": PORT, "protocol": "TCP"}
    metadata = {"name": server.name, "namespace": namespace}
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata | {"labels": {"kubernetes.io/service-name": server.name}},
        "addressType": "IPv4",
        "ports": [port],
        "endpoints": [{"addresses": [server.address], "conditions": {"ready": True}}],
    }
    return [{"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [port]}}, endpoints]


def _route(listener: str) -> dict:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": listener, "namespace": OTHER},
        "spec": {
            "parentRefs": [{"name": "mcp", "namespace": NAMESPACE, "sectionName": listener}],
            "rules": [{"backendRefs": [{"name": "other", "port": PORT}]}],
        },
    }


def _mcp_server(name: str, **more: str) -> dict:
    spec = {"targetRef": {"kind": "Service", "name": "own", "port": PORT}} | more
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "mcp.kagenti.com/v1alpha1", "kind": "MCPServer", "metadata": metadata, "spec": spec}
