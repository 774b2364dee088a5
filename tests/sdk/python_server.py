"""An MCP server on the `mcp` package, for modern (2026-07-28) and legacy clients.

    python_server.py --port N      listens on N (0: any free port), and prints the port
    python_server.py --stdio       over stdin and stdout

It has the same tools, prompts and resources as `typescript_server.mjs`. Together they use every
feature of MCP that must work through a gateway. The answers are always the same.
"""

import argparse
import asyncio
import socket
import warnings
from typing import Annotated

import uvicorn
from mcp import MCPDeprecationWarning
from mcp.server.caching import CacheHint
from mcp.server.mcpserver import (
    AcceptedElicitation,
    Context,
    Elicit,
    ElicitationResult,
    ListRoots,
    MCPServer,
    Resolve,
    Sample,
    UserMessage,
)
from mcp.types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    CreateMessageResult,
    EmbeddedResource,
    ListRootsResult,
    PromptReference,
    ResourceLink,
    ResourceTemplateReference,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel

NOTE_URI = "fixture://note"
NOTE = "Nothing is lost."
NAMES = ["Ada", "Alan", "Grace"]
CITIES = ["Berlin", "Bern", "Cairo"]
# The pause between two notifications of a tool, so that they arrive before its result.
STEP_SECONDS = 0.02
WAIT_SECONDS = 6
# How many of these pauses `waited` waits for a cancellation.
TELLS = 200

server = MCPServer(
    "python-fixture",
    version="1.0.0",
    instructions="Python: one of everything.",
    log_level="WARNING",
    cache_hints={"tools/list": CacheHint(ttl_ms=60_000, scope="public")},
)


class Sum(BaseModel):
    sum: int


@server.tool()
def add(a: int, b: int) -> Sum:
    """Adds two numbers."""
    return Sum(sum=a + b)


@server.tool(structured_output=False)
async def count(to: int, ctx: Context) -> str:
    """Counts, and tells of each number as progress and as a log message."""
    for number in range(1, to + 1):
        await ctx.report_progress(number, to, f"{number} of {to}")
        await ctx.info(f"counted {number}")
        await asyncio.sleep(STEP_SECONDS)
    return f"Counted to {to}."


def note() -> EmbeddedResource:
    contents = TextResourceContents(uri=NOTE_URI, text=NOTE, mime_type="text/plain")
    return EmbeddedResource(resource=contents)


@server.tool(structured_output=False)
def links() -> list[ResourceLink | EmbeddedResource]:
    """Points to the note, and brings it along."""
    return [ResourceLink(uri=NOTE_URI, name="note", mime_type="text/plain"), note()]


class Name(BaseModel):
    name: str


def which_name() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


# The SDK asks the client in the way of the client's version of MCP: with a request to the client
# (legacy), or with a result that asks for input (modern).
@server.tool(structured_output=False)
def ask(answer: Annotated[ElicitationResult[Name], Resolve(which_name)]) -> str:
    """Asks the user for a name."""
    if isinstance(answer, AcceptedElicitation):
        return f"Hello, {answer.data.name}!"
    return f"No name: {answer.action}."


def which_colour() -> Sample:
    question = TextContent(text="Name a colour.")
    return Sample([SamplingMessage(role="user", content=question)], max_tokens=10)


@server.tool(structured_output=False)
def sample(answer: Annotated[CreateMessageResult, Resolve(which_colour)]) -> str:
    """Asks the client's model for a colour."""
    said = answer.content.text if isinstance(answer.content, TextContent) else "no text"
    return f"The model says: {said}"


@server.tool(structured_output=False)
def roots(answer: Annotated[ListRootsResult, Resolve(ListRoots)]) -> str:
    """Asks the client for its roots."""
    return "Roots: " + ", ".join(root.name or "" for root in answer.roots)


# The state of each call of `wait`, by its key.
waits: dict[str, str] = {}


@server.tool(structured_output=False)
async def wait(key: str, ctx: Context) -> str:
    """Waits until it is cancelled, or for as long as nobody should."""
    waits[key] = "waiting"
    await ctx.report_progress(0)
    try:
        await asyncio.sleep(WAIT_SECONDS)
    except asyncio.CancelledError:
        waits[key] = "cancelled"
        raise
    return "waited"


@server.tool(structured_output=False)
async def waited(key: str) -> str:
    """Tells what became of a wait, which it gives some time to end."""
    for _ in range(TELLS):
        if waits.get(key) == "cancelled":
            break
        await asyncio.sleep(STEP_SECONDS)
    return waits.get(key, "unknown")


@server.prompt()
def greet(name: str) -> list[UserMessage]:
    """Greets somebody, with the note."""
    return [UserMessage(f"Greet {name}."), UserMessage(note())]


@server.resource(NOTE_URI, name="note", mime_type="text/plain")
def read_note() -> str:
    """A sentence."""
    return NOTE


@server.resource("fixture://city/{city}", name="city", mime_type="text/plain")
def read_city(city: str) -> str:
    """What there is to say of a city."""
    return f"{city} is a city."


@server.completion()
async def complete(
    ref: PromptReference | ResourceTemplateReference,
    argument: CompletionArgument,
    context: CompletionContext | None,
) -> Completion:
    known = NAMES if isinstance(ref, PromptReference) else CITIES
    return Completion(values=[value for value in known if value.startswith(argument.value)])


def main() -> None:
    # The server also uses deprecated functions, since they must work as long as the SDK has them.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    parser = argparse.ArgumentParser()
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--port", type=int)
    way.add_argument("--stdio", action="store_true")
    args = parser.parse_args()
    if args.stdio:
        server.run(transport="stdio")
        return
    # asyncio sets TCP_NODELAY only if the socket names its protocol. Without TCP_NODELAY, small
    # events would arrive 40 ms late.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", args.port))
    listener.listen()
    # The socket is already listening, so a reader of this line can connect at once.
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    # The streams of sessions never end by themselves. With this time limit, they do not delay the
    # end of the server.
    config = uvicorn.Config(server.streamable_http_app(), log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
