"""istiod reads its objects from the API server. In place of each pod of a gateway, Istio's agent and Envoy run.

Envoy is the stock version. Istio's own build of Envoy has two more filters, for telemetry and for TLS between proxies.
The two flags PILOT_ENABLE_… below make istiod leave these filters out of listeners. This is the only difference.
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
        """`environment` has the variables of ingress gateways. Istiod does not create their Deployment."""
        self.cluster, self.processes, self.envoy, self.environment = cluster, cluster.processes, envoy, environment
        self.program = cluster.programs["istio"]
        self.work = work / "istio"
        self.work.mkdir()
        self.addresses = (f"10.77.3.{number}" for number in itertools.count(1))

    def start(self):
        """Starts istiod, and waits until it serves proxies."""
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
        """Applies the templates from which istiod makes a Deployment and a Service for a Gateway of the Gateway API."""
        helm = self.cluster.programs["helm"] / "helm"
        chart = ("template", "istiod", self.program / "chart", "--namespace", NAMESPACE)
        only = ("--show-only", "templates/istiod-injector-configmap.yaml")
        done = subprocess.run([helm, *chart, *only], text=True, capture_output=True, check=True)
        self.cluster.apply(done.stdout)

    def ingress(self) -> IstioProxy:
        """Starts a proxy like the one of Istio's chart `gateway`, for which the manifests of deploy/istio are made."""
        self.cluster.create_namespace("istio-ingress")
        labels = {"istio": "ingressgateway"}
        return self.proxy(PodTemplate("istio-ingress", "istio-ingressgateway", labels, self.environment), "10.77.2.1")

    def deployed(self, template: PodTemplate) -> IstioProxy:
        """Starts the proxy of a Deployment that istiod has made for a Gateway of the Gateway API."""
        return self.proxy(template, next(self.addresses))

    def proxy(self, template: PodTemplate, address: str) -> IstioProxy:
        """Starts the proxy of a gateway, in a pod with this address."""
        proxy = IstioProxy(self.cluster, self.processes, self.cluster.authority, template, address)
        proxy.start(self.envoy)
        return proxy
