"""Requests of MCP clients."""

import http.client
import json
import select
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .servers import GATEWAY

VERSION, LEGACY_VERSION = "2026-07-28", "2025-11-25"
CHUNK = 65536
MISSING_SERVERS = "io.github.mcp-gateway/missingServers"
META = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": {}}


@dataclass
class Request:
    body: dict | str = ""
    method: str = "POST"
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def but(self, **headers: str) -> "Request":
        """The same request with other headers. In their names, `_` stands for `-`. None removes a header."""
        named = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in named.items() if value is not None}
        return Request(self.body, self.method, self.path, kept)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    def message(self) -> dict:
        """The JSON-RPC message in the body or in an event stream. {} if there is none."""
        text = self.text
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            events = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
            text = next((event for event in events if "jsonrpc" in event), "")
        try:
            message = json.loads(text)
        except ValueError:
            return {}
        return message if isinstance(message, dict) else {}

    def missing(self) -> list[str]:
        """The servers that the gateway names as missing from a list."""
        result = self.message().get("result")
        meta = result.get("_meta") if isinstance(result, dict) else None
        return meta.get(MISSING_SERVERS, []) if isinstance(meta, dict) else []

    def code(self) -> int | None:
        error = self.message().get("error")
        return error.get("code") if isinstance(error, dict) else None

    def __str__(self):
        shown = {name: value for name, value in self.headers.items() if name not in ("date", "server")}
        return f"{self.status} {shown}\n    {self.text[:600]}"


def modern(method: str, name: str | None = None, said: str | None = None, **arguments) -> Request:
    """A request of MCP 2026-07-28. With `said`, the header `Mcp-Name` has this name in place of the real one."""
    headers = {"mcp-protocol-version": VERSION, "mcp-method": method}
    params = {"_meta": META}
    if name:
        params |= {"name": name, "arguments": {"city": "Berlin"} | arguments}
        headers["mcp-name"] = said or name
    return _post({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}, headers)


def legacy(method: str, name: str | None = None, session: str | None = None, **params) -> Request:
    headers = {"mcp-session-id": session, "mcp-protocol-version": LEGACY_VERSION} if session else {}
    if name:
        params |= {"name": name, "arguments": {"city": "Berlin"}}
    return _post({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}, headers)


def initialize() -> Request:
    information = {"name": "tests", "version": "1"}
    return legacy("initialize", protocolVersion=LEGACY_VERSION, capabilities={}, clientInfo=information)


def initialized(session: str) -> Request:
    request = legacy("notifications/initialized", session=session)
    del request.body["id"]
    return request


def preflight(origin: str, path: str = "") -> Request:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization, mcp-method"}
    return Request(method="OPTIONS", path=path, headers={"origin": origin} | asked)


def get(path: str, **headers: str) -> Request:
    return Request(method="GET", path=path, headers=headers)


def _post(body: dict, headers: dict[str, str]) -> Request:
    kinds = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    return Request(body, headers=kinds | headers)


def send(url: str, request: Request, token: str | None = None, within: float = 30) -> Answer:
    """Sends the request. The status 0 means that there was no answer in time, or none at all."""
    to = urlsplit(url)
    headers = {"host": GATEWAY} | request.headers | ({"authorization": f"Bearer {token}"} if token else {})
    body = request.body if isinstance(request.body, str) else json.dumps(request.body)
    connection = http.client.HTTPConnection(to.hostname, to.port, timeout=within)
    try:
        connection.putrequest(request.method, request.path or to.path, skip_host=True, skip_accept_encoding=True)
        for name, value in (headers | {"content-length": str(len(body.encode()))}).items():
            connection.putheader(name, value)
        connection.endheaders()
        _send_body(connection, body.encode())
        answer = connection.getresponse()
        found = {}
        for name, value in answer.getheaders():
            name = name.lower()
            found[name] = f"{found[name]}, {value}" if name in found else value
        return Answer(answer.status, found, answer.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, {}, f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def _send_body(connection: http.client.HTTPConnection, body: bytes):
    """Sends the body, but stops if an answer comes before its end, since the server may close the connection then."""
    for start in range(0, len(body), CHUNK):
        if select.select([connection.sock], [], [], 0)[0]:
            return
        connection.send(body[start : start + CHUNK])
        # Gives the server time to refuse the request before all of it is sent.
        if start + CHUNK < len(body):
            select.select([connection.sock], [], [], 0.002)
