"""Linux namespaces for the control planes, with a network, processes and mounts of their own.

The control planes need them, since some of their ports and paths are fixed (`/certs`, 127.0.0.1:18000, lines in
/etc/hosts). When the first process in the namespaces ends, for any reason, all others end with it.
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
    """This machine does not allow namespaces. The text says what is needed."""


def _command() -> list[str]:
    namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"]
    return namespaces if os.geteuid() == 0 else [*namespaces, "--user", "--map-root-user"]


def check():
    """Raises NoNamespaces if this machine does not allow namespaces."""
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
    """Runs a command in new namespaces, and returns its exit status.

    The command ends with this process, even after SIGKILL.
    """
    process = subprocess.Popen([*_command(), *command], preexec_fn=_end_with_parent)
    # The terminal also sends Ctrl-C to the command, which prints its own message.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: process.kill())
    return process.wait()


def _end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def furnish(work: Path, names: dict[str, str], authority: Path):
    """Prepares the namespaces from inside: the addresses of host names, and the only certificate authority that is
    trusted.
    """
    _root(work / "root")
    hosts = work / "hosts"
    hosts.write_text("".join(f"{address} {name}\n" for name, address in ({"localhost": "127.0.0.1"} | names).items()))
    resolver = work / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
    for file, over in ((hosts, "/etc/hosts"), (resolver, "/etc/resolv.conf")):
        _mount("--bind", file, os.path.realpath(over))
    # This hides the whole folder, since it may have symbolic links into other folders.
    _mount("-t", "tmpfs", "none", "/etc/ssl/certs")
    shutil.copy(authority, "/etc/ssl/certs/ca-certificates.crt")


def _root(root: Path):
    """Changes the root to a folder that has the machine's folders and the further ones that the control planes need."""
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
