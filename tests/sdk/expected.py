"""What is to come of each ask through a gateway: as directly, unless it says otherwise here."""

from enum import Enum

from asks import Ask, Eras, Json


class Rule(Enum):
    # The answer is the one that the client gets from the server itself.
    SAME = "✓"
    # There is an error, from the server or the gateway, and the client was not asked anything.
    REFUSED = "r"
    # A modern server's question to a legacy client: its call ends with the error that says so.
    UNSUPPORTED = "x"
    # As directly, or not, as long as there is an answer.
    MAY = "·"
    # Not asked.
    NONE = "–"


# By what the client speaks, and what the gateway speaks to the server.
BRIDGED = {
    # The gateway offers no multi-round-trip, and cannot ask the client otherwise.
    Eras("modern", "legacy"): {
        "elicitation": Rule.REFUSED,
        "sampling": Rule.REFUSED,
        "roots": Rule.REFUSED,
        "logs": Rule.MAY,
        "cancel": Rule.MAY,
    },
    Eras("legacy", "modern"): {
        "elicitation": Rule.UNSUPPORTED,
        "sampling": Rule.UNSUPPORTED,
        "roots": Rule.UNSUPPORTED,
        "logs": Rule.MAY,
        "cancel": Rule.MAY,
    },
}
# What a legacy server says on the stream of a GET, which a gateway with several servers does not have:
# rmcp all log messages, and server-everything its question for roots, for whose answer a call waits.
SEVERAL = {
    ("rmcp", "logs"): Rule.MAY,
    ("everything", "roots"): Rule.NONE,
    ("typescript", "subscribe"): Rule.NONE,
}
# What server-everything has only for clients that offer to be asked; between the eras either is right.
OFFERED = {
    "get-roots-list",
    "simulate-research-query",
    "trigger-elicitation-request",
    "trigger-elicitation-request-async",
    "trigger-sampling-request",
    "trigger-sampling-request-async",
    "trigger-url-elicitation",
}
# What results of one era have and those of the other do not.
OF_AN_ERA = {"ttlMs", "cacheScope", "_meta"}
# Clients whose SDK knows the `execution` of a tool in a legacy list, and drops it from a modern one.
DROP_EXECUTION = {"typescript", "inspector"}
# The statuses in `sessions.life`, where they are not 200.
_LIFE = {
    "initialized": (202,),
    "list without a session": (400,),
    "list in an unknown session": (404,),
    "delete": (200, 202, 204),
    "list in a session that has ended": (404,),
    "delete once more": (200, 202, 204, 404),
}
# It has no 404: to it no session and an unknown one are the same.
_FORGETFUL = {**_LIFE, "list in an unknown session": (400,), "list in a session that has ended": (400,)}
ENDED = {
    "rmcp": _LIFE,
    "python": _LIFE,
    "typescript": _LIFE,
    "everything": {**_FORGETFUL, "delete once more": (400,)},
    "gateway": _LIFE,
    # No server has a session that could end.
    ("MODERN", "gateway"): {**_LIFE, "list in a session that has ended": (200,), "delete once more": (200,)},
}
NOT_IN_TIME = "nothing came in time"


def rule(server: str, column: str, eras: Eras, several: bool) -> Rule:
    if several and eras.server == "legacy" and (server, column) in SEVERAL:
        return SEVERAL[server, column]
    return BRIDGED.get(eras, {}).get(column, Rule.SAME)


def hangs(got: Json) -> bool:
    return NOT_IN_TIME in got.get("error", {}).get("message", "")


def keeps(rule: Rule, got: Json) -> bool:
    """Whether an answer that is not the server's own is what the rule calls for."""
    asked = any(got.get(kind) for kind in ("elicited", "sampled", "rooted"))
    error = got.get("error", {})
    match rule:
        case Rule.REFUSED:
            return not asked and bool(error or got.get("result", {}).get("isError"))
        case Rule.UNSUPPORTED:
            said = error.get("message", "")
            return not asked and error.get("code") == -32603 and "not supported in this protocol version" in said
        case _:
            return rule is Rule.MAY


def shown(client: str, base: Json, eras: Eras) -> Json:
    """What the client would tell of a legacy server's answer if it came as a modern one."""
    if client not in DROP_EXECUTION or eras != Eras("modern", "legacy") or "tools" not in base.get("result", {}):
        return base
    tools = [{key: value for key, value in tool.items() if key != "execution"} for tool in base["result"]["tools"]]
    return {**base, "result": {**base["result"], "tools": tools}}


def _unnamed(params: Json) -> Json:
    """A gateway has names of its own for the progress tokens of servers."""
    meta = params.get("_meta", {})
    return {**params, "_meta": {**meta, "progressToken": "…"}} if "progressToken" in meta else params


def comparable(ask: Ask, got: Json, eras: Eras) -> Json:
    """What of an answer must be the same directly and through a gateway, names and URIs aside."""
    if ask.wanted is None:
        return {"error": "error" in got}
    # These come when they like, and some with the step after: the ask says which are needed.
    kept = {key: value for key, value in got.items() if key not in ("progress", "logs", "rooted", "error")}
    for kind in ("elicited", "sampled"):
        kept[kind] = [_unnamed(params) for params in kept.get(kind, [])]
    # Servers and SDKs write their texts with names in them, in many ways.
    kept["error"] = got.get("error", {}).get("code")
    result = got.get("result")
    if isinstance(result, dict):
        # Whether an SDK shows `resultType` depends on what else the server can do.
        left_out = {"resultType"} | (OF_AN_ERA if eras.client != eras.server else set())
        kept["result"] = {key: value for key, value in result.items() if key not in left_out}
    return kept
