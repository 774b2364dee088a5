"""Runs the steps of `asks` with every client and every server, and compares the answers.

Each client first talks to each server directly. Each answer must contain what the ask wants. Then
the client talks to the servers through a gateway. These answers must also be equal to the direct
ones, except for the rules in `expected`.
"""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import asks
from asks import Ask, Eras, Json
from expected import OFFERED, Rule, comparable, hangs, keeps, rule, shown
from processes import CLIENTS, SERVERS, readable, talk

LISTS = {
    "list_tools": ("tools", "name", "__"),
    "list_prompts": ("prompts", "name", "__"),
    "list_resources": ("resources", "uri", "+"),
    "list_templates": ("resourceTemplates", "uriTemplate", "+"),
}
NOTIFICATIONS = {"progress", "logs"}
# How many clients run at the same time. A client waits most of the time while the servers work.
AT_ONCE = 3
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Gateway:
    label: str
    url: str
    # The `protocol` of each of the gateway's servers.
    servers: dict[str, str]
    modes: tuple[str, ...]
    # Whether the gateway starts its servers as processes (stdio). Then a process is a session, so a
    # server cannot lose a session. One process of a modern server answers all clients, and its log
    # messages do not say for which client they are. So only one client runs at a time.
    is_stdio: bool = False

    def era(self, server: str, client: str) -> str:
        """The era in which the gateway talks to a server for a client of the era `client`."""
        protocol = self.servers[server]
        if protocol == "AUTO":
            return client if SERVERS[server].speaks_modern else "legacy"
        return protocol.lower()


@dataclass
class Row:
    way: str
    client: str
    mode: str
    speaks: set[str] = field(default_factory=set)
    # The results by column and server, as the rule that was fulfilled. None is a failure.
    cells: dict[str, dict[str, Rule | None]] = field(default_factory=lambda: {name: {} for name in asks.COLUMNS})
    # The number of asks with each result.
    asks: Counter[Rule | None] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def fail(self, server: str, column: str, why: str) -> None:
        self.asks[None] += 1
        self.cells[column][server] = None
        self.wrong.append(f"{self.way}, {self.client} {self.mode}, {server}: {why}")

    def passed(self, server: str, column: str, how: Rule) -> None:
        """If another ask of the same cell had a worse result, the cell keeps this result."""
        self.asks[how] += 1
        before = self.cells[column].get(server, how)
        self.cells[column][server] = before if before in (None, Rule.MAY) else how

    def signs(self, column: str, servers: Iterable[str]) -> str:
        return "".join(_sign(self.cells[column].get(server, Rule.NONE)) for server in servers)


def _sign(rule: Rule | None) -> str:
    return rule.value if rule else "F"


def brief(value: Any) -> str:
    return textwrap.shorten(json.dumps(value, ensure_ascii=False), 700)


def holds(actual: Any, part: Any) -> bool:
    """Whether `part` is a part of `actual`: some members of an object, some entries of a list in their order."""
    if isinstance(part, dict):
        return isinstance(actual, dict) and all(key in actual and holds(actual[key], part[key]) for key in part)
    if isinstance(part, list):
        rest = iter(actual if isinstance(actual, list) else [])
        return all(any(holds(entry, wanted) for entry in rest) for wanted in part)
    return actual == part


def told_of(client: str, got: Json, wanted: Json) -> bool:
    """Whether an answer contains what is wanted.

    If the client does not keep the order of notifications, any order is right.
    """
    if CLIENTS[client].orderly:
        return holds(got, wanted)
    rest = {key: part for key, part in wanted.items() if key not in NOTIFICATIONS}
    return holds(got, rest) and all(_among(got[key], wanted[key]) for key in NOTIFICATIONS & wanted.keys())


def _among(actual: list[Json], part: list[Json]) -> bool:
    """Whether each entry of `part` is a part of another entry of `actual`."""
    rest = list(actual)
    for wanted in part:
        if (found := next((entry for entry in rest if holds(entry, wanted)), None)) is None:
            return False
        rest.remove(found)
    return True


def era(mode: str, modern: bool) -> str:
    """The era of a client in this mode, with a peer that supports both eras (`modern`) or only legacy."""
    return "modern" if modern and mode != "legacy" else "legacy"


def rows(modes: tuple[str, ...], clients: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, mode) for name in clients for mode in CLIENTS[name].modes if mode in modes]


def asked_of(client: str, server: str, eras: Eras, prefixed: bool) -> list[Ask]:
    name, uri = (f"{server}{mark}" if prefixed else "" for mark in ("__", "+"))
    all_of_them = SERVERS[server].asks(name.__add__, uri.__add__, eras)
    return [ask for ask in all_of_them if ask.column in CLIENTS[client].columns]


def keys(asked: list[Ask]) -> list[Key]:
    """A key for each ask. The same step may occur more than once, with different answers, so the key has a number."""
    seen: Counter[tuple[str, str]] = Counter()
    names = []
    for ask in asked:
        name = ask.column, json.dumps(ask.step)
        names.append((*name, seen[name]))
        seen[name] += 1
    return names


class Check:
    def __init__(self, urls: dict[str, str], clients: Iterable[str]) -> None:
        self.urls = urls
        self.clients = tuple(clients)
        # What the client reported for each ask, by client, mode and server.
        self.direct: dict[tuple[str, str, str], dict[Key, Json]] = {}

    def directly(self, modes: tuple[str, ...]) -> list[Row]:
        """Every client with every server, without a gateway."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda row: self._directly(*row), rows(modes, self.clients)))

    def _directly(self, client: str, mode: str) -> Row:
        row = Row("directly", client, mode)
        asked = {}
        for server in self.urls:
            speaks_modern = SERVERS[server].speaks_modern
            if mode != "modern" or speaks_modern:
                spoken = era(mode, speaks_modern)
                eras = Eras(spoken, spoken)
                asked[server] = eras, asked_of(client, server, eras, prefixed=False)
        talks = [(self.urls[server], [ask.step for ask in its]) for server, (_, its) in asked.items()]
        for answer, (server, (eras, its)) in zip(talk(CLIENTS[client], mode, talks), asked.items()):
            if (told := self._told(row, answer, eras.client)) is None:
                row.cells["list"][server] = None
                continue
            self.direct[client, mode, server] = dict(zip(keys(its), told))
            for ask, got in zip(its, told):
                judge(row, server, ask, got, None, eras, Rule.SAME)
        return row

    def through(self, gateway: Gateway) -> list[Row]:
        """Every client with all servers behind the gateway, in one connection.

        Compares the answers with the direct ones.
        """
        with ThreadPoolExecutor(1 if gateway.is_stdio else AT_ONCE) as pool:
            return list(pool.map(lambda row: self._through(gateway, *row), rows(gateway.modes, self.clients)))

    def _through(self, gateway: Gateway, client: str, mode: str) -> Row:
        row = Row(gateway.label, client, mode)
        several = len(gateway.servers) > 1
        spoken = era(mode, modern=True)
        asked, steps = [], [{"do": what} for what in LISTS]
        for server in gateway.servers:
            eras = Eras(spoken, its := gateway.era(server, spoken))
            own = asked_of(client, server, eras, prefixed=False)
            for ask, key in zip(asked_of(client, server, eras, prefixed=True), keys(own)):
                wanted = rule(server, ask.column, eras, several)
                is_here = not gateway.is_stdio or ask.column != "lost"
                if wanted is not Rule.NONE and is_here:
                    base = self._base(client, mode, server, its, key)
                    asked.append((server, ask, base, eras, wanted))
        # One list has the entries of all servers, so each list is requested once, at the beginning.
        # The steps that lose the session come last.
        steps += [ask.step for _, ask, *_ in asked if ask.column not in ("list", "lost")]
        steps += [ask.step for _, ask, *_ in asked if ask.column == "lost"]
        [answer] = talk(CLIENTS[client], mode, [(gateway.url, steps)])
        if (told := self._told(row, answer, spoken)) is None:
            for server in gateway.servers:
                row.cells["list"][server] = None
            return row
        lists = {step["do"]: got for step, got in zip(steps, told[: len(LISTS)])}
        rest = iter(told[len(LISTS) :])
        for server, ask, base, eras, wanted in sorted(asked, key=lambda one: one[1].column == "lost"):
            got = lists[ask.step["do"]] if ask.column == "list" else next(rest)
            judge(row, server, ask, got, base, eras, wanted)
        self._judge_order(row, lists, list(gateway.servers))
        return row

    def _base(self, client: str, mode: str, server: str, its: str, key: Key) -> Json | None:
        """The direct answer of the server to the client, if possible in the era `its`, in which the gateway asks
        the server.
        """
        modes = [mode, "auto", "legacy"] if its == "modern" else ["legacy", mode]
        told = [self.direct[client, one, server] for one in modes if (client, one, server) in self.direct]
        return next((steps[key] for steps in told if key in steps), None)

    def _told(self, row: Row, answer: Json, spoken: str) -> list[Json] | None:
        if "error" in answer:
            row.wrong.append(f"{row.way}, {row.client} {row.mode}: cannot connect: {brief(answer['error'])}")
            return None
        if version := answer.get("protocolVersion"):
            row.speaks.add(version)
            if (version == "2026-07-28") != (spoken == "modern"):
                row.wrong.append(f"{row.way}, {row.client} {row.mode}: speaks {version}, and should be {spoken}")
        return answer["steps"]

    def _judge_order(self, row: Row, lists: dict[str, Json], servers: list[str]) -> None:
        """A merged list has only entries of the servers, in the order of the configuration."""
        for what, (key, member, mark) in LISTS.items():
            entries = lists[what].get("result", {}).get(key, [])
            whose = [entry[member].partition(mark)[0] for entry in entries]
            order = [servers.index(name) if name in servers else -1 for name in whose]
            if -1 in order or any(one > other for one, other in pairwise(order)):
                row.wrong.append(f"{row.way}, {row.client} {row.mode}: {key} in the order {whose}")


def judge(row: Row, server: str, ask: Ask, got: Json, base: Json | None, eras: Eras, wanted: Rule) -> None:
    """Writes the result for an answer into the row. `base` is the direct answer of the server."""
    through = row.way != "directly"
    if through and base is None and wanted is Rule.SAME:
        row.fail(server, ask.column, f"nothing to compare with: {brief(ask.step)}")
        return
    expected, own = ask.wanted, got
    same = told_of(row.client, got, ask.wanted) if ask.wanted is not None else not hangs(got)
    if same and through and base is not None and wanted in (Rule.SAME, Rule.MAY):
        both = (shown(row.client, base, eras), plain(server, ask, got))
        expected, own = (comparable(ask, trimmed(server, ask, one, eras), eras) for one in both)
        same = expected == own
    if wanted in (Rule.SAME, Rule.MAY) and same:
        row.passed(server, ask.column, Rule.SAME)
    elif wanted is not Rule.SAME and not hangs(got) and keeps(wanted, got):
        row.passed(server, ask.column, wanted)
    else:
        expected = expected if wanted in (Rule.SAME, Rule.MAY) else wanted.name
        row.fail(server, ask.column, f"{brief(ask.step)}\n      {difference(expected, own)}")


def plain(server: str, ask: Ask, got: Json) -> Json:
    """The answer without the gateway's prefixes and without the entries of other servers."""
    if ask.column == "list" and "result" in got:
        key, member, mark = LISTS[ask.step["do"]]
        entries = got["result"].get(key, [])
        entries = [entry for entry in entries if entry[member].startswith(f"{server}{mark}")]
        got = {**got, "result": {key: entries}}
    text = json.dumps(got, ensure_ascii=False)
    return json.loads(text.replace(f"{server}__", "").replace(f"{server}+", ""))


def trimmed(server: str, ask: Ask, got: Json, eras: Eras) -> Json:
    """The answer without parts that change each time. Of a list, only the entries remain."""
    got = json.loads(readable(json.dumps(got, ensure_ascii=False)))
    if ask.column == "list" and "result" in got:
        key, member, _ = LISTS[ask.step["do"]]
        entries = got["result"].get(key, [])
        if server == "everything" and eras.client != eras.server:
            entries = [entry for entry in entries if entry[member] not in OFFERED]
        got = {**got, "result": {key: entries}}
    return got


def difference(wanted: Any, got: Any) -> str:
    """Both values, shortened to the innermost member or entry in which they first differ."""
    while isinstance(wanted, dict) and isinstance(got, dict) and wanted.keys() == got.keys():
        differ = [key for key in wanted if wanted[key] != got[key]]
        if len(differ) != 1:
            break
        wanted, got = wanted[differ[0]], got[differ[0]]
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        wanted, got = next(((one, other) for one, other in zip(wanted, got) if one != other), (wanted, got))
    return f"wanted {brief(wanted)}\n      got    {brief(got)}"


def show(table: list[Row], servers: Iterable[str]) -> None:
    """Prints the table: a line for each way, client and era.

    Leaves out lines and columns in which all answers are as directly.
    """
    servers = tuple(servers)
    silent = lambda row, column: set(row.signs(column, servers)) <= {Rule.SAME.value, Rule.NONE.value}
    columns = [column for column in asks.COLUMNS if not all(silent(row, column) for row in table)]
    folded = [column for column in asks.COLUMNS if column not in columns]
    # Modes with the same results share a line.
    lines: dict[tuple[str, ...], list[str]] = {}
    for row in table:
        if row.way != "directly" or not all(silent(row, column) for column in asks.COLUMNS):
            counts = " ".join(f"{row.asks[rule]} {_sign(rule)}" for rule in (*Rule, None) if row.asks[rule])
            cells = [row.signs(column, servers) for column in columns]
            lines.setdefault((row.way, row.client, counts, *cells), []).append(row.mode)
    head = ("way", "client", "era", "asks", *columns)
    rows = [(way, client, " ".join(modes), *rest) for (way, client, *rest), modes in lines.items()]
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    print(f"\n  a sign each for {', '.join(servers)}: ✓ as directly, r refused, x not in this version of MCP,")
    print("  · answered otherwise, as it may be, – not there, F failed")
    print(f"  ✓ throughout: {', '.join(folded)}, and directly what is not here\n")
    for row in (head, *rows):
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print()
