"""Everything that runs in the namespaces: the servers whose hosts the manifests name, and the control planes."""

import hashlib
import os
import shutil
import signal
import sys
from pathlib import Path

from lib import oci
from lib.envoy import EXAMPLES, ROOT, WASM, Processes, run, step

from . import isolation, pods, programs, servers, web
from .api import KUBECTL, Cluster
from .certificates import Authority
from .envoy_gateway import EnvoyGateway
from .istio import Istio
from .kubelet import Kubelet
from .pods import WEB
from .tokens import Issuer

# A key of 32 bytes, in the form of the manifests' Secret.
SESSION_KEYS = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
# The name and the tag of the filter's image in the manifests.
IMAGE, TAG = "example/mcp-gateway", "0.1.0"
NAMES = {"envoy-gateway.envoy-gateway-system.svc.cluster.local": "127.0.0.1", "envoy-gateway": "127.0.0.1"}


class Machine:
    """The folder with logs and files, the servers, and the control planes that have been started."""

    def __init__(self, work: Path):
        self.work = work
        for old in work.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        self.logs = work / "logs"
        self.logs.mkdir()
        self.processes = Processes(self.logs)
        self.envoy = run(ROOT / "scripts" / "envoy", timeout=60)
        self.planes: dict[str, EnvoyGateway | Istio] = {}
        self.kubelet: Kubelet | None = None

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        authority = Authority(self.work)
        names = NAMES | servers.NAMES | {name: WEB for name in web.NAMES}
        isolation.furnish(self.work, names, authority.file)
        pods.start_network()
        self.issuer = Issuer()
        self.web = web.Web()
        self.web.json("/.well-known/jwks.json", self.issuer.keys())
        self.web.files["/mcp_gateway.wasm"] = ("application/wasm", WASM.read_bytes())
        self.sha256 = hashlib.sha256(WASM.read_bytes()).hexdigest()
        oci.image(self.work / "image", WASM.read_bytes(), {})
        self.digest = self.web.image(self.work / "image", IMAGE, TAG)
        self.web.serve(WEB, *authority.issue("web", *web.NAMES))
        self.relays = servers.start(self.processes, EXAMPLES)
        installed = {program.name: programs.place(program) for program in programs.PROGRAMS}
        self.cluster = Cluster(self.processes, installed, authority, self.work)
        return self

    def __exit__(self, *_):
        if self.kubelet:
            self.kubelet.stop()
        # No process has to save anything. The namespaces end all processes that are left.
        for name in reversed(self.processes.running.copy()):
            self.processes.stop(name)

    def start(self, *planes: str):
        """Starts these control planes, and the API server if it does not run yet."""
        if self.kubelet:
            self.kubelet.stop()
        else:
            step("starting the API server")
            self.cluster.start()
        for name, kind in (("envoy-gateway", EnvoyGateway), ("istio", Istio)):
            if name in planes:
                step(f"starting {name}")
                self.planes[name] = kind(self.cluster, self.envoy, self.work, {"MCP_SESSION_KEYS": SESSION_KEYS})
                self.planes[name].start()
        self.kubelet = Kubelet(self.cluster, self.planes.get("istio"))

    def environment(self) -> dict[str, str]:
        """The environment of commands that use the cluster."""
        helm = self.cluster.programs["helm"]
        return {
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "PATH": os.pathsep.join([str(KUBECTL.parent), str(helm), os.environ["PATH"]]),
            "USER_TOKEN": self.issuer.token(),
            "ADMIN_TOKEN": self.issuer.token(role="admin"),
            "WASM_SHA256": self.sha256,
            "IMAGE_DIGEST": self.digest,
        }
