#!/usr/bin/env python3
"""Has clients on other people's SDKs do everything MCP offers with servers on other people's SDKs.

    check.py [SERVER]...      directly, without a gateway in between: what the SDKs can do
    check.py SERVER --url URL [--prefix 'name__'] [--uri-prefix 'name+']
                              the same through a gateway, where SERVER's tools and prompts, and its
                              resources, have these prefixes

Prints a table for each server, and what was wrong; the exit code says whether anything was. `–` is
what the server does not have, or not in a way that can be foretold. `rmcp` is the example
`conformance`: `cargo build --example conformance` makes it.
"""

import argparse
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import asks
import install

# A client gives up by itself after 20 s.
TALKED_WITHIN = 40
MODES = ("auto", "modern", "legacy")


@dataclass(frozen=True)
class Server:
    command: list[str]
    asks: Callable[[asks.Rename, asks.Rename, bool], list[asks.Ask]]
    speaks_modern: bool = True


@dataclass(frozen=True)
class Way:
    """How clients get to a server."""

    url: str
    prefix: str = ""
    uri_prefix: str = ""
    through_gateway: bool = False


@dataclass(frozen=True)
class Client:
    command: list[str]
    modes: tuple[str, ...] = MODES


SERVERS = {
    "python": Server(install.python("python_server.py"), asks.fixture),
    "typescript": Server(install.node("typescript_server.mjs"), asks.fixture),
    "everything": Server(install.node("everything_server.mjs"), asks.everything, speaks_modern=False),
    "rmcp": Server([str(install.TARGET / "debug" / "examples" / "conformance")], asks.conformance),
}
CLIENTS = {
    "python": Client(install.python("python_client.py")),
    "typescript": Client(install.node("typescript_client.mjs")),
    "typescript-v1": Client(install.node("typescript_v1_client.mjs"), modes=("legacy",)),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", metavar="SERVER", help=", ".join(SERVERS))
    parser.add_argument("--url")
    parser.add_argument("--prefix", default="")
    parser.add_argument("--uri-prefix", default="")
    args = parser.parse_args()
    for name in args.servers:
        if name not in SERVERS:
            parser.error(f"no server {name}; there are: {', '.join(SERVERS)}")
    if args.url and len(args.servers) != 1:
        parser.error("--url needs the one server that is behind it")
    return args


@contextmanager
def running(command: list[str]) -> Iterator[str]:
    """Starts a server on a free port and gives its URL."""
    command = [*command, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = process.stdout.readline()
        if "listening on " not in line:
            raise SystemExit(f"check: {' '.join(command)} does not start")
        yield line.split("listening on ")[1].strip()
    finally:
        process.kill()
        process.communicate()


def talk(client: Client, mode: str, url: str, steps: list[asks.Json]) -> asks.Json:
    options = ["--mode", mode, "--log", "info", "--elicit", json.dumps(asks.ELICITED), "--sample", asks.SAMPLED]
    command = [*client.command, url, *options, json.dumps(steps)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TALKED_WITHIN)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"error": {"message": f"the client says no JSON: {done.stdout}{done.stderr}"}}


def holds(actual: Any, part: Any) -> bool:
    """Whether `part` is a part of `actual`: some members of an object, some entries of a list in their order."""
    if isinstance(part, dict):
        return isinstance(actual, dict) and all(key in actual and holds(actual[key], part[key]) for key in part)
    if isinstance(part, list):
        rest = iter(actual if isinstance(actual, list) else [])
        return all(any(holds(entry, wanted) for entry in rest) for wanted in part)
    return actual == part


def brief(value: Any) -> str:
    return textwrap.shorten(json.dumps(value), 600)


def compare(asked: list[asks.Ask], steps: list[asks.Json]) -> tuple[list[str], list[str]]:
    """The cells of a client's row, and what is wrong in it."""
    cells, wrong = dict.fromkeys(asks.COLUMNS, "–"), []
    for (column, step, wanted), got in zip(asked, steps, strict=True):
        if not holds(got, wanted):
            cells[column] = "FAIL"
            wrong.append(f"{brief(step)}\n      wanted {brief(wanted)}\n      got    {brief(got)}")
        elif cells[column] == "–":
            cells[column] = "ok"
    return list(cells.values()), wrong


def clients(modes: tuple[str, ...]) -> Iterator[tuple[str, Client, str]]:
    """The rows of a table: each client in each of these modes that it has."""
    for name, client in CLIENTS.items():
        yield from ((name, client, mode) for mode in client.modes if mode in modes)


def check(name: str, way: Way, modes: tuple[str, ...] = MODES) -> list[str]:
    """Prints the table of one server; gives what is wrong."""
    server, rows, wrong = SERVERS[name], [], []
    for client_name, client, mode in clients(modes):
        asked = server.asks(way.prefix.__add__, way.uri_prefix.__add__, mode != "legacy")
        answer = talk(client, mode, way.url, [step for _, step, _ in asked])
        if "error" not in answer:
            cells, why = compare(asked, answer["steps"])
        elif mode == "modern" and not server.speaks_modern and not way.through_gateway:
            cells, why = ["cannot connect: the server speaks no modern MCP"], []
        else:
            cells, why = ["cannot connect"], [answer["error"]["message"]]
        rows.append([client_name, mode, answer.get("protocolVersion", ""), *cells])
        wrong += [f"{name}, {client_name} {mode}: {reason}" for reason in why]
    show(name, ["client", "mode", "speaks", *asks.COLUMNS], rows)
    return wrong


def show(name: str, head: list[str], rows: list[list[str]]) -> None:
    # What takes the place of all cells does not widen the first.
    cells = [row if len(row) == len(head) else row[:3] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip_longest(*cells, fillvalue="")]
    print(f"\n{name}")
    for row in [head, *rows]:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip())


def main() -> int:
    args = arguments()
    install.install()
    wrong = []
    for name in args.servers or SERVERS:
        if args.url:
            wrong += check(name, Way(args.url, args.prefix, args.uri_prefix, through_gateway=True))
        else:
            with running(SERVERS[name].command) as url:
                wrong += check(name, Way(url))
    print("".join(f"\n  {line}" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
