"""The steps that each client does with each server, and what the answers must contain.

An `Ask` has a column of the table, a step of a client's script, and a part that the client's report
about this step must contain. If the part has a list, the report may have more entries in this list,
but in the same order. A gateway adds such entries.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

Json = dict[str, Any]
# Returns the name of a tool or a prompt, or the URI of a resource, as the client sees it. Behind a
# gateway, it has a prefix.
Rename = Callable[[str], str]


class Ask(NamedTuple):
    column: str
    step: Json
    # The part that the answer must have. With None, both a result and an error are right, since
    # this depends on the SDK.
    wanted: Json | None


class Eras(NamedTuple):
    """The era of the client, and the era in which the server is asked: "legacy" or "modern"."""

    client: str
    server: str


COLUMNS = (
    "list",
    "call",
    "links",
    "prompt",
    "resource",
    "template",
    "completion",
    "progress",
    "logs",
    "elicitation",
    "sampling",
    "roots",
    "cancel",
    "ping",
    "subscribe",
    "lost",
    "ends",
    "restart",
)

# What every client answers to elicitation, sampling and the request for its roots.
ELICITED = {"name": "Ada"}
SAMPLED = "blue"
ROOT = "file:///root"
# Each talk replaces this with a unique word.
UNIQUE = "{unique}"


def call(tool: str, /, *, progress: bool = False, **arguments: Any) -> Json:
    return {"do": "call", "name": tool, "arguments": arguments, "progress": progress}


def prompt(name: str, /, **arguments: str) -> Json:
    return {"do": "prompt", "name": name, "arguments": arguments}


def read(uri: str) -> Json:
    return {"do": "read", "uri": uri}


def complete(ref: Json, argument: str, value: str) -> Json:
    return {"do": "complete", "ref": ref, "argument": {"name": argument, "value": value}}


def of_prompt(name: str) -> Json:
    return {"type": "ref/prompt", "name": name}


def of_template(uri: str) -> Json:
    return {"type": "ref/resource", "uri": uri}


def result(**members: Any) -> Json:
    return {"result": members}


def completes(*values: str) -> Json:
    return result(completion={"values": list(values)})


def text(said: str) -> Json:
    return {"type": "text", "text": said}


def embedded(**contents: str) -> Json:
    return {"type": "resource", "resource": contents}


def lists(tools: list[str], prompts: list[str], resource: str, template: str) -> list[Ask]:
    return [
        Ask("list", {"do": "list_tools"}, result(tools=[{"name": name} for name in tools])),
        Ask("list", {"do": "list_prompts"}, result(prompts=[{"name": name} for name in prompts])),
        Ask("list", {"do": "list_resources"}, result(resources=[{"uri": resource}])),
        Ask("list", {"do": "list_templates"}, result(resourceTemplates=[{"uriTemplate": template}])),
    ]


def pings(eras: Eras) -> list[Ask]:
    """2026-07-28 has no ping."""
    return [Ask("ping", {"do": "ping"}, result())] if eras.client == "legacy" else []


def fixture(name: Rename, uri: Rename, eras: Eras) -> list[Ask]:
    """The asks of `python_server.py` and `typescript_server.mjs`."""
    tools = [name(tool) for tool in ("add", "count", "links", "ask", "sample", "roots", "wait", "waited")]
    add, count, links, ask, sample, roots, wait, waited = tools
    greet, template = name("greet"), uri("fixture://city/{city}")
    note = {"uri": uri("fixture://note"), "text": "Nothing is lost.", "mimeType": "text/plain"}
    city = {"uri": uri("fixture://city/Bern"), "text": "Bern is a city."}
    link = {"type": "resource_link", "uri": note["uri"], "name": "note"}
    numbers = (1, 2, 3)
    progress = [{"progress": number, "total": 3, "message": f"{number} of 3"} for number in numbers]
    logs = [{"level": "info", "data": f"counted {number}"} for number in numbers]
    greeting = [
        {"role": "user", "content": text("Greet Ada.")},
        {"role": "user", "content": embedded(**note)},
    ]
    hello = result(content=[text("Hello, Ada!")])
    blue = result(content=[text("The model says: blue")])
    return [
        *lists(tools, [greet], note["uri"], template),
        Ask("call", call(add, a=2, b=3), result(structuredContent={"sum": 5})),
        Ask("links", call(links), result(content=[link, embedded(**note)])),
        Ask("prompt", prompt(greet, name="Ada"), result(messages=greeting)),
        Ask("resource", read(note["uri"]), result(contents=[note])),
        Ask("template", read(city["uri"]), result(contents=[city])),
        Ask("completion", complete(of_prompt(greet), "name", "A"), completes("Ada", "Alan")),
        Ask("completion", complete(of_template(template), "city", "Ber"), completes("Berlin", "Bern")),
        Ask("progress", call(count, to=3, progress=True), {"progress": progress}),
        Ask("logs", call(count, to=3), {**result(content=[text("Counted to 3.")]), "logs": logs}),
        Ask("elicitation", call(ask), {**hello, "elicited": [{"message": "What is your name?"}]}),
        Ask("sampling", call(sample), {**blue, "sampled": [{"maxTokens": 10}]}),
        Ask("roots", call(roots), {**result(content=[text("Roots: root")]), "rooted": [{}]}),
        Ask("cancel", {**call(wait, key=UNIQUE), "do": "cancel"}, result()),
        Ask("cancel", call(waited, key=UNIQUE), result(content=[text("cancelled")])),
        *pings(eras),
    ]


def forgetful(name: Rename, uri: Rename, eras: Eras) -> list[Ask]:
    """The asks of `typescript_server.mjs`, which has further tools for sessions."""
    if eras != Eras("legacy", "legacy"):
        return fixture(name, uri, eras)
    note = uri("fixture://note")
    return [
        *fixture(name, uri, eras),
        Ask("subscribe", {"do": "subscribe", "uri": note}, result()),
        Ask("subscribe", call(name("touch")), result(content=[text("touched")])),
        Ask("subscribe", {"do": "updated"}, result(uri=note)),
        Ask("lost", call(name("forget")), result(content=[text("forgotten")])),
        # The server answers with 404. Some SDKs then begin a new session, and others report an
        # error.
        Ask("lost", read(note), None),
        Ask("lost", {"do": "reconnect"}, result()),
        Ask("lost", read(note), result(contents=[{"uri": note}])),
    ]


def restarted(uri: Rename, file: str) -> list[Ask]:
    """The asks of a server that is restarted during the pause, and does not know the session afterwards."""
    note = uri("fixture://note")
    steps = (read(note), {"do": "pause", "file": file}, read(note), {"do": "reconnect"}, read(note))
    contents = result(contents=[{"uri": note}])
    return [Ask("restart", *one) for one in zip(steps, (contents, result(), None, result(), contents), strict=True)]


def everything(name: Rename, uri: Rename, eras: Eras) -> list[Ask]:
    """The asks of `@modelcontextprotocol/server-everything`. Its log messages come at random, so none is expected."""
    # The server offers these tools only to clients with the capability that they need.
    ask, sample = name("trigger-elicitation-request"), name("trigger-sampling-request")
    document = uri("demo://resource/static/document/startup.md")
    template = uri("demo://resource/dynamic/text/{resourceId}")
    first, second = uri("demo://resource/dynamic/text/1"), uri("demo://resource/dynamic/text/2")
    long, department = name("trigger-long-running-operation"), of_prompt(name("completable-prompt"))
    weather = [{"role": "user", "content": text("What's weather in Bern?")}]
    return [
        *lists([name("echo")], [name("args-prompt")], document, template),
        Ask(
            "call",
            call(name("get-structured-content"), location="Chicago"),
            result(structuredContent={"temperature": 36}),
        ),
        Ask(
            "links",
            call(name("get-resource-links"), count=2),
            result(content=[{"type": "resource_link", "uri": second}]),
        ),
        Ask("links", call(name("get-resource-reference"), resourceId=1), result(content=[embedded(uri=first)])),
        Ask("prompt", prompt(name("args-prompt"), city="Bern"), result(messages=weather)),
        Ask("resource", read(document), result(contents=[{"uri": document}])),
        Ask("template", read(first), result(contents=[{"uri": first}])),
        Ask("completion", complete(department, "department", "S"), completes("Sales", "Support")),
        Ask("completion", complete(of_template(template), "resourceId", "7"), completes("7")),
        Ask(
            "progress",
            # Only the first two of three steps are expected: the server sends the last one directly
            # before the result, and an SDK may handle the result first.
            call(long, duration=0.15, steps=3, progress=True),
            {"progress": [{"progress": 1, "total": 3}, {"progress": 2, "total": 3}]},
        ),
        Ask("elicitation", call(ask), {"elicited": [{"message": "Please provide inputs for the following fields:"}]}),
        Ask("sampling", call(sample, prompt="Name a colour."), {"sampled": [{"maxTokens": 100}]}),
        Ask("roots", call(name("get-roots-list")), result(content=[{"type": "text"}])),
        *pings(eras),
    ]


def conformance(name: Rename, uri: Rename, eras: Eras) -> list[Ask]:
    """The asks of the example `conformance`, on rmcp. It has one tool for each way to ask the client for input."""
    if eras.server == "modern":
        ask = call(name("test_input_required_result_elicitation"))
        sample = call(name("test_input_required_result_sampling"))
    else:
        ask = call(name("test_elicitation"), message="What is your name?")
        sample = call(name("test_sampling"), prompt="Name a colour.")
    with_arguments = name("test_prompt_with_arguments")
    static, template = uri("test://static-text"), uri("test://template/{id}/data")
    data = uri("test://template/7/data")
    simple, said = name("test_simple_text"), "This is a simple text response for testing."
    quoted = [{"role": "user", "content": text("Prompt with arguments: arg1='a', arg2='b'")}]
    resource = embedded(uri=uri("test://embedded-resource"))
    return [
        *lists([simple, name("greet")], [with_arguments], static, template),
        Ask("call", call(simple), result(content=[text(said)])),
        Ask("links", call(name("test_embedded_resource")), result(content=[resource])),
        Ask("prompt", prompt(with_arguments, arg1="a", arg2="b"), result(messages=quoted)),
        Ask("resource", read(static), result(contents=[{"uri": static}])),
        Ask("template", read(data), result(contents=[{"uri": data}])),
        Ask("completion", complete(of_prompt(with_arguments), "arg1", "pa"), completes("paris", "park", "party")),
        Ask("completion", complete(of_template(template), "id", "te"), completes("test")),
        Ask(
            "progress",
            call(name("test_tool_with_progress"), progress=True),
            {"progress": [{"progress": done, "total": 100} for done in (0, 50, 100)]},
        ),
        Ask(
            "logs",
            call(name("test_tool_with_logging")),
            # In a session, the messages do not come in the stream of the call. So the last ones may
            # come after the result.
            {"logs": [{"level": "info", "data": "Tool execution started"}]},
        ),
        Ask("elicitation", ask, {"elicited": [{"mode": "form"}]}),
        Ask("sampling", sample, {"sampled": [{"maxTokens": 100}]}),
        *pings(eras),
    ]
