"""Envoy Gateway reads its objects from the API server, and runs Envoy as a process on this machine."""

import base64
import subprocess
from pathlib import Path

import yaml

from lib.envoy import Failure

from .api import Cluster

NAMESPACE = "envoy-gateway-system"
# Envoy Gateway finds our Envoy in a folder with this name, and so does not download one. The name
# must be a version with three numbers.
ENVOY_VERSION = "1.0.0"


class EnvoyGateway:
    def __init__(self, cluster: Cluster, envoy: str, work: Path, environment: dict[str, str]):
        """`environment` has the variables for Envoy."""
        self.cluster, self.processes, self.given = cluster, cluster.processes, environment
        self.program = cluster.programs["envoy-gateway"] / "envoy-gateway"
        self.work = work / "envoy-gateway"
        self.envoy = envoy

    def start(self):
        """Starts Envoy Gateway, and waits until it has accepted its GatewayClass. From then on, it sees new objects."""
        self.cluster.create_namespace(NAMESPACE)
        binary = self.work / "data" / "envoy-versions" / ENVOY_VERSION / "bin" / "envoy"
        binary.parent.mkdir(parents=True)
        binary.symlink_to(self.envoy)
        # Envoy gets the environment of Envoy Gateway, since it has no Deployment that could set
        # variables.
        variables = {"KUBECONFIG": self.cluster.kubeconfig, "ENVOY_VERSION": ENVOY_VERSION} | self.given
        environment = ("env", *(f"{name}={value}" for name, value in variables.items()))
        self._certificates(environment)
        configuration = self.work / "envoy-gateway.yaml"
        configuration.write_text(yaml.safe_dump(self.configuration()))
        self.processes.until(
            "envoy-gateway",
            lambda: "started" in self.processes.log("envoy-gateway").read_text(),
            *(*environment, self.program, "server", "--config-path", configuration),
        )
        self.cluster.apply(
            [
                {
                    "apiVersion": "gateway.networking.k8s.io/v1",
                    "kind": "GatewayClass",
                    "metadata": {"name": "eg"},
                    "spec": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
                }
            ]
        )
        self.cluster.kubectl("wait", "--for=condition=Accepted", "gatewayclass/eg", "--timeout=120s", within=150)

    def configuration(self) -> dict:
        """The configuration that our documentation requires.

        `provider` makes Envoy run on the host, in place of a cluster.
        """
        home = {f"{name}Home": str(self.work / name) for name in ("config", "data", "state")}
        kubernetes = {"leaderElection": {"disable": True}, "proxyTopologyInjector": {"disabled": True}}
        return {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "EnvoyGateway",
            "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
            "provider": {
                "type": "Custom",
                "custom": {
                    "resource": {"type": "Kubernetes", "kubernetes": kubernetes},
                    "infrastructure": {"type": "Host", "host": home | {"runtimeDir": str(self.work / "run")}},
                },
            },
            "extensionApis": {"enableEnvoyPatchPolicy": True, "enableBackend": True},
        }

    def _certificates(self, environment: tuple):
        command = (*environment, self.program, "certgen", "--disable-topology-injector")
        done = subprocess.run(command, text=True, capture_output=True)
        if done.returncode:
            raise Failure(f"envoy-gateway certgen:\n{done.stdout}{done.stderr}")
        for secret, folder in (("envoy-gateway", Path("/certs")), ("envoy", self.work / "config" / "certs" / "envoy")):
            folder.mkdir(parents=True, exist_ok=True)
            data = self.cluster.get("secret", secret, NAMESPACE)["data"]
            for name in ("ca.crt", "tls.crt", "tls.key"):
                (folder / name).write_bytes(base64.b64decode(data[name]))
