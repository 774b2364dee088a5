"""A machine of its own for the control planes, as far as they can tell: own network, processes and mounts.

Their ports and paths are fixed (`/certs`, 127.0.0.1:18000, lines in /etc/hosts). All of it lives in namespaces
of Linux and goes with the first process in them, whatever ended that one.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


class NoNamespaces(Exception):
    """This machine does not let us."""


def _command() -> list[str]:
    namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"]
    return namespaces if os.geteuid() == 0 else [*namespaces, "--user", "--map-root-user"]


def check():
    """Fails where namespaces are not allowed."""
    if sys.platform != "linux" or not all(map(shutil.which, ("unshare", "ip"))):
        raise NoNamespaces("namespaces of Linux, and the programs unshare and ip (apt-get install util-linux iproute2)")
    tried = "mount -t tmpfs none /mnt && ip link add cluster type bridge"
    done = subprocess.run([*_command(), "sh", "-c", tried], text=True, capture_output=True)
    if done.returncode:
        said = done.stderr.strip() or f"status {done.returncode}"
        raise NoNamespaces(
            f"namespaces of Linux, which this machine refuses ({said}); "
            "be root, or: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )


def run(*command: str | Path) -> int:
    """Runs a command in there and gives its status. It ends when this process does, also by SIGKILL."""
    process = subprocess.Popen([*_command(), *command], preexec_fn=_end_with_parent)
    # Ctrl-C reaches the command by the terminal, and it says what there is to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: process.kill())
    return process.wait()


def _end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def furnish(work: Path, names: dict[str, str], authority: Path):
    """To be called inside: names of hosts by address, and the only authority that certificates have."""
    _root(work / "root")
    hosts = work / "hosts"
    hosts.write_text("".join(f"{address} {name}\n" for name, address in ({"localhost": "127.0.0.1"} | names).items()))
    resolver = work / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
    for file, over in ((hosts, "/etc/hosts"), (resolver, "/etc/resolv.conf")):
        _mount("--bind", file, os.path.realpath(over))
    # The folder may have symbolic links into others.
    _mount("-t", "tmpfs", "none", "/etc/ssl/certs")
    shutil.copy(authority, "/etc/ssl/certs/ca-certificates.crt")


def _root(root: Path):
    """The machine's folders under another root, so that there can be more of them."""
    root.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "none", root)
    for name in os.listdir("/"):
        source, to = Path("/", name), root / name
        if source.is_symlink():
            to.symlink_to(source.readlink())
        elif source.is_dir():
            to.mkdir()
            _mount("--rbind", source, to)
    _mount("-t", "tmpfs", "none", root / "var" / "lib")
    here = os.getcwd()
    os.chroot(root)
    os.chdir(here)
    for folder in ("/certs", "/var/lib/eg/wasm", "/var/lib/istio/data"):
        Path(folder).mkdir(parents=True, exist_ok=True)


def _mount(*arguments: str | Path):
    subprocess.run(["mount", *arguments], check=True)
