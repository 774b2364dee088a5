"""Clients that hold a legacy session while the servers of `mcp-gateway run` change.

One of them is a client over stdin and stdout, behind `mcp-remote`.

Each client lists and calls all the time. No request may fail, but for calls of a server that is not
there: these are answered with -32602. SDKs do not begin anew by themselves, so a lost session fails
all that follows.
"""

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import install
from asks import Json

# The command of each client, which a URL follows.
CLIENTS = {
    "python": install.python("holding_client.py"),
    "python-v1": install.python("holding_client.py", install.VENV_V1),
    "typescript-v1": install.node("holding_client.mjs"),
}
# It starts `mcp-remote` as the entry of its file says, which has the session.
DESKTOP = "claude-desktop"
UNKNOWN_TOOL = -32602


class Call(NamedTuple):
    tool: str
    arguments: Json
    says: str


# Of each server one tool with an answer in plain text.
CALLS = {
    "everything": Call("echo", {"message": "hi"}, "Echo: hi"),
    "python": Call("count", {"to": 1}, "Counted to 1."),
    "typescript": Call("count", {"to": 1}, "Counted to 1."),
}
# What the file says after each edit: names and the servers behind them. The clients begin with the
# first; the server `stays` is there all the time.
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
SEEN_WITHIN = 30
# Each worker of Envoy takes the new file when it has time; so one turn says little.
TURNS = 10
# How many failures of a client are shown.
SHOWN = 5


class Holder:
    """A client that runs, and the turns that it has told."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name = name
        self.turns: list[Json] = []
        calls = {call.tool: call.arguments for call in CALLS.values()}
        with open(log, "w") as errors:
            self.process = subprocess.Popen(
                [*command, json.dumps(calls)],
                # There npx finds `mcp-remote`.
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
        """Waits until the last turns are as with these servers; else tells what is in the way."""
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
        """Lets the client end its session; one that does not end is ended."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(10)
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
    """What no turn may tell, whenever the file changes."""
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
    """Edits the file of the gateway at `url`, which has the servers of the start; tells what is wrong.

    `entry` is what Claude Desktop gets for the gateway.
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
    """Writes the file in one step, as careful editors do."""
    entries = [{"name": name, "url": urls[server]} for name, server in servers.items()]
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"servers": entries}))
    new.replace(file)
