"""The network: this machine, and pods. Each pod has its own address and all ports."""

import ctypes
import itertools
import os
import socket
import subprocess
import threading
from pathlib import Path

# The addresses of this machine: one for the API server and the control planes, and one for the
# servers of `web.py`, which stand for the internet.
MACHINE, WEB = "10.77.0.1", "10.77.0.2"
PREFIX = 16
CLONE_NEWNET = 0x40000000

_numbers = itertools.count()


def start_network():
    ip("link set lo up", "link add cluster type bridge", "link set cluster up")
    ip(*(f"address add {address}/{PREFIX} dev cluster" for address in (MACHINE, WEB)))


def ip(*lines: str, inside: tuple = ()):
    subprocess.run([*inside, "ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


class Pod:
    """A network namespace. `enter` is a prefix for commands, which then run in it."""

    def __init__(self, address: str):
        self.address, self.name = address, f"pod{next(_numbers)}"
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"], stdout=subprocess.PIPE)
        # The process prints a line as soon as it is in its new namespace.
        self.holder.stdout.readline()
        self.path = Path(f"/proc/{self.holder.pid}/ns/net")
        self.enter = ("nsenter", f"--net={self.path}")
        ip(
            f"link add {self.name} type veth peer name eth0 netns {self.holder.pid}",
            f"link set {self.name} master cluster up",
        )
        ip("link set lo up", f"address add {address}/{PREFIX} dev eth0", "link set eth0 up", inside=self.enter)

    def run(self, function):
        """Runs a function in a thread in the pod's namespace. Threads that the function starts are in it, too."""

        def there():
            file = os.open(self.path, os.O_RDONLY)
            if ctypes.CDLL(None, use_errno=True).setns(file, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            os.close(file)
            function()

        threading.Thread(target=there, daemon=True).start()

    def end(self):
        self.holder.kill()
        self.holder.wait()
        subprocess.run(["ip", "link", "delete", self.name], capture_output=True)


def listens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False
