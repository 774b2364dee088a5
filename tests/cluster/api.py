"""etcd, an API server and its controllers, and kubectl."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa

from lib.envoy import ROOT, Failure, Processes

from . import certificates
from .pods import MACHINE

URL = f"https://{MACHINE}:6443"
# The users: each name is also the user's token. A user without a group has only the rights that
# manifests give.
USERS = {"admin": "system:masters", "nobody": ""}
CONTROLLERS = (
    "namespace-controller,garbage-collector-controller,serviceaccount-controller,"
    "endpointslice-controller,root-ca-certificate-publisher-controller"
)
# The node of all pods. An EndpointSlice contains only pods that have a node.
NODE = "here"
KUBECTL = Path(sys.executable).parent / "kubectl"


class Refused(Failure):
    """kubectl has failed. The text is its output."""


class Cluster:
    """A running API server. `kubeconfig` is the file of an administrator."""

    def __init__(self, processes: Processes, programs: dict[str, Path], authority: certificates.Authority, work: Path):
        self.processes, self.programs, self.authority = processes, programs, authority
        self.work = work / "api"
        self.work.mkdir()
        self.kubeconfig = [self.configuration(user) for user in USERS][0]

    def start(self):
        data, etcd = self.work / "etcd", "http://127.0.0.1:2379"
        self.processes.until(
            "etcd",
            lambda: answers(f"{etcd}/health"),
            self.programs["etcd"] / "etcd",
            *("--data-dir", data, "--unsafe-no-fsync", "--log-level", "warn"),
            *("--listen-client-urls", etcd, "--advertise-client-urls", etcd, "--listen-peer-urls", "http://127.0.0.1:2380"),
        )
        key = rsa.generate_private_key(65537, 2048)
        private, public = self.work / "accounts.key", self.work / "accounts.pub"
        private.write_bytes(certificates.private(key))
        public.write_bytes(certificates.public(key))
        tokens = self.work / "tokens.csv"
        tokens.write_text("".join(f'{name},{name},{i},"{group}"\n' for i, (name, group) in enumerate(USERS.items())))
        certificate, server_key = self.authority.issue("apiserver", MACHINE, "kubernetes.default.svc")
        kubernetes = self.programs["kubernetes"]
        self.processes.until(
            "kube-apiserver",
            lambda: self._ready(),
            kubernetes / "kube-apiserver",
            f"--etcd-servers={etcd}",
            f"--bind-address={MACHINE}",
            f"--advertise-address={MACHINE}",
            "--secure-port=6443",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={server_key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            f"--token-auth-file={tokens}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={public}",
            f"--service-account-signing-key-file={private}",
            # This plugin would put tokens into pods. No pods run here, so nothing needs them.
            "--disable-admission-plugins=ServiceAccount",
            "--allow-privileged=true",
            f"--audit-log-path={self.work / 'audit.log'}",
            f"--audit-policy-file={self._audit()}",
        )
        self.processes.until(
            "kube-controller-manager",
            lambda: "default" in self.kubectl("get", "serviceaccounts", "-n", "default", "-o", "name"),
            kubernetes / "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={CONTROLLERS}",
            f"--service-account-private-key-file={private}",
            f"--root-ca-file={self.authority.file}",
            "--leader-elect=false",
            "--secure-port=0",
        )
        for folder in self.programs.values():
            for crds in sorted(folder.glob("crds/*")):
                self.apply(crds)

    def configuration(self, user: str) -> Path:
        """Writes a kubeconfig of one of `USERS`, and returns its path."""
        to = self.work / f"{user}.kubeconfig"
        to.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [
                        {"name": "tests", "cluster": {"server": URL, "certificate-authority": str(self.authority.file)}}
                    ],
                    "users": [{"name": user, "user": {"token": user}}],
                    "contexts": [{"name": user, "context": {"cluster": "tests", "user": user}}],
                    "current-context": user,
                }
            )
        )
        return to

    def _audit(self) -> Path:
        """The policy of the audit log: only writes are logged, without their content."""
        to = self.work / "audit.yaml"
        rules = [
            {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
            {"level": "None"},
        ]
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
        to.write_text(yaml.safe_dump(policy))
        return to

    def _ready(self) -> bool:
        try:
            return self.kubectl("get", "--raw", "/readyz", within=10) == "ok"
        except Refused:
            return False

    def kubectl(self, *arguments: str | Path, text: str | None = None, within: int = 120) -> str:
        """Runs kubectl, and returns its stdout."""
        return self._kubectl(*arguments, text=text, within=within).stdout

    def warned(self, *arguments: str | Path, text: str | None = None) -> list[str]:
        """Runs kubectl, and returns the warnings of the API server."""
        said = self._kubectl(*arguments, text=text).stderr
        return [line.removeprefix("Warning: ") for line in said.splitlines() if line.startswith("Warning: ")]

    def _kubectl(self, *arguments, text=None, within=120):
        command = (KUBECTL, f"--kubeconfig={self.kubeconfig}", *arguments)
        try:
            done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=within)
        except subprocess.TimeoutExpired as late:
            raise Refused(f"kubectl {' '.join(map(str, arguments))}: not within {within} s") from late
        if done.returncode:
            raise Refused(f"kubectl {' '.join(map(str, arguments))}:\n{done.stderr}{done.stdout}")
        return done

    def apply(self, manifests: list[dict] | str | Path, *options: str):
        """Applies manifests: a list of objects, a text, a file, or a folder with a kustomization."""
        options = ("--server-side", *options)
        if isinstance(manifests, Path):
            return self.kubectl("apply", *options, "-k" if (manifests / "kustomization.yaml").exists() else "-f", manifests)
        return self.kubectl("apply", *options, "-f", "-", text=manifests if isinstance(manifests, str) else dump(manifests))

    def apply_definitions(self):
        """Applies the CRDs of the controller."""
        for crd in sorted((ROOT / "deploy" / "crds").glob("mcp*.yaml")):
            self.apply(crd)

    def create_namespace(self, name: str, **labels: str):
        self.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}])

    def create_pod(self, namespace: str, name: str, labels: dict[str, str], address: str):
        """Creates the object of a running pod, so that Services find the pod by its labels."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        metadata = {"name": name, "namespace": namespace, "labels": labels}
        # Without a grace period, the object disappears when it is deleted. Otherwise a kubelet
        # would have to report that the pod has ended.
        spec = {"containers": [{"name": "process", "image": "none"}], "nodeName": NODE, "terminationGracePeriodSeconds": 0}
        self.apply([node, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}])
        conditions = [{"type": "Ready", "status": "True"}]
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}
        where = ("-n", namespace, "--subresource=status", "--type=merge")
        self.kubectl("patch", "pod", name, *where, "-p", json.dumps({"status": status}))

    def delete_pod(self, namespace: str, name: str):
        self.kubectl("delete", "pod", name, "-n", namespace, "--ignore-not-found")

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict | None:
        where = ("-n", namespace) if namespace else ()
        try:
            return json.loads(self.kubectl("get", kind, name, *where, "-o", "json"))
        except Refused as refused:
            if "NotFound" in str(refused):
                return None
            raise

    def items(self, kind: str, *options: str) -> list[dict]:
        return json.loads(self.kubectl("get", kind, "-o", "json", *(options or ("-A",))))["items"]


def dump(manifests: list[dict]) -> str:
    return yaml.safe_dump_all(manifests)


def until(what: str, ready: Callable, within: float = 120, last: Callable = lambda: ""):
    """Calls `ready` until it returns something true, and returns this.

    After the time limit, the error has the text of `last`.
    """
    deadline = time.monotonic() + within
    while not (found := ready()):
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {within:.0f} s {last()}".rstrip())
        time.sleep(0.1)
    return found


def answers(url: str) -> bool:
    """Whether a GET of this URL gets the status 200."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False
