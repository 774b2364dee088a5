"""Checks how sessions end. This uses plain HTTP, since an SDK does not use the id of a session after its end."""

import json
import urllib.error
import urllib.request

from asks import Json
from check import Row
from expected import ENDED, Rule

ANSWERED_WITHIN = 60
VERSION = "2025-11-25"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": VERSION,
        "capabilities": {},
        "clientInfo": {"name": "plain-http", "version": "1.0.0"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LIST = {"jsonrpc": "2.0", "id": 3, "method": "tools/list"}


def ask(url: str, session: str | None, message: Json | None) -> tuple[int, str | None, str]:
    """Sends a POST with the message, or a DELETE without one.

    Returns the status, the id of the session, and the body.
    """
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    if message is not INITIALIZE:
        headers["mcp-protocol-version"] = VERSION
    if session is not None:
        headers["mcp-session-id"] = session
    body, method = (None, "DELETE") if message is None else (json.dumps(message).encode(), "POST")
    request = urllib.request.Request(url, body, headers, method=method)
    # The client must not use a proxy to reach the loopback address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ANSWERED_WITHIN) as answer:
            return answer.status, answer.headers["mcp-session-id"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, None, error.read().decode()


def life(url: str) -> Json:
    """Begins, uses and ends a session. Returns the status of each step, in their order."""
    status, session, _ = ask(url, None, INITIALIZE)
    if session is None:
        return {"initialize": status, "session": None}
    statuses = {
        "initialize": status,
        "initialized": ask(url, session, INITIALIZED)[0],
        "list": ask(url, session, LIST)[0],
        "list without a session": ask(url, None, LIST)[0],
        "list in an unknown session": ask(url, "3d1f0d0c-4a4e-4b8a-9d5f-3b1f6c1c7e11", LIST)[0],
        "delete": ask(url, session, None)[0],
        "list in a session that has ended": ask(url, session, LIST)[0],
        "delete once more": ask(url, session, None)[0],
    }
    status, another, _ = ask(url, None, INITIALIZE)
    statuses["initialize anew"] = status
    if another is None or another == session:
        statuses["session"] = another
    else:
        ask(url, another, None)
    return statuses


def row(way: str, urls: dict[str, str], servers: tuple[str, ...]) -> Row:
    """The row for these URLs. The result of a gateway is written to all of its servers."""
    row = Row(way, "plain HTTP", "legacy", {VERSION})
    for name, url in urls.items():
        wanted = ENDED.get((way, name)) or ENDED[name]
        try:
            got = life(url)
        except OSError as error:
            got = {"error": f"{type(error).__name__}: {error}"}
        differ = {key: status for key, status in got.items() if status not in wanted.get(key, (200,))}
        for server in servers if name not in servers else (name,):
            row.passed(server, "ends", Rule.SAME)
            if differ:
                row.cells["ends"][server] = None
        if differ:
            row.wrong.append(f"{way}, plain HTTP, {name}: {differ}")
    return row
