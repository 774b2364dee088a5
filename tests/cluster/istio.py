"""istiod with the API server as its source; where there would be a pod of a gateway, Istio's agent and Envoy.

Envoy is the stock one. Istio's own proxy has two filters more, for telemetry and for TLS between proxies; istiod is
told to leave these out of listeners (the two PILOT_ENABLE_… flags below). That is the one difference.
"""

import itertools
import subprocess
from pathlib import Path

import yaml

from .api import Cluster, answers
from .istio_proxy import DISCOVERY, IstioProxy, PodTemplate

NAMESPACE = "istio-system"
ENVIRONMENT = {
    "POD_NAMESPACE": NAMESPACE,
    "POD_NAME": "istiod",
    "ENABLE_CA_SERVER": "false",
    "PILOT_CERT_PROVIDER": "none",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_ENABLE_ALPN_FILTER": "false",
}


class Istio:
    def __init__(self, cluster: Cluster, envoy: str, work: Path, environment: dict[str, str]):
        """`environment` is that of ingress gateways, whose Deployment is no concern of istiod's."""
        self.cluster, self.processes, self.envoy, self.environment = cluster, cluster.processes, envoy, environment
        self.program = cluster.programs["istio"]
        self.work = work / "istio"
        self.work.mkdir()
        self.addresses = (f"10.77.3.{number}" for number in itertools.count(1))

    def start(self):
        """Waits until istiod serves proxies."""
        self.cluster.create_namespace(NAMESPACE)
        self._templates()
        mesh = self.work / "mesh.yaml"
        proxies = {"controlPlaneAuthPolicy": "NONE", "discoveryAddress": DISCOVERY}
        mesh.write_text(yaml.safe_dump({"defaultConfig": proxies}))
        self.processes.until(
            "istiod",
            lambda: answers("http://127.0.0.1:18080/ready"),
            *("env", *(f"{name}={value}" for name, value in ENVIRONMENT.items())),
            *(self.program / "pilot-discovery", "discovery", "--kubeconfig", self.cluster.kubeconfig),
            *("--meshConfig", mesh, "--httpAddr", "127.0.0.1:18080", "--grpcAddr", DISCOVERY),
            *("--secureGRPCAddr", "", "--httpsAddr", "", "--monitoringAddr", "127.0.0.1:15014"),
        )

    def _templates(self):
        """What istiod makes a Deployment and a Service from, for a Gateway of the Gateway API."""
        helm = self.cluster.programs["helm"] / "helm"
        chart = ("template", "istiod", self.program / "chart", "--namespace", NAMESPACE)
        only = ("--show-only", "templates/istiod-injector-configmap.yaml")
        done = subprocess.run([helm, *chart, *only], text=True, capture_output=True, check=True)
        self.cluster.apply(done.stdout)

    def ingress(self) -> IstioProxy:
        """A proxy as Istio's chart `gateway` installs it, which the manifests of deploy/istio are for."""
        self.cluster.create_namespace("istio-ingress")
        labels = {"istio": "ingressgateway"}
        return self.proxy(PodTemplate("istio-ingress", "istio-ingressgateway", labels, self.environment), "10.77.2.1")

    def deployed(self, template: PodTemplate) -> IstioProxy:
        """The proxy of a Deployment that istiod made for a Gateway of the Gateway API."""
        return self.proxy(template, next(self.addresses))

    def proxy(self, template: PodTemplate, address: str) -> IstioProxy:
        """Starts the proxy of a gateway, in a pod with this address."""
        proxy = IstioProxy(self.cluster, self.processes, self.cluster.authority, template, address)
        proxy.start(self.envoy)
        return proxy
