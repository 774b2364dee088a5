"""The forms: the ways in which a user can set up the gateway in a cluster."""

import json
from abc import ABC, abstractmethod
from pathlib import Path

import yaml

from lib.envoy import PROGRAM, ROOT, Failure, run

from .api import until
from .asking import Answer, Request, modern
from .changes import Changes
from .istio_proxy import IstioProxy
from .machine import SESSION_KEYS, Machine
from .pods import MACHINE
from .questions import ALLOWED, LONG, Asked
from .servers import PORT, SERVERS
from .tenants import Tenants
from .tokens import AUDIENCE, ISSUER

DEPLOY = ROOT / "deploy"
NAMESPACE = "mcp"
# The kinds of the controller.
CONTROLLED = ("mcpgateways.mcp.kagenti.com", "mcpservers.mcp.kagenti.com")
# The digest that the manifests contain until an image is published.
UNKNOWN_DIGEST = "0" * 64


class Form(ABC):
    """`title` is the name of the form in the documentation. `mode` says whether tools have a prefix."""

    plane: str

    def __init__(self, title: str, mode: str):
        self.title, self.mode = title, mode

    @abstractmethod
    def apply(self, here: Machine) -> str:
        """Sets up the gateway, and returns the URL of its endpoint."""

    @abstractmethod
    def remove(self, here: Machine):
        """Removes all objects of the form."""

    def controls(self, here: Machine, asked: Asked) -> list[str]:
        """Further checks of the form. Returns the faults."""
        return []

    @abstractmethod
    def logs(self, here: Machine) -> list[Path]:
        """The logs of the proxy and of its control plane."""


class EnvoyGatewayForm(Form):
    plane = "envoy-gateway"

    def logs(self, here):
        return [here.processes.log("envoy-gateway")]


class IstioForm(Form):
    plane = "istio"
    proxy: IstioProxy | None = None

    def logs(self, here):
        return [here.processes.log("istiod"), *([here.processes.log(self.proxy.name)] if self.proxy else [])]

    def _end_proxy(self):
        if self.proxy:
            self.proxy.end()
        self.proxy = None


class EnvoyGatewayFolder(EnvoyGatewayForm):
    """A kustomization of deploy/."""

    def __init__(self, title: str, mode: str, folder: str):
        super().__init__(title, mode)
        self.folder = folder

    def apply(self, here):
        here.cluster.apply(_kustomized(here, self.folder))
        return f"http://{MACHINE}:10080/mcp"

    def remove(self, here):
        _delete(here, _kustomized(here, self.folder))


class EnvoyGatewayMany(EnvoyGatewayFolder):
    def controls(self, here, asked):
        call = modern("tools/call", asked.tool("get_weather"), padding="x" * LONG)
        hint = "Envoy does not hold requests for this filter: set allow_on_headers_stop_iteration"
        faults = [
            self._without(here, asked, "ClientTrafficPolicy", call, 413, ""),
            self._without(here, asked, "EnvoyPatchPolicy", modern("tools/list"), 503, hint),
        ]
        return [fault for fault in faults if fault]

    def _without(self, here: Machine, asked: Asked, kind: str, request: Request, status: int, text: str) -> str | None:
        """Sets up the form again without the objects of one kind, and waits for the error that the manifests warn
        about.
        """
        self.remove(here)
        manifests = list(yaml.safe_load_all(_kustomized(here, self.folder)))
        here.cluster.apply([one for one in manifests if one["kind"] != kind])
        answers = [Answer(0, {}, "")]

        def answered() -> bool:
            answers.append(asked.as_user(request))
            return answers[-1].status == status and text in answers[-1].text

        try:
            until(f"{status} without {kind}", answered, 120, lambda: answers[-1])
        except Failure as failure:
            return str(failure)
        return None


class IstioFolder(IstioForm):
    """A kustomization of deploy/, for the ingress gateway that Istio's chart `gateway` installs."""

    def __init__(self, title: str, mode: str, folder: str):
        super().__init__(title, mode)
        self.folder = folder

    def apply(self, here):
        self.proxy = here.planes["istio"].ingress()
        here.cluster.apply(_kustomized(here, self.folder))
        return f"http://{self.proxy.pod.address}:8080/mcp"

    def remove(self, here):
        self._end_proxy()
        _delete(here, _kustomized(here, self.folder))


class IstioDeployed(IstioForm):
    """A kustomization with a Gateway of the Gateway API. Istio creates a Deployment and a Service for it."""

    def __init__(self, title: str, mode: str, folder: str):
        super().__init__(title, mode)
        self.folder = folder

    def apply(self, here):
        here.cluster.apply(_kustomized(here, "example/servers"))
        here.cluster.apply([session_keys(NAMESPACE)])
        here.cluster.apply(_kustomized(here, self.folder))
        return f"http://{_address(here)}:8080/mcp"

    def remove(self, here):
        _delete(here, _kustomized(here, self.folder))

    def logs(self, here):
        return [*super().logs(here), *(here.processes.log(proxy.name) for proxy in here.kubelet.proxies())]


class Rendered(Form):
    """The manifests of `mcp-gateway render`, with the same servers, origins and rules as the manifests of deploy/."""

    # The expression that gives the claims of the token in rules.
    claims: str

    def render(self, here: Machine) -> str:
        """Applies the Services of the servers, and returns the manifests."""
        here.cluster.apply(_kustomized(here, "example/servers"))
        file = here.work / "servers.yaml"
        file.write_text(json.dumps(self._configuration()))
        options = ("--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE, "--jwks-uri", f"{ISSUER}/.well-known/jwks.json")
        return run(PROGRAM, "render", file, "--target", self.plane, *options, timeout=120)

    def _configuration(self) -> dict:
        """The content of the file for `render`."""
        rules = [
            {"name": "admins", "action": "ALLOW", "when": f"{self.claims}['role'] == 'admin'"},
            {"name": "safe-tools", "action": "ALLOW", "tools": ["weather__get_weather", "weather__list_cities"]},
            {"name": "lists", "action": "ALLOW", "methods": ["tools/list"]},
        ]
        return {
            "servers": [
                {"name": name, "url": f"http://{hosts[0]}:{PORT}/mcp"} for name, (_address, hosts) in SERVERS.items()
            ],
            "cors": {"allowOrigins": [ALLOWED]},
            "oauth": {"resource": AUDIENCE, "authorizationServers": [ISSUER]},
            "authorization": {"rules": rules},
        }

    def remove(self, here):
        here.cluster.kubectl("delete", "namespace", NAMESPACE, "--wait", "--ignore-not-found", within=240)


class EnvoyGatewayRendered(Rendered, EnvoyGatewayForm):
    claims = "metadata.filter_metadata['envoy.filters.http.jwt_authn']['login']"

    def apply(self, here):
        here.cluster.apply(self.render(here))
        return f"http://{MACHINE}:10000/mcp"


class IstioRendered(Rendered, IstioForm):
    claims = "metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload']"

    def apply(self, here):
        here.cluster.apply(self.render(here))
        return f"http://{_address(here)}:10000/mcp"

    def logs(self, here):
        return [*super().logs(here), *(here.processes.log(proxy.name) for proxy in here.kubelet.proxies())]


class Controlled(Rendered):
    """The objects that `mcp-gateway controller` writes, for an MCPGateway and MCPServers with the same content as
    the file of `render`.
    """

    PORT = 10000

    def control(self, here: Machine):
        """Starts the controller, and waits until clients get all servers."""
        here.cluster.apply(_kustomized(here, "example/servers"))
        here.cluster.apply_definitions()
        here.cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{kind}" for kind in CONTROLLED))
        here.cluster.apply(self._objects())
        # The addresses of Services do not work here, so the controller cannot ask the servers
        # itself.
        options = ("--no-probe", "--health-address", "127.0.0.1:28081", "--metrics-address", "127.0.0.1:28082")
        command = ("env", f"KUBECONFIG={here.cluster.kubeconfig}", PROGRAM, "controller", *options)
        here.processes.until(self._controller(), lambda: self._ready(here), *command)

    def _objects(self) -> list[dict]:
        configuration = self._configuration()
        listener = {"name": "http", "port": self.PORT, "protocol": "HTTP"}
        gateway_class = "eg" if self.plane == "envoy-gateway" else "istio"
        # The object through which the proxy gets variables. With Envoy Gateway, Envoy runs on the
        # host and has no Deployment that could get them.
        variables = {"group": "", "kind": "ConfigMap", "name": "mcp-proxy"}
        proxy = {"infrastructure": {"parametersRef": variables}} if self.plane == "istio" else {}
        spec = proxy | {"gatewayClassName": gateway_class, "listeners": [listener]}
        keys = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwksURI": f"{ISSUER}/.well-known/jwks.json"}
        endpoint = {
            "targetRef": {"name": "mcp"},
            "authentication": {"jwt": keys},
            "config": {name: value for name, value in configuration.items() if name != "servers"},
        }
        servers = {name: {"targetRef": {"kind": "Service", "name": name, "port": PORT}} for name in SERVERS}
        own = "mcp.kagenti.com/v1alpha1"
        return [
            _object("gateway.networking.k8s.io/v1", "Gateway", "mcp", spec),
            _object(own, "MCPGateway", "mcp", endpoint),
            *(_object(own, "MCPServer", name, spec) for name, spec in servers.items()),
        ]

    def _ready(self, here: Machine) -> bool:
        """Whether the MCPGateway and all MCPServers are ready."""
        found = here.cluster.items(",".join(CONTROLLED))
        conditions = [one.get("status", {}).get("conditions", []) for one in found]
        ready = [(one["type"], one["status"]) for of_one in conditions for one in of_one]
        return len(found) == 1 + len(SERVERS) == ready.count(("Ready", "True"))

    def controls(self, here, asked):
        faults = Changes(here, asked, lambda: self._now(here, asked.url), self.plane == "istio").run()
        return [*faults, *Tenants(here, asked, self._now(here, asked.url)).run()]

    def _now(self, here: Machine, url: str) -> str:
        """The current URL of the endpoint. It may change if the pod of the proxy is replaced."""
        return url

    def remove(self, here):
        here.cluster.kubectl("delete", f"{CONTROLLED[0]},{CONTROLLED[1]}", "--all", "-n", NAMESPACE, within=120)
        made = "-l", "app.kubernetes.io/managed-by=mcp-gateway"
        until("nothing of the controller is left", lambda: not here.cluster.items("httproutes,secrets", "-A", *made))
        super().remove(here)
        here.processes.stop(self._controller())

    def _controller(self) -> str:
        return f"controller-{self.plane}"

    def logs(self, here):
        log = here.processes.log(self._controller())
        return [*super().logs(here), *([log] if log.exists() else [])]


class EnvoyGatewayControlled(Controlled, EnvoyGatewayRendered):
    def apply(self, here):
        self.control(here)
        return f"http://{MACHINE}:{self.PORT}/mcp"


class IstioControlled(Controlled, IstioRendered):
    def apply(self, here):
        self.control(here)
        return f"http://{_address(here)}:{self.PORT}/mcp"

    def _now(self, here, url):
        [proxy] = here.kubelet.proxies()
        return f"http://{proxy.pod.address}:{self.PORT}/mcp"


def _object(version: str, kind: str, name: str, spec: dict) -> dict:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def session_keys(namespace: str) -> dict:
    """The Secret with session keys that the documentation tells users to create."""
    metadata = {"name": "mcp-session-keys", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"keys": SESSION_KEYS}}


def _address(here: Machine) -> str:
    """The address in the status of the Gateway `mcp`."""

    def address():
        gateway = here.cluster.get("gateways.gateway.networking.k8s.io", "mcp", NAMESPACE) or {}
        found = [one["value"] for one in gateway.get("status", {}).get("addresses", []) if one["type"] == "IPAddress"]
        return found[0] if found else None

    return until("the Gateway's address", address)


def _kustomized(here: Machine, folder: str) -> str:
    """The manifests that `kubectl apply -k` would apply, with the digests of the image and the .wasm under test."""
    text = here.cluster.kubectl("kustomize", DEPLOY / folder)
    text = text.replace(f"sha256:{UNKNOWN_DIGEST}", here.digest)
    return text.replace(UNKNOWN_DIGEST, here.sha256)


def _delete(here: Machine, manifests: str):
    here.cluster.kubectl("delete", "--ignore-not-found", "--wait", "-f", "-", text=manifests, within=240)


FORMS: dict[str, Form] = {
    "envoy-gateway-policy": EnvoyGatewayFolder("Envoy Gateway, `policy`", "policy", "envoy-gateway/policy"),
    "envoy-gateway-gateway": EnvoyGatewayMany("Envoy Gateway, `gateway`", "gateway", "envoy-gateway/gateway"),
    "envoy-gateway-overlay": EnvoyGatewayFolder("Envoy Gateway, the overlay", "gateway", "example/envoy-gateway"),
    "istio-policy": IstioFolder("Istio, `policy`", "policy", "istio/policy"),
    "istio-gateway": IstioFolder("Istio, `gateway`", "gateway", "istio/gateway"),
    "istio-gateway-api": IstioDeployed("Istio, `gateway-api`", "gateway", "istio/gateway-api"),
    "istio-gateway-api-overlay": IstioDeployed(
        "Istio, the overlay of `gateway-api`", "gateway", "example/istio-gateway-api"
    ),
    "istio-overlay": IstioFolder("Istio, the overlay", "policy", "example/istio"),
    "envoy-gateway-render": EnvoyGatewayRendered("Envoy Gateway, `render`", "render"),
    "istio-render": IstioRendered("Istio, `render`", "render"),
    "envoy-gateway-controller": EnvoyGatewayControlled("Envoy Gateway, the controller", "render"),
    "istio-controller": IstioControlled("Istio, the controller", "render"),
}
