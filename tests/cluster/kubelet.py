"""Does for Deployments what a cluster does: starts pods, and gives Services addresses. This is only for Deployments
whose program the tests can run: Istio's proxies and the example servers.
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


# How long the old pod continues to run after its replacement is ready, so that it can finish its
# requests.
GRACE = 5


@dataclass
class ServerPod:
    """The object of a pod. Its server runs all the time, also without the object."""

    cluster: Cluster
    namespace: str
    name: str

    def end(self):
        self.cluster.delete_pod(self.namespace, self.name)


@dataclass
class Running:
    """The pod of a Deployment, and the Deployment's uid and template at the time when the pod was created."""

    uid: str
    template: dict
    pod: IstioProxy | ServerPod


class Kubelet:
    def __init__(self, cluster: Cluster, istio: Istio | None):
        self.cluster, self.istio, self.stopped = cluster, istio, False
        # The running pods, by the namespace and the name of their Deployment.
        self.running: dict[tuple[str, str], Running] = {}
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self):
        """Stops this thread. Running pods continue to run."""
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
                # For example, a Secret does not exist yet, or a Service does not exist any more.
                # The next round tries again.
                if not self.stopped:
                    print(f"  kubelet: {failure}", flush=True)
            time.sleep(0.5)

    def _has_program(self, deployment: dict) -> bool:
        labels = deployment["spec"]["template"]["metadata"].get("labels", {})
        return deployment["metadata"]["name"] in SERVERS or (self.istio is not None and GATEWAY_NAME in labels)

    def _reconcile(self, wanted: dict[tuple[str, str], dict]):
        for key, one in list(self.running.items()):
            # Another Deployment may have the same name now. The old one was deleted with its
            # namespace, so its pod ends, too.
            if key not in wanted or wanted[key]["metadata"]["uid"] != one.uid:
                del self.running[key]
                one.pod.end()
        for key, deployment in wanted.items():
            before = self.running.get(key)
            if before is None or before.template != deployment["spec"]["template"]:
                self._replace(key, deployment, before)

    def _replace(self, key: tuple[str, str], deployment: dict, before: Running | None):
        """Replaces a pod like a rolling update: the old pod ends only after the new one accepts requests."""
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
        """Writes into the Deployment's status how many pods there are. One of them is the new one."""
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
