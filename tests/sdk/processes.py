"""The clients and servers on MCP SDKs, and the function that runs a client."""

import json
import re
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import asks
import install
from asks import Ask, Eras, Json, Rename

# How long a client may take for all its steps. The client itself has a time limit for each step.
TALKED_WITHIN = 300
MODES = ("auto", "modern", "legacy")
EXAMPLES = install.TARGET / "debug" / "examples"


@dataclass(frozen=True)
class Server:
    command: list[str]
    asks: Callable[[Rename, Rename, Eras], list[Ask]]
    # The command that starts the server over stdin and stdout.
    stdio: list[str]
    speaks_modern: bool = True


@dataclass(frozen=True)
class Client:
    command: list[str]
    modes: tuple[str, ...] = MODES
    columns: tuple[str, ...] = asks.COLUMNS
    # Whether the SDK reports notifications in the order in which they came.
    orderly: bool = True


CONFORMANCE = [str(EXAMPLES / "conformance")]
PYTHON = install.python("python_server.py")
TYPESCRIPT = install.node("typescript_server.mjs")
# The order is that of the gateway's configuration, and of the characters in a cell of the table.
SERVERS = {
    "rmcp": Server(CONFORMANCE, asks.conformance, [*CONFORMANCE, "--stdio"]),
    "python": Server(PYTHON, asks.fixture, [*PYTHON, "--stdio"]),
    "everything": Server(
        install.node("everything_server.mjs"),
        asks.everything,
        ["node", str(install.NODE / "node_modules/@modelcontextprotocol/server-everything/dist/index.js")],
        speaks_modern=False,
    ),
    "typescript": Server(TYPESCRIPT, asks.forgetful, [*TYPESCRIPT, "--stdio"]),
}
CLIENTS = {
    "python": Client(install.python("python_client.py")),
    "typescript": Client(install.node("typescript_client.mjs")),
    "typescript-v1": Client(install.node("typescript_v1_client.mjs"), modes=("legacy",)),
    "rmcp": Client([str(EXAMPLES / "rmcp_client")], orderly=False),
    "inspector": Client(
        install.node("inspector_client.mjs", install.NODE_22),
        columns=("list", "call", "links", "prompt", "resource", "template"),
    ),
}


def talk(client: Client, mode: str, talks: list[tuple[str, list[Json]]]) -> list[Json]:
    """Runs a client with these steps. Returns its report for each URL, or {"error": …} if it has none."""
    options = ["--mode", mode, "--log", "info", "--elicit", json.dumps(asks.ELICITED)]
    options += ["--sample", asks.SAMPLED, "--roots", asks.ROOT]
    script = json.dumps(talks).replace(asks.UNIQUE, uuid.uuid4().hex)
    command = [*client.command, *options, script]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TALKED_WITHIN)
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        why = f"the client does not end within {TALKED_WITHIN} s"
    except ValueError:
        why = f"the client says no JSON: {done.stdout}{done.stderr}"
    return [{"error": {"message": why}}] * len(talks)


def readable(text: str) -> str:
    """The text without times of day, which server-everything writes into its resources."""
    return re.sub(r"\d{1,2}:\d\d:\d\d", "00:00:00", text)
