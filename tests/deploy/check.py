"""The manifests of deploy/: built by kustomize, held against what is published of their kinds, and what the
control planes make of them run in real Envoy, with requests that prove what the manifests say.
"""

import copy
import json
import subprocess
import sys
from pathlib import Path

import yaml

import envoy_gateway
import istio
import schemas
from client import ADMIN, JWKS, USER, legacy, modern, preflight, send

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DEPLOY = ROOT / "deploy"
HOSTS = {
    "weather.mcp.svc.cluster.local": "weather",
    "calendar.mcp.svc.cluster.local": "calendar",
    "weather.example.com": "weather",
    "calendar.example.com": "calendar",
}
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
# More than Envoy Gateway lets a listener hold, unless it is told to.
LONG = 300_000
WEATHER, FORECAST = modern("tools/call", "get_weather"), modern("tools/call", "get_forecast")

# One server and no hold: what is said of the request, who sends it, what comes back.
POLICY = [
    ("an allowed list", modern("tools/list"), USER, 200, "get_weather"),
    ("an allowed call", WEATHER, USER, 200, "result"),
    ("a denied call", FORECAST, USER, 403, "RBAC: access denied"),
    ("the same by an administrator", modern("tools/call", "list_cities"), ADMIN, 200, "result"),
    ("a long call", modern("tools/call", "get_weather", padding=LONG), USER, 200, "result"),
    ("a lie about the name", modern("tools/call", "get_forecast", said="get_weather"), USER, 400, "-32020"),
    ("another method than shown", ("POST", modern("tools/list")[1], WEATHER[2]), USER, 400, "-32020"),
    ("a legacy request shows nothing", legacy("initialize", INITIALIZE), USER, 403, "RBAC: access denied"),
    (
        "a forged header",
        legacy("tools/call", {"name": "get_forecast"}, x_mcp_toolname="get_weather"),
        USER,
        403,
        "RBAC: access denied",
    ),
    ("no JSON", (*modern("tools/list")[:2], "{"), USER, 400, "-32700"),
]

# Many servers, and hold.
GATEWAY = [
    ("a list of both", modern("tools/list"), USER, 200, "calendar__list_events"),
    ("an allowed call", modern("tools/call", "weather__get_weather"), USER, 200, "result"),
    ("a denied call", modern("tools/call", "weather__get_forecast"), USER, 403, "RBAC: access denied"),
    ("another server", modern("tools/call", "calendar__list_events"), USER, 403, "RBAC: access denied"),
    ("the same by an administrator", modern("tools/call", "calendar__list_events"), ADMIN, 200, "result"),
    (
        "a forged server",
        modern("tools/call", "calendar__list_events", **{"x-mcp-servername": "weather", "x-mcp-toolname": "get_weather"}),
        USER,
        403,
        "RBAC: access denied",
    ),
    ("a long call", modern("tools/call", "weather__get_weather", padding=LONG), USER, 200, "result"),
    ("a legacy client", legacy("initialize", INITIALIZE), USER, 200, "serverInfo"),
    ("a tool of nobody's", modern("tools/call", "nobody__knows"), USER, 200, "-32602"),
]


class Wrong(Exception):
    """A manifest does not do what it says."""


class Check:
    def __init__(self, processes, envoy, wasm, node, step):
        self.processes, self.envoy, self.wasm, self.node, self.step = processes, envoy, str(wasm), node, step
        self.requests = 0

    def start(self, servers):
        self.servers = {host: servers[name] for host, name in HOSTS.items()}

    def run(self):
        built = {path.parent: build(path.parent) for path in sorted(DEPLOY.glob("**/kustomization.yaml"))}
        everything = {json.dumps(m, sort_keys=True): m for manifests in built.values() for m in manifests}
        self.step(f"holding {len(everything)} manifests against their schemas")
        self.schemas(list(everything.values()))
        of = lambda name: built[DEPLOY / name]
        self.step("Envoy Gateway, policy mode")
        self.policy(of("envoy-gateway/policy"), "eg-policy", envoy_gateway, (401, "/.well-known/oauth-protected-resource/mcp"))
        self.step("Envoy Gateway, gateway mode")
        self.envoy_gateway(of("envoy-gateway/gateway"))
        self.step("Envoy Gateway, the overlay")
        url = self.up("eg-overlay", envoy_gateway, of("example/envoy-gateway"))
        self.expect(url, ("a prefix", modern("tools/list"), USER, 200, '"cal_list_events"'))
        self.step("Istio, policy mode")
        self.policy(of("istio/policy"), "istio-policy", istio, (403, "https://app.example.com"))
        self.step("Istio, gateway mode")
        self.istio(of("istio/gateway"))
        self.step("Istio, the overlay")
        url = self.up("istio-overlay", istio, of("example/istio"))
        self.expect(url, ("an origin", preflight("https://other.example.com"), None, 204, "https://other.example.com"))

    def schemas(self, manifests):
        if wrong := schemas.wrong(manifests, self.node):
            raise Wrong("\n  ".join(["manifests are wrong:", *wrong]))
        # The schemas can say no.
        for kind, path, value in [
            ("WasmPlugin", ("spec", "fase"), "AUTHN"),
            ("WasmPlugin", ("spec", "phase"), "FIRST"),
            ("HTTPRoute", ("spec", "rules", 0, "matches", 0, "path", "typ"), "Exact"),
            ("EnvoyExtensionPolicy", ("spec", "wasm", 0, "code", "tpye"), "Image"),
        ]:
            one = copy.deepcopy(next(m for m in manifests if m["kind"] == kind))
            *to, last = path
            for key in to:
                one = one[key] if to.index(key) else (whole := one)[key]
            one[last] = value
            if not schemas.wrong([whole], self.node):
                raise Wrong(f"{kind} with {'.'.join(map(str, path))} is accepted")

    def policy(self, manifests, name, plane, without_token):
        url = self.up(name, plane, manifests)
        for row in POLICY:
            self.expect(url, row)
        # The filter stands first: it answers preflights, and completes what others answer.
        self.expect(url, ("a preflight", preflight("https://app.example.com"), None, 204, "https://app.example.com"))
        shown = (WEATHER[0], WEATHER[1] | {"origin": "https://app.example.com"}, WEATHER[2])
        self.expect(url, ("no token", shown, None, *without_token))

    def envoy_gateway(self, manifests):
        url = self.up("eg-gateway", envoy_gateway, manifests)
        for row in GATEWAY:
            self.expect(url, row)
        self.expect(url, ("no token", modern("tools/list"), None, 401, ""))
        self.expect(url, ("a preflight", preflight("https://app.example.com"), None, 200, ""))
        # Without each of these, what the manifests warn of happens.
        without = lambda kind: [manifest for manifest in manifests if manifest["kind"] != kind]
        url = self.up("eg-no-hold", envoy_gateway, without("EnvoyPatchPolicy"))
        self.expect(url, ("without the patch", modern("tools/list"), USER, 0, ""), within=3)
        url = self.up("eg-no-buffer", envoy_gateway, without("ClientTrafficPolicy"))
        self.expect(url, ("without the buffer", GATEWAY[6][1], USER, 413, ""))

    def istio(self, manifests):
        url = self.up("istio-gateway", istio, manifests)
        for row in GATEWAY:
            self.expect(url, row)
        self.expect(url, ("no token", modern("tools/list"), None, 403, "RBAC: access denied"))
        self.expect(url, ("a preflight", preflight("https://app.example.com"), None, 204, ""))
        # Istio's own authentication and authorization alone would let everybody list.
        lax = copy.deepcopy(manifests)
        [extension] = [m["spec"] for m in lax if m["kind"] == "EnvoyFilter"]
        extension["configPatches"] = [
            patch for patch in extension["configPatches"] if patch["patch"]["value"].get("name") != "mcp-token-required"
        ]
        url = self.up("istio-lax", istio, lax)
        self.expect(url, ("without asking for a token", modern("tools/list"), None, 200, "calendar__list_events"))

    def up(self, name, plane, manifests):
        bootstrap = plane.render(copy.deepcopy(manifests), self.wasm, self.servers, JWKS)
        # JSON is YAML, too.
        text = json.dumps(bootstrap, indent=1)
        # SDKs refuse a Host that is not their own as DNS rebinding.
        for host, (address, port) in self.servers.items():
            text = text.replace(f"http://{host}:8080/", f"http://{address}:{port}/")
        return self.processes.envoy(name, self.envoy, text)

    def expect(self, url, row, within=30):
        what, request, bearer, status, text = row
        answer = send(url, request, bearer, within)
        self.requests += 1
        if answer[0] != status or text not in answer[2] + json.dumps(answer[1]):
            raise Wrong(f"{what}: expected {status} {text}, got {answer}")


def build(folder):
    """What kustomize makes of a folder."""
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run([kubectl, "kustomize", folder], check=False, text=True, capture_output=True)
    if done.returncode or done.stderr:
        raise Wrong(f"kustomize {folder}: {done.stderr}")
    return list(yaml.safe_load_all(done.stdout))
