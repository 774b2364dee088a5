"""Stands for a pod of an Istio gateway: the pod's object in the API server, Istio's agent, and Envoy."""

import base64
import json
from dataclasses import dataclass, field

from lib.envoy import Processes

from .api import Cluster
from .certificates import Authority
from .pods import MACHINE, Pod, listens

DISCOVERY = f"{MACHINE}:15010"
HEALTH = 15021


@dataclass
class PodTemplate:
    """The parts of a Deployment's pod template that a proxy needs."""

    namespace: str
    name: str
    labels: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, deployment: dict, cluster: Cluster) -> "PodTemplate":
        """The template of a Deployment.

        Its variables are only those from Secrets, which a user has set; `start` sets the agent's.
        """
        namespace, template = deployment["metadata"]["namespace"], deployment["spec"]["template"]
        given = {}
        for container in template["spec"]["containers"]:
            for variable in container.get("env", []):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    secret = cluster.get("secret", reference["name"], namespace)
                    if secret and reference["key"] in secret["data"]:
                        given[variable["name"]] = base64.b64decode(secret["data"][reference["key"]]).decode()
        return cls(namespace, deployment["metadata"]["name"], template["metadata"]["labels"], given)


class IstioProxy:
    def __init__(self, cluster: Cluster, processes: Processes, authority: Authority, template: PodTemplate, address: str):
        self.cluster, self.processes, self.authority, self.template = cluster, processes, authority, template
        self.pod = Pod(address)
        self.name = f"{template.name}-{self.pod.name}"

    def start(self, envoy: str):
        self.cluster.create_pod(self.template.namespace, self.name, self.template.labels, self.pod.address)
        work = self.processes.work.parent / "istio" / self.name
        certificates = work / "etc" / "certs"
        certificates.mkdir(parents=True)
        # Envoy's listener becomes active only with certificates, although no client uses them.
        certificate, key = self.authority.issue(self.name, "istio-proxy")
        for source, name in ((certificate, "cert-chain"), (key, "key"), (self.authority.file, "root-cert")):
            (certificates / f"{name}.pem").write_bytes(source.read_bytes())
        program = self.cluster.programs["istio"]
        proxy = {
            "controlPlaneAuthPolicy": "NONE",
            "discoveryAddress": DISCOVERY,
            "binaryPath": envoy,
            "configPath": str(work / "proxy"),
            "proxyBootstrapTemplatePath": str(program / "bootstrap.json"),
            "terminationDrainDuration": "0s",
        }
        variables = self.template.environment | {
            "POD_NAMESPACE": self.template.namespace,
            "POD_NAME": self.name,
            "INSTANCE_IP": self.pod.address,
            "ISTIO_METAJSON_LABELS": json.dumps(self.template.labels),
            "FILE_MOUNTED_CERTS": "true",
            "PROXY_CONFIG": json.dumps(proxy),
        }
        environment = ("env", f"--chdir={work}", *(f"{name}={value}" for name, value in variables.items()))
        domain = f"{self.template.namespace}.svc.cluster.local"
        agent = (program / "pilot-agent", "proxy", "router", "--domain", domain)
        self.processes.until(self.name, lambda: listens(self.pod.address, HEALTH), *self.pod.enter, *environment, *agent)

    def end(self):
        self.processes.stop(self.name)
        self.pod.end()
        self.cluster.delete_pod(self.template.namespace, self.name)
