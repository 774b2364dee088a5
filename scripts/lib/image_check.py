"""Runs the command of deploy/image/Dockerfile in a directory that is laid out as the image.

Envoy's image needs a container registry, which this check does without: Envoy is the one that
was downloaded, and its libraries are this machine's. Only docker can show that the image builds.
"""

import json
import os
import re
import shlex
import shutil

from . import mcp
from .envoy import ROOT, run


def can_run():
    """A directory as the root of a program needs Linux, and the rights of root."""
    return os.uname().sysname == "Linux" and os.geteuid() == 0


def answers(processes, root, program, envoy, servers):
    """Starts the image's command on these servers, and calls a tool; gives the result."""
    instructions = _instructions()
    copied = instructions["COPY"].split()
    files = {program: copied[-1], envoy: _variables(instructions["ENV"])["ENVOY"], servers: "/etc/mcp-gateway/servers.yaml"}
    for library in re.findall(r"(/\S+) \(0x", run("ldd", envoy, timeout=120)):
        files[library] = library
    for source, path in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)
    for folder, mode in (("tmp", 0o1777), ("dev", 0o755), ("proc", 0o755)):
        (root / folder).mkdir()
        (root / folder).chmod(mode)
    environment = ("env", "-i", *(f"{name}={value}" for name, value in _variables(instructions["ENV"]).items()))
    command = (*json.loads(instructions["ENTRYPOINT"]), *json.loads(instructions["CMD"]), "--port", "0")
    chroot = shlex.join((*environment, shutil.which("chroot"), f"--userspec={instructions['USER']}", str(root), *command))
    mounts = " && ".join(f"mount --rbind /{folder} {shlex.quote(str(root / folder))}" for folder in ("dev", "proc"))
    isolated = ("unshare", "--mount", "sh", "-c", f"{mounts} && exec {chroot}")
    endpoint = processes.says("image", r"is served at http://0\.0\.0\.0(:\d+/\S+)\n", *isolated)
    return mcp.ask(f"http://127.0.0.1{endpoint[1]}", "tools/call", name="weather__get_weather", arguments={"city": "Tokyo"})


def _instructions():
    """The instructions of the file. Each kind of instruction is there once."""
    lines = (ROOT / "deploy" / "image" / "Dockerfile").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))


def _variables(text):
    return dict(word.split("=", 1) for word in text.split())
