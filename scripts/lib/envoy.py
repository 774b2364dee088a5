"""Starts MCP servers, and Envoy in front of them, as processes of a script."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
WASM = TARGET / "wasm32-wasip1" / "release" / "mcp_gateway.wasm"
EXAMPLES = TARGET / "debug" / "examples"
PROGRAM = TARGET / "debug" / "mcp-gateway"

bold = (lambda text: f"\033[1m{text}\033[0m") if sys.stdout.isatty() else (lambda text: text)


class Failure(Exception):
    """An error that the user can read and fix."""


def step(text):
    print(bold(f"▸ {text}"), flush=True)


def run(*command, timeout, cwd=ROOT):
    """Runs a command until it ends, and gives its stdout."""
    name = " ".join(map(str, command))
    try:
        done = subprocess.run(command, cwd=cwd, timeout=timeout, check=True, text=True, stdout=subprocess.PIPE)
    except FileNotFoundError as error:
        raise Failure(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise Failure(f"`{name}` did not end in {timeout} s") from error
    except subprocess.CalledProcessError as error:
        raise Failure(f"`{name}` failed with status {error.returncode}\n{error.stdout}") from error
    return done.stdout.strip()


def build(*examples):
    if shutil.which("rustup"):
        run("rustup", "--quiet", "target", "add", "wasm32-wasip1", timeout=300)
    step("building the filter and the servers")
    run("cargo", "build", "--quiet", "--release", "--lib", "--target", "wasm32-wasip1", timeout=1200)
    if examples:
        run("cargo", "build", "--quiet", *(word for name in examples for word in ("--example", name)), timeout=1200)


def build_program(feature: str = "cli"):
    step("building the program")
    run("cargo", "build", "--quiet", "--features", feature, "--bin", "mcp-gateway", timeout=1200)


class Processes:
    """The processes that a script has started. All of them end with the `with` block."""

    def __init__(self, work):
        self.work = work
        self.running = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()

    def ended(self):
        """The processes that have ended although the script has not ended them."""
        return [f"{name} ended with status {p.returncode}" for name, p in self.running.items() if p.poll() is not None]

    def log(self, name):
        return self.work / f"{name}.log"

    def server(self, name, *command):
        """Starts a server on a free port and gives its URL."""
        return self.listening(name, *command, "--port", "0")

    def listening(self, name, *command):
        """Starts a program that chooses its port itself. Gives the address that it prints."""
        return self.says(name, r"listening on ([^\s\"]+)[\s\"]", *command).group(1)

    def says(self, name, pattern, *command):
        """Starts a program and waits until it prints this; gives the match."""
        self._start(name, *command)
        return self._wait_for(name, lambda: re.search(pattern, self.log(name).read_text()))

    def until(self, name, ready, *command):
        """Starts a program and waits until `ready` gives something; gives that."""
        self._start(name, *command)
        return self._wait_for(name, ready)

    def stop(self, name):
        """Ends a process, even if it is still working."""
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def program(self, name, envoy, file, *options):
        """Starts `mcp-gateway run` with a file of servers and gives its endpoint's URL."""
        command = (PROGRAM, "run", file, "--port", "0", "--envoy", envoy, "--wasm", WASM, *options)
        return self.says(name, r"is served at (\S+)\n", *command).group(1)

    def envoy(self, name, program, config):
        """Starts Envoy with the text of a configuration and gives its endpoint's URL."""
        file, admin = self.work / f"{name}.yaml", self.work / f"{name}.admin"
        # On a busy machine, a worker may notice only after more than a second that it has a connection.
        file.write_text(config.replace("connect_timeout: 5s", "connect_timeout: 30s"))
        admin.unlink(missing_ok=True)
        options = ("--admin-address-path", admin, "--disable-hot-restart", "--concurrency", "2", "-l", "warn")
        self._start(name, program, "-c", file, *options)
        return f"http://{self._wait_for(name, lambda: _listener(admin))}/mcp"

    def _start(self, name, *command):
        with open(self.log(name), "w") as out:
            self.running[name] = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)

    def _wait_for(self, name, ready):
        """Waits up to 180 s until `ready` gives a value, and gives this value."""
        process, deadline = self.running[name], time.monotonic() + 180
        while not (found := ready()):
            if process.poll() is not None or time.monotonic() > deadline:
                tail = self.log(name).read_text(errors="replace").splitlines()[-15:]
                raise Failure("\n  ".join([f"{name} did not get ready; the end of {self.log(name)}:", *tail]))
            time.sleep(0.05)
        return found


def _listener(admin):
    """The address at which Envoy accepts requests; nothing until it is ready."""
    try:
        address = admin.read_text().strip()
        with urllib.request.urlopen(f"http://{address}/ready", timeout=2) as answer:
            if answer.status != 200:
                return None
        with urllib.request.urlopen(f"http://{address}/listeners", timeout=2) as answer:
            found = re.search(r"127\.0\.0\.1:\d+", answer.read().decode())
            return found and found.group(0)
    except (OSError, ValueError):
        return None


def gateway(servers, port=0, protocols=None, **settings):
    """envoy/gateway.yaml with these servers, a dict of names and URLs. `protocols` has each protocol that is not AUTO."""
    protocol = lambda name: {"protocol": protocols[name]} if name in (protocols or {}) else {}
    # With `url`, the Host is the server's own address. SDKs refuse any other host, as DNS rebinding.
    settings["servers"] = [{"name": name, "url": url, **protocol(name)} for name, url in servers.items()]
    clusters = [_cluster(name, url) for name, url in servers.items()]
    text = (ROOT / "envoy" / "gateway.yaml").read_text()
    text = _replace(text, r"target/wasm32-wasip1/release/mcp_gateway\.wasm", str(WASM))
    # Envoy chooses the ports itself, and its admin interface shows them.
    text = _replace(text, r"port_value: 9901\b", "port_value: 0")
    text = _replace(text, r"port_value: 10000\b", f"port_value: {port}")
    # JSON is YAML, too.
    text = _replace(text, r"^ {18}value:\n(?: {20}.*\n)+", f"{' ' * 18}value: {json.dumps(settings)}\n")
    return _replace(text, r"^  clusters:\n(?:.*\n)+\Z", f"  clusters: {json.dumps(clusters)}\n")


def _replace(text, pattern, to):
    """Replaces the only match."""
    text, places = re.subn(pattern, lambda _: to, text, flags=re.MULTILINE)
    if places != 1:
        raise Failure(f"envoy/gateway.yaml has {places} places that match {pattern}, and not one")
    return text


def _cluster(name, url):
    host, port = re.match(r"http://([^:/]+):(\d+)/", url).groups()
    address = {"socket_address": {"address": host, "port_value": int(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "30s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
