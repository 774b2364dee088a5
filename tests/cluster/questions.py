"""The questions that the tests ask each form.

A question has a title, which is a row of the table in the documentation, and a function that sends the request and
returns the answer. `answers.json` has the expected answers.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from . import asking
from .asking import Answer, Request, get, initialize, initialized, legacy, modern, preflight, send
from .servers import BREAKS, Relay
from .tokens import Issuer

ALLOWED, FOREIGN = "https://app.example.com", "https://foreign.example.com"
METADATA = "/.well-known/oauth-protected-resource"
# LONG is more than a listener of Envoy Gateway buffers by default. TOO_LONG is more than the filter
# accepts.
LONG, TOO_LONG = 300_000, 1_200_000


@dataclass
class Asked:
    """The endpoint under test, the tokens for it, and the prefix of its tools."""

    url: str
    relays: dict[str, Relay]
    user: str | None
    admin: str | None
    issuer: Issuer
    # The prefix of tools. A gateway with several servers has one.
    prefix: str
    session: str | None = None

    def as_user(self, request: Request, within: float = 30) -> Answer:
        return send(self.url, request, self.user, within)

    def as_admin(self, request: Request) -> Answer:
        return send(self.url, request, self.admin)

    def as_nobody(self, request: Request) -> Answer:
        return send(self.url, request)

    def with_token(self, issuer: Issuer | None = None, **claims) -> Answer:
        return send(self.url, modern("tools/list"), (issuer or self.issuer).token(**claims))

    def tool(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def path(self) -> str:
        return urlsplit(self.url).path

    def held_session(self) -> str:
        """The session of one legacy client with the token of a user. The first call begins it."""
        if not self.session:
            self.session = self.as_user(initialize()).headers.get("mcp-session-id", "")
            self.as_user(initialized(self.session))
        return self.session

    def elsewhere(self) -> Answer:
        """Sends a request to another path, with a forged header that names a server.

        The answer's header `server-asked` says whether a server has got anything.
        """
        request = modern("tools/list").but(x_mcp_servername="weather", x_mcp_method="tools/list")
        request.path = "/other"
        before = [relay.received for relay in self.relays.values()]
        answer = self.as_user(request)
        answer.headers["server-asked"] = str(before != [relay.received for relay in self.relays.values()])
        return answer

    def broken_off(self) -> Answer:
        """Sends a call to a server that closes the connection without an answer.

        The answer's header `times-taken` says how often the server has got the call.
        """
        before = self.relays["weather"].broken
        request = modern("tools/call", self.tool("get_weather"), note=BREAKS.decode())
        answer = self.as_user(request)
        answer.headers["times-taken"] = str(self.relays["weather"].broken - before)
        return answer


def _legacy_call(asked: Asked, name: str, **headers) -> Answer:
    return asked.as_user(legacy("tools/call", asked.tool(name), asked.held_session()).but(**headers))


def _body(text: str, request: Request) -> Request:
    return Request(text, headers=request.headers)


QUESTIONS: dict[str, tuple[str, Callable[[Asked], Answer]]] = {
    "list": ("List of tools", lambda a: a.as_user(modern("tools/list"))),
    "discover": ("`server/discover`", lambda a: a.as_user(modern("server/discover"))),
    "call": ("Call of an allowed tool", lambda a: a.as_user(modern("tools/call", a.tool("get_weather")))),
    "long-call": (
        "The same with a body of 300 kB",
        lambda a: a.as_user(modern("tools/call", a.tool("get_weather"), padding="x" * LONG)),
    ),
    "denied": ("Call of a denied tool", lambda a: a.as_user(modern("tools/call", a.tool("get_forecast")))),
    "admin": (
        "The same by an administrator",
        lambda a: a.as_admin(modern("tools/call", a.tool("get_forecast"), days=2)),
    ),
    "legacy-initialize": ("`initialize` of a legacy client", lambda a: a.as_user(initialize())),
    "legacy-list": ("Its list of tools", lambda a: a.as_user(legacy("tools/list", session=a.held_session()))),
    "legacy-call": ("Its call of an allowed tool", lambda a: _legacy_call(a, "get_weather")),
    "legacy-denied": ("Its call of a denied tool", lambda a: _legacy_call(a, "get_forecast")),
    "forged-tool": (
        "The same with a forged `x-mcp-toolname`",
        lambda a: _legacy_call(a, "get_forecast", x_mcp_toolname="get_weather", x_mcp_servername="weather"),
    ),
    "lie": (
        "`Mcp-Name` says an allowed tool, the body a denied one",
        lambda a: a.as_user(modern("tools/call", a.tool("get_forecast"), said=a.tool("get_weather"))),
    ),
    "no-token": ("No token", lambda a: a.as_nobody(modern("tools/list"))),
    "no-token-legacy": ("No token, `initialize` of a legacy client", lambda a: a.as_nobody(initialize())),
    "no-token-browser": (
        "No token, a browser of an allowed origin",
        lambda a: a.as_nobody(modern("tools/list").but(origin=ALLOWED)),
    ),
    "expired": ("An expired token", lambda a: a.with_token(exp=1_600_000_000)),
    "foreign-key": ("A token that another key signed", lambda a: a.with_token(Issuer())),
    "foreign-audience": ("A token for another audience", lambda a: a.with_token(aud="https://other.example.com")),
    "preflight": ("Preflight of an allowed origin", lambda a: a.as_nobody(preflight(ALLOWED))),
    "preflight-foreign": ("Preflight of a foreign origin", lambda a: a.as_nobody(preflight(FOREIGN))),
    "browser": ("List by a browser of an allowed origin", lambda a: a.as_user(modern("tools/list").but(origin=ALLOWED))),
    "metadata": (
        "Metadata of the endpoint, no token",
        lambda a: a.as_nobody(get(f"{METADATA}{a.path()}")),
    ),
    "metadata-root": ("Metadata without the endpoint's path", lambda a: a.as_nobody(get(METADATA))),
    "metadata-browser": (
        "Metadata for a browser",
        lambda a: a.as_nobody(get(f"{METADATA}{a.path()}", origin=ALLOWED)),
    ),
    "too-long": (
        "A body over the limit",
        lambda a: a.as_user(modern("tools/call", a.tool("get_weather"), padding="x" * TOO_LONG)),
    ),
    "no-json": ("A body that is no JSON", lambda a: a.as_user(_body("{", modern("tools/list")))),
    "batch": ("A batch", lambda a: a.as_user(_body(json.dumps([modern("ping").body]), modern("ping")))),
    "get": (
        "GET by a modern client",
        lambda a: a.as_user(get("").but(accept="text/event-stream", mcp_protocol_version=asking.VERSION)),
    ),
    "put": ("PUT", lambda a: a.as_user(Request("{}", "PUT", headers={"content-type": "application/json"}))),
    "unknown": ("Call of an unknown tool by an administrator", lambda a: a.as_admin(modern("tools/call", a.tool("knows")))),
    "other-path": ("Another path, with a forged `x-mcp-servername`", Asked.elsewhere),
    "broken-off": ("A server that takes a call and breaks off", Asked.broken_off),
}


def wrong(answer: Answer, wanted: dict) -> str | None:
    """The first difference from the expected answer: its `status`, the JSON-RPC `code`, texts that the body must
    have (`has`) or must not have (`lacks`), and texts in `headers`.
    """
    if answer.status != wanted["status"]:
        return f"status {answer.status}, not {wanted['status']}"
    if answer.code() != wanted.get("code"):
        return f"JSON-RPC code {answer.code()}, not {wanted.get('code')}"
    for text in wanted.get("has", []):
        if text not in answer.text:
            return f"lacks {text}"
    for text in wanted.get("lacks", []):
        if text in answer.text:
            return f"has {text}"
    for name, value in wanted.get("headers", {}).items():
        found = answer.headers.get(name)
        if value is None and found is not None:
            return f"has {name}: {found}"
        if value is not None and value.lower() not in (found or "-").lower():
            return f"{name}: {found}, which lacks {value}"
    return None
