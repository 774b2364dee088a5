"""What a cluster does with Deployments: pods, and addresses of Services. As far as there is something to run for
them: proxies of Istio's, and the example servers.
"""

import json
import threading
import time
from dataclasses import dataclass

from lib.envoy import Failure

from .api import Cluster, answers, until
from .istio import Istio
from .istio_proxy import HEALTH, IstioProxy, PodTemplate
from .servers import SERVERS

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"


# How long a pod that is replaced goes on, so that requests that it has got come to their end.
GRACE = 3


@dataclass
class ServerPod:
    """The object of a pod whose server runs all the time."""

    cluster: Cluster
    namespace: str
    name: str

    def end(self):
        self.cluster.delete_pod(self.namespace, self.name)


@dataclass
class Running:
    """The pod of a Deployment, and what that said when the pod was made."""

    uid: str
    template: dict
    pod: IstioProxy | ServerPod


class Kubelet:
    def __init__(self, cluster: Cluster, istio: Istio | None):
        self.cluster, self.istio, self.stopped = cluster, istio, False
        # By namespace and name of a Deployment.
        self.running: dict[tuple[str, str], Running] = {}
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self):
        """Ends no pod, and starts none any more."""
        self.stopped = True
        self.thread.join()

    def proxies(self) -> list[IstioProxy]:
        return [one.pod for one in list(self.running.values()) if isinstance(one.pod, IstioProxy)]

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

    def _reconcile(self, wanted: dict[tuple[str, str], dict]):
        for key, one in list(self.running.items()):
            # Another Deployment may have the name by now: the pod of the one before went with its namespace.
            if key not in wanted or wanted[key]["metadata"]["uid"] != one.uid:
                del self.running[key]
                one.pod.end()
        for key, deployment in wanted.items():
            before = self.running.get(key)
            if before is None or before.template != deployment["spec"]["template"]:
                self._replace(key, deployment, before)

    def _replace(self, key: tuple[str, str], deployment: dict, before: Running | None):
        """As a rolling update does it: the new pod takes requests, then the old one ends."""
        if before and isinstance(before.pod, ServerPod):
            before.pod.end()
            before = None
        pod = self._start(*key, deployment)
        self.running[key] = Running(deployment["metadata"]["uid"], deployment["spec"]["template"], pod)
        if before:
            self._say(deployment, pods=2)
            time.sleep(GRACE)
            before.pod.end()
        self._say(deployment, pods=1)

    def _say(self, deployment: dict, pods: int):
        """How many pods there are, of which one is new."""
        counts = {"replicas": pods, "updatedReplicas": 1, "readyReplicas": pods, "availableReplicas": pods}
        status = {"observedGeneration": deployment["metadata"]["generation"], "terminatingReplicas": 0} | counts
        self._patch("deployment", *_key(deployment), status)

    def _start(self, namespace: str, name: str, deployment: dict) -> IstioProxy | ServerPod:
        template = PodTemplate.of(deployment, self.cluster)
        if name in SERVERS:
            address, _hosts = SERVERS[name]
            self.cluster.create_pod(namespace, f"{name}-0", template.labels, address)
            return ServerPod(self.cluster, namespace, f"{name}-0")
        proxy = self.istio.deployed(template)
        if (namespace, name) in self.running:
            ready = f"http://{proxy.pod.address}:{HEALTH}/healthz/ready"
            until(f"the new pod of {name}", lambda: answers(ready))
        self._patch("service", namespace, name, {"loadBalancer": {"ingress": [{"ip": proxy.pod.address}]}})
        return proxy

    def _patch(self, kind: str, namespace: str, name: str, status: dict):
        where = ("-n", namespace, "--subresource=status", "--type=merge")
        self.cluster.kubectl("patch", kind, name, *where, "-p", json.dumps({"status": status}))


def _key(manifest: dict) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]
