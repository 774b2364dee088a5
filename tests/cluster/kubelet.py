"""What a cluster does with Deployments: pods, and addresses of Services. As far as there is something to run for
them: proxies of Istio's, and the example servers.
"""

import json
import threading
import time
from dataclasses import dataclass

from lib.envoy import Failure

from .api import Cluster
from .istio import Istio
from .istio_proxy import IstioProxy, PodTemplate
from .servers import SERVERS

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"


@dataclass(frozen=True)
class DeploymentKey:
    """With the `uid`, since one that is deleted and made again between two rounds has none of its pods any more."""

    namespace: str
    name: str
    uid: str


@dataclass
class ServerPod:
    """The object of a pod whose server runs all the time."""

    cluster: Cluster
    namespace: str
    name: str

    def end(self):
        self.cluster.delete_pod(self.namespace, self.name)


class Kubelet:
    def __init__(self, cluster: Cluster, istio: Istio | None):
        self.cluster, self.istio, self.stopped = cluster, istio, False
        # By Deployment: its template, and the pod that runs for it.
        self.running: dict[DeploymentKey, tuple[dict, IstioProxy | ServerPod]] = {}
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self):
        """Ends no pod, and starts none any more."""
        self.stopped = True
        self.thread.join()

    def proxies(self) -> list[IstioProxy]:
        return [pod for _template, pod in self.running.values() if isinstance(pod, IstioProxy)]

    def _run(self):
        while not self.stopped:
            try:
                found = {_key(deployment): deployment for deployment in self.cluster.items("deployments")}
                self._reconcile({key: one for key, one in found.items() if self._has_program(one)})
            except Failure as failure:
                # A Secret that comes later, or a Service that is gone by now: the next round sees it.
                if not self.stopped:
                    print(f"  kubelet: {failure}", flush=True)
            time.sleep(0.5)

    def _has_program(self, deployment: dict) -> bool:
        labels = deployment["spec"]["template"]["metadata"].get("labels", {})
        return deployment["metadata"]["name"] in SERVERS or (self.istio is not None and GATEWAY_NAME in labels)

    def _reconcile(self, wanted: dict[DeploymentKey, dict]):
        for key, (template, pod) in list(self.running.items()):
            if key not in wanted or wanted[key]["spec"]["template"] != template:
                del self.running[key]
                pod.end()
        for key in wanted.keys() - self.running.keys():
            template = wanted[key]["spec"]["template"]
            self.running[key] = template, self._start(key.namespace, key.name, wanted[key])

    def _start(self, namespace: str, name: str, deployment: dict) -> IstioProxy | ServerPod:
        template = PodTemplate.of(deployment, self.cluster)
        if name in SERVERS:
            address, _hosts = SERVERS[name]
            self.cluster.create_pod(namespace, f"{name}-0", template.labels, address)
            return ServerPod(self.cluster, namespace, f"{name}-0")
        proxy = self.istio.deployed(template)
        status = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": proxy.pod.address}]}}})
        where = ("-n", namespace, "--subresource=status", "--type=merge")
        self.cluster.kubectl("patch", "service", name, *where, "-p", status)
        return proxy


def _key(manifest: dict) -> DeploymentKey:
    metadata = manifest["metadata"]
    return DeploymentKey(metadata["namespace"], metadata["name"], metadata["uid"])
