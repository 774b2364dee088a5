#!/usr/bin/env python3
"""Installs the MCP SDKs that the servers and clients of this folder use.

    install.py      Python's into target/clients (2.x) and target/clients-v1 (1.x), TypeScript's into target/sdk

Needs Python 3 with venv, Node.js 20 and npm.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
VENV = TARGET / "clients"
VENV_V1 = TARGET / "clients-v1"
NODE = TARGET / "sdk"


# For programs that do not run on Node.js 20.
NODE_22 = str(NODE / "node_modules" / "node" / "bin" / "node")


def python(script: str, venv: Path = VENV) -> list[str]:
    """The command that runs a Python file of this folder."""
    return [str(venv / "bin" / "python"), str(HERE / script)]


def node(script: str, program: str = "node") -> list[str]:
    """The command that runs a JavaScript file of this folder as if it were in `target/sdk`, where Node.js looks for
    packages.
    """
    return [program, "--preserve-symlinks", "--preserve-symlinks-main", str(NODE / "src" / script)]


def install() -> None:
    install_python(VENV, HERE.parent / "clients" / "requirements.txt")
    install_python(VENV_V1, HERE / "requirements-v1.txt")
    install_node()


def install_python(venv: Path, requirements: Path) -> None:
    stamp, wanted = venv / "installed.txt", requirements.read_text()
    if is_current(stamp, wanted):
        return
    run(sys.executable, "-m", "venv", "--clear", venv)
    run(venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--requirement", requirements)
    stamp.write_text(wanted)


def install_node() -> None:
    files = ("package.json", "package-lock.json")
    stamp, wanted = NODE / "installed.txt", "".join((HERE / name).read_text() for name in files)
    if is_current(stamp, wanted):
        return
    NODE.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    for name in files:
        shutil.copy(HERE / name, NODE / name)
    run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=NODE)
    (NODE / "src").unlink(missing_ok=True)
    (NODE / "src").symlink_to(HERE)
    # This file is written last. So after an interruption, the packages are installed again.
    stamp.write_text(wanted)


def is_current(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    subprocess.run(command, cwd=cwd, check=True, timeout=300)


if __name__ == "__main__":
    install()
