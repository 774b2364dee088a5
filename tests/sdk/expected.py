"""What is expected of each ask through a gateway: the same answer as directly, unless a rule here says otherwise."""

from enum import Enum

from asks import Ask, Eras, Json


class Rule(Enum):
    # The answer is the same as the one that the client gets directly from the server.
    SAME = "✓"
    # The answer is an error of the server or the gateway, and the client has got no request.
    REFUSED = "r"
    # A modern server asks a legacy client for input, which the gateway cannot translate. The call
    # ends with an error that says so.
    UNSUPPORTED = "x"
    # Any answer is right, also one that differs from the server's. Only no answer is wrong.
    MAY = "·"
    # The client does not do this step.
    NONE = "–"


# The rules for a client and a server of different eras. All other columns have the rule SAME.
BRIDGED = {
    # The gateway does not translate a legacy server's requests to the client into results that ask
    # for input.
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
# The rules for messages that a legacy server sends in the stream of a GET. A gateway with several
# servers has no such stream. The server on rmcp sends all its log messages there. server-everything
# asks for roots there, and a call waits for the answer.
SEVERAL = {
    ("rmcp", "logs"): Rule.MAY,
    ("everything", "roots"): Rule.NONE,
    ("typescript", "subscribe"): Rule.NONE,
}
# The tools that server-everything offers only to clients with certain capabilities. If the eras
# differ, the list may have them or not.
OFFERED = {
    "get-roots-list",
    "simulate-research-query",
    "trigger-elicitation-request",
    "trigger-elicitation-request-async",
    "trigger-sampling-request",
    "trigger-sampling-request-async",
    "trigger-url-elicitation",
}
# Members that only the results of one era have.
OF_AN_ERA = {"ttlMs", "cacheScope", "_meta"}
# Clients whose SDK keeps the member `execution` of a tool in a legacy list, but removes it from a
# modern list.
DROP_EXECUTION = {"typescript", "inspector"}
# The expected statuses of the steps in `sessions.life`. The other steps must have 200.
_LIFE = {
    "initialized": (202,),
    "list without a session": (400,),
    "list in an unknown session": (404,),
    "delete": (200, 202, 204),
    "list in a session that has ended": (404,),
    "delete once more": (200, 202, 204, 404),
}
# server-everything does not use 404: it answers with 400 both without a session and in an unknown
# session.
_FORGETFUL = {**_LIFE, "list in an unknown session": (400,), "list in a session that has ended": (400,)}
ENDED = {
    "rmcp": _LIFE,
    "python": _LIFE,
    "typescript": _LIFE,
    "everything": {**_FORGETFUL, "delete once more": (400,)},
    "gateway": _LIFE,
    # Modern servers have no sessions, so the gateway cannot end the session.
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
    """Whether an answer that differs from the direct one fulfils the rule."""
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
    """What the client would report for the answer `base` of a legacy server if the answer were modern."""
    if client not in DROP_EXECUTION or eras != Eras("modern", "legacy") or "tools" not in base.get("result", {}):
        return base
    tools = [{key: value for key, value in tool.items() if key != "execution"} for tool in base["result"]["tools"]]
    return {**base, "result": {**base["result"], "tools": tools}}


def _unnamed(params: Json) -> Json:
    """The params without the value of the progress token, since the gateway replaces the tokens of servers."""
    meta = params.get("_meta", {})
    return {**params, "_meta": {**meta, "progressToken": "…"}} if "progressToken" in meta else params


def comparable(ask: Ask, got: Json, eras: Eras) -> Json:
    """The part of an answer that must be the same directly and through a gateway. Prefixes have been removed before."""
    if ask.wanted is None:
        return {"error": "error" in got}
    # These messages have no fixed time, and some come during the next step. So they are not
    # compared. The ask says which of them must come.
    kept = {key: value for key, value in got.items() if key not in ("progress", "logs", "rooted", "error")}
    for kind in ("elicited", "sampled"):
        kept[kind] = [_unnamed(params) for params in kept.get(kind, [])]
    # The messages of errors are not compared, since servers and SDKs write names into them in many
    # ways.
    kept["error"] = got.get("error", {}).get("code")
    result = got.get("result")
    if isinstance(result, dict):
        # Whether an SDK keeps `resultType` depends on the other capabilities of the server.
        left_out = {"resultType"} | (OF_AN_ERA if eras.client != eras.server else set())
        kept["result"] = {key: value for key, value in result.items() if key not in left_out}
    return kept
