"""What `check.py` asks of each server, and what the answer must hold.

An ask is a column of the table, a step of a client's script, and a part of what the client must
then tell. Of a list the part may leave out entries, but must keep their order: a gateway adds some.
"""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
Ask = tuple[str, Json, Json]
# What a tool or a prompt, and what a resource, is called where the client sees it.
Rename = Callable[[str], str]

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
)

# What every client answers.
ELICITED = {"name": "Ada"}
SAMPLED = "blue"


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
        ("list", {"do": "list_tools"}, result(tools=[{"name": name} for name in tools])),
        ("list", {"do": "list_prompts"}, result(prompts=[{"name": name} for name in prompts])),
        ("list", {"do": "list_resources"}, result(resources=[{"uri": resource}])),
        ("list", {"do": "list_templates"}, result(resourceTemplates=[{"uriTemplate": template}])),
    ]


def fixture(name: Rename, uri: Rename, _modern: bool) -> list[Ask]:
    """Of `python_server.py` and `typescript_server.mjs`."""
    add, count, links, ask, sample = (name(tool) for tool in ("add", "count", "links", "ask", "sample"))
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
        *lists([add, count, links, ask, sample], [greet], note["uri"], template),
        ("call", call(add, a=2, b=3), result(structuredContent={"sum": 5})),
        ("links", call(links), result(content=[link, embedded(**note)])),
        ("prompt", prompt(greet, name="Ada"), result(messages=greeting)),
        ("resource", read(note["uri"]), result(contents=[note])),
        ("template", read(city["uri"]), result(contents=[city])),
        ("completion", complete(of_prompt(greet), "name", "A"), completes("Ada", "Alan")),
        ("completion", complete(of_template(template), "city", "Ber"), completes("Berlin", "Bern")),
        ("progress", call(count, to=3, progress=True), {"progress": progress}),
        ("logs", call(count, to=3), {**result(content=[text("Counted to 3.")]), "logs": logs}),
        ("elicitation", call(ask), {**hello, "elicited": [{"message": "What is your name?"}]}),
        ("sampling", call(sample), {**blue, "sampled": [{"maxTokens": 10}]}),
    ]


def everything(name: Rename, uri: Rename, _modern: bool) -> list[Ask]:
    """Of `@modelcontextprotocol/server-everything`, whose log messages come by chance."""
    # Some tools it has only for clients that it can ask.
    ask, sample = name("trigger-elicitation-request"), name("trigger-sampling-request")
    document = uri("demo://resource/static/document/startup.md")
    template = uri("demo://resource/dynamic/text/{resourceId}")
    first, second = uri("demo://resource/dynamic/text/1"), uri("demo://resource/dynamic/text/2")
    long, department = name("trigger-long-running-operation"), of_prompt(name("completable-prompt"))
    weather = [{"role": "user", "content": text("What's weather in Bern?")}]
    return [
        *lists([name("echo"), ask, sample], [name("args-prompt")], document, template),
        (
            "call",
            call(name("get-structured-content"), location="Chicago"),
            result(structuredContent={"temperature": 36}),
        ),
        (
            "links",
            call(name("get-resource-links"), count=2),
            result(content=[{"type": "resource_link", "uri": second}]),
        ),
        ("links", call(name("get-resource-reference"), resourceId=1), result(content=[embedded(uri=first)])),
        ("prompt", prompt(name("args-prompt"), city="Bern"), result(messages=weather)),
        ("resource", read(document), result(contents=[{"uri": document}])),
        ("template", read(first), result(contents=[{"uri": first}])),
        ("completion", complete(department, "department", "S"), completes("Sales", "Support")),
        ("completion", complete(of_template(template), "resourceId", "7"), completes("7")),
        (
            "progress",
            call(long, duration=0.1, steps=2, progress=True),
            {"progress": [{"progress": 1, "total": 2}, {"progress": 2, "total": 2}]},
        ),
        ("elicitation", call(ask), {"elicited": [{"message": "Please provide inputs for the following fields:"}]}),
        ("sampling", call(sample, prompt="Name a colour."), {"sampled": [{"maxTokens": 100}]}),
    ]


def conformance(name: Rename, uri: Rename, modern: bool) -> list[Ask]:
    """Of the example `conformance`, on rmcp, which has a tool for each way to ask the client."""
    if modern:
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
        ("call", call(simple), result(content=[text(said)])),
        ("links", call(name("test_embedded_resource")), result(content=[resource])),
        ("prompt", prompt(with_arguments, arg1="a", arg2="b"), result(messages=quoted)),
        ("resource", read(static), result(contents=[{"uri": static}])),
        ("template", read(data), result(contents=[{"uri": data}])),
        ("completion", complete(of_prompt(with_arguments), "arg1", "pa"), completes("paris", "park", "party")),
        ("completion", complete(of_template(template), "id", "te"), completes("test")),
        (
            "progress",
            call(name("test_tool_with_progress"), progress=True),
            {"progress": [{"progress": done, "total": 100} for done in (0, 50, 100)]},
        ),
        (
            "logs",
            call(name("test_tool_with_logging")),
            {"logs": [{"level": "info", "data": f"Tool {what}"} for what in ("execution started", "processing data")]},
        ),
        ("elicitation", ask, {"elicited": [{"mode": "form"}]}),
        ("sampling", sample, {"sampled": [{"maxTokens": 100}]}),
    ]
