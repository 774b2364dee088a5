"""Clients hold a legacy session while the file of `mcp-gateway run` changes.

One of the clients talks over stdin and stdout, through `mcp-remote`.

Each client lists and calls tools all the time. No request may fail, except for calls of a server that
is not in the file at this time: the gateway answers them with -32602. The SDKs do not begin a new
session by themselves, so all requests after the loss of a session would fail.
"""

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import install
from asks import Json

# The command of each client. A URL follows it.
CLIENTS = {
    "python": install.python("holding_client.py"),
    "python-v1": install.python("holding_client.py", install.VENV_V1),
    "typescript-v1": install.node("holding_client.mjs"),
}
# This client starts `mcp-remote`, as the gateway's entry in the file of Claude Desktop says.
# `mcp-remote` has the session.
DESKTOP = "claude-desktop"
UNKNOWN_TOOL = -32602


class Call(NamedTuple):
    tool: str
    arguments: Json
    says: str


# One tool of each server that answers with plain text.
CALLS = {
    "everything": Call("echo", {"message": "hi"}, "Echo: hi"),
    "python": Call("count", {"to": 1}, "Counted to 1."),
    "typescript": Call("count", {"to": 1}, "Counted to 1."),
}
# The edits of the file, and the servers that it has after each edit, by their names in the file.
# The clients begin with the first one. The server `stays` is in the file all the time.
STAYS = "stays"
EDITS: list[tuple[str, dict[str, str]]] = [
    ("at the start", {STAYS: "everything", "one": "python"}),
    ("a server is added", {STAYS: "everything", "one": "python", "two": "typescript"}),
    ("the new server is renamed", {STAYS: "everything", "one": "python", "three": "typescript"}),
    ("a server of the start is removed", {STAYS: "everything", "three": "typescript"}),
    ("it comes back under its name", {STAYS: "everything", "three": "typescript", "one": "python"}),
    ("two change their names with each other", {STAYS: "everything", "three": "python", "one": "typescript"}),
    ("all but one are removed", {STAYS: "everything"}),
    ("all come back", {STAYS: "everything", "one": "python", "two": "typescript"}),
]
SEEN_WITHIN = 120
# The workers of Envoy take the new configuration at different times. So this many turns in a row
# must be right.
TURNS = 10
# How many failures of a client are shown.
SHOWN = 5


class Holder:
    """A running client, and the turns that it has reported."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name = name
        self.turns: list[Json] = []
        calls = {call.tool: call.arguments for call in CALLS.values()}
        with open(log, "w") as errors:
            self.process = subprocess.Popen(
                [*command, json.dumps(calls)],
                # npx finds `mcp-remote` in this folder.
                cwd=install.NODE,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.turns.append(json.loads(line))

    def sees(self, servers: dict[str, str]) -> str | None:
        """Waits until the last turns are right for these servers.

        Returns why they are not, if they do not become so in time.
        """
        deadline = time.monotonic() + SEEN_WITHIN
        start = len(self.turns)
        while time.monotonic() < deadline and self.process.poll() is None:
            last = self.turns[max(start, len(self.turns) - TURNS) :]
            if len(last) == TURNS and all(_is_as_with(turn, servers) for turn in last):
                return None
            time.sleep(0.05)
        if (status := self.process.poll()) is not None:
            return f"it ended with status {status}"
        return f"its last turn is {json.dumps(self.turns[-1:])}"

    def end(self) -> None:
        """Lets the client end its session. Kills the client if it does not end in time."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.reader.join()


def _is_as_with(turn: Json, servers: dict[str, str]) -> bool:
    if "error" in turn or {name.partition("__")[0] for name in turn["tools"]} != set(servers):
        return False
    said = {f"{name}__{CALLS[server].tool}": CALLS[server].says for name, server in servers.items()}
    answers = turn["calls"].items()
    return said.keys() <= turn["calls"].keys() and all(
        said[name] == answer if name in said else _is_unknown(answer) for name, answer in answers
    )


def _is_unknown(answer: Any) -> bool:
    return isinstance(answer, dict) and answer["error"]["code"] == UNKNOWN_TOOL


def failures(turns: list[Json]) -> list[str]:
    """The results that no turn may have, at any time."""
    wrong = []
    says = [call.says for call in CALLS.values()]
    for number, turn in enumerate(turns):
        if "error" in turn:
            wrong.append(f"list in turn {number}: {turn['error']}")
            continue
        for name, answer in turn["calls"].items():
            may_be_gone = not name.startswith(f"{STAYS}__")
            if answer not in says and not (may_be_gone and _is_unknown(answer)):
                wrong.append(f"{name} in turn {number}: {answer}")
    return wrong


def check(url: str, entry: Json, file: Path, urls: dict[str, str], work: Path) -> list[str]:
    """Edits the file of the gateway at `url`, which begins with the first servers of EDITS. Returns what is wrong.

    `entry` is the entry for the gateway in the file of Claude Desktop.
    """
    commands = {name: [*command, url] for name, command in CLIENTS.items()}
    commands[DESKTOP] = [*CLIENTS["python"], json.dumps(entry)]
    holders = [Holder(name, command, work / f"holding-{name}.log") for name, command in commands.items()]
    wrong: list[str] = []
    try:
        for what, servers in EDITS:
            save(file, servers, urls)
            seen = [(holder.name, holder.sees(servers)) for holder in holders]
            wrong = [f"{name}: {what}: {why}" for name, why in seen if why]
            if wrong:
                break
    finally:
        for holder in holders:
            holder.end()
    for holder in holders:
        wrong += [f"{holder.name}: {why}" for why in failures(holder.turns)[:SHOWN]]
        print(f"  {holder.name}: {len(holder.turns)} turns in one session")
    return wrong


def save(file: Path, servers: dict[str, str], urls: dict[str, str]) -> None:
    """Replaces the file in one step, as some editors do."""
    entries = [{"name": name, "url": urls[server]} for name, server in servers.items()]
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"servers": entries}))
    new.replace(file)
