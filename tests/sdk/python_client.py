"""Talks to MCP servers with the `mcp` package, and prints what it has seen. The arguments say what it does.

    python_client.py [--mode auto|modern|legacy] [--header 'name: value']... [--log LEVEL]
                     [--elicit JSON] [--sample TEXT] [--roots URI] TALKS

TALKS is a JSON list of [URL, STEPS]. For each entry, the client opens a connection, and does the steps in their order:

    {"do": "list_tools"}, list_prompts, list_resources, list_templates     all pages
    {"do": "call", "name": …, "arguments": …, "progress": true}
    {"do": "prompt", "name": …, "arguments": …}
    {"do": "read", "uri": …}
    {"do": "complete", "ref": …, "argument": …}             `ref` and `argument` as in MCP
    {"do": "cancel", "name": …, "arguments": …}             calls a tool, and cancels the call after its first progress
    {"do": "subscribe", "uri": …}
    {"do": "updated"}                                       waits for a notification that a resource has been updated
    {"do": "ping"}, {"do": "reconnect"}
    {"do": "pause", "file": …}                              creates FILE.here, and waits until FILE exists

The output is a JSON list with an object for each talk: protocolVersion, serverInfo, capabilities and steps. Each step
has its `result` or `error`, and the `progress`, `logs`, `elicited`, `sampled` and `rooted` that came during the step.
With --elicit, the client offers elicitation and answers with this content. With --sample, it offers sampling and
answers with this text. With --roots, it has this root. With --log, it requests log messages of this level. If an error
comes before the first step, the object is only {"error": …}.
"""

import argparse
import asyncio
import contextlib
import json
import warnings
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, MCPDeprecationWarning, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    CreateMessageResult,
    DiscoverResult,
    ElicitResult,
    Implementation,
    ListRootsResult,
    PromptReference,
    ResourceTemplateReference,
    ResourceUpdatedNotification,
    Root,
    TextContent,
)
from pydantic import BaseModel

# If the gateway does not answer, the test must fail and not wait forever.
CONNECTED_WITHIN = 60
STEP_WITHIN = 8
# After this time, a call is cancelled even if it has reported no progress.
STARTED_WITHIN = 1
UPDATED_WITHIN = 3
MODES = {"auto": "auto", "modern": "2026-07-28", "legacy": "legacy"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=MODES, default="auto")
    parser.add_argument("--header", action="append", default=[], metavar="NAME: VALUE")
    parser.add_argument("--log", metavar="LEVEL")
    parser.add_argument("--elicit", type=json.loads, metavar="JSON")
    parser.add_argument("--sample", metavar="TEXT")
    parser.add_argument("--roots", metavar="URI")
    parser.add_argument("talks", type=json.loads)
    return parser.parse_args()


def plain(model: BaseModel | None) -> Any:
    """The message of the peer, without the defaults that the SDK adds."""
    return model and model.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Talk:
    """A connection, and the messages that have come during the current step."""

    def __init__(self, url: str, args: argparse.Namespace, http: httpx2.AsyncClient) -> None:
        self.url = url
        self.http = http
        self.mode = args.mode
        self.log = args.log
        self.answer = args.elicit
        self.said = args.sample
        self.root = args.roots
        self.updated: asyncio.Queue[Any] = asyncio.Queue()
        self.forget()

    async def connect(self, stack: contextlib.AsyncExitStack) -> Client:
        client = Client(
            streamable_http_client(self.url, http_client=self.http),
            mode=MODES[self.mode],
            client_info=Implementation(name="python-client", version="1.0.0"),
            # Each step must send a request, and not use the SDK's cache.
            cache=None,
            log_level=self.log,
            logging_callback=self.on_log,
            elicitation_callback=None if self.answer is None else self.on_elicit,
            sampling_callback=None if self.said is None else self.on_sample,
            list_roots_callback=None if self.root is None else self.on_roots,
            message_handler=self.on_message,
        )
        # This time limit is only for the connection. The end of the session, with the stack, takes
        # its own time.
        async with asyncio.timeout(CONNECTED_WITHIN):
            self.client = await stack.enter_async_context(client)
            if self.mode == "modern":
                # In this mode, the SDK sends no `server/discover`. The other clients send it, so
                # this client does, too.
                discovered = await client.session.send_discover(MODES["modern"])
                client.session.adopt(DiscoverResult.model_validate(discovered))
            legacy = client.protocol_version != MODES["modern"]
            if self.log and legacy and client.server_capabilities.logging:
                await client.set_logging_level(self.log)
        return client

    def forget(self) -> None:
        kinds = ("progress", "logs", "elicited", "sampled", "rooted")
        self.seen: dict[str, list[Any]] = {kind: [] for kind in kinds}
        self.progressed = asyncio.Event()

    async def on_progress(self, progress: float, total: float | None, message: str | None) -> None:
        # The SDK turns all numbers into floats. Whole numbers become integers again, as the server
        # has sent them.
        told = {"progress": progress, "total": total, "message": message}
        whole = {key: int(one) if isinstance(one, float) and one.is_integer() else one for key, one in told.items()}
        self.seen["progress"].append({key: one for key, one in whole.items() if one is not None})
        self.progressed.set()

    async def on_log(self, params: BaseModel) -> None:
        self.seen["logs"].append(plain(params))

    async def on_elicit(self, _context: object, params: BaseModel) -> ElicitResult:
        self.seen["elicited"].append(plain(params))
        return ElicitResult(action="accept", content=self.answer)

    async def on_sample(self, _context: object, params: BaseModel) -> CreateMessageResult:
        self.seen["sampled"].append(plain(params))
        return CreateMessageResult(role="assistant", content=TextContent(text=self.said), model="fixed")

    async def on_roots(self, _context: object) -> ListRootsResult:
        self.seen["rooted"].append({})
        return ListRootsResult(roots=[Root(uri=self.root, name="root")])

    async def on_message(self, message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            self.updated.put_nowait(plain(message.params))

    async def cancel(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        call = asyncio.ensure_future(self.client.call_tool(name, arguments, progress_callback=self.on_progress))
        # Without progress, the call is cancelled after the time limit. The tool `waited` says later
        # whether the cancellation has reached the server.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.progressed.wait(), STARTED_WITHIN)
        call.cancel()
        await asyncio.wait([call])
        return {}

    async def pages(self, ask: Any, key: str) -> dict[str, Any]:
        """The first page of the list, with the entries of all pages."""
        page = whole = plain(await ask())
        while (cursor := page.get("nextCursor")) is not None:
            page = plain(await ask(cursor=cursor))
            whole[key] += page[key]
        whole.pop("nextCursor", None)
        return whole

    async def do(self, step: dict[str, Any]) -> Any:
        match step["do"]:
            case "list_tools":
                return await self.pages(self.client.list_tools, "tools")
            case "list_prompts":
                return await self.pages(self.client.list_prompts, "prompts")
            case "list_resources":
                return await self.pages(self.client.list_resources, "resources")
            case "list_templates":
                return await self.pages(self.client.list_resource_templates, "resourceTemplates")
            case "call":
                progress = self.on_progress if step.get("progress") else None
                result = self.client.call_tool(step["name"], step.get("arguments"), progress_callback=progress)
            case "prompt":
                result = self.client.get_prompt(step["name"], step.get("arguments"))
            case "read":
                result = self.client.read_resource(step["uri"])
            case "complete":
                kind = PromptReference if step["ref"]["type"] == "ref/prompt" else ResourceTemplateReference
                result = self.client.complete(kind(**step["ref"]), step["argument"])
            case "cancel":
                return await self.cancel(step["name"], step.get("arguments"))
            case "subscribe":
                result = self.client.subscribe_resource(step["uri"])
            case "updated":
                return await asyncio.wait_for(self.updated.get(), UPDATED_WITHIN)
            case "ping":
                result = self.client.send_ping()
            case other:
                raise ValueError(f"no such step: {other}")
        return plain(await result)

    async def run(self, steps: list[dict[str, Any]]) -> dict[str, Any]:
        async with contextlib.AsyncExitStack() as stack:
            client = await self.connect(stack)
            about = {
                "protocolVersion": client.protocol_version,
                "serverInfo": plain(client.server_info),
                "capabilities": plain(client.server_capabilities),
            }
            done = []
            for step in steps:
                self.forget()
                try:
                    if step["do"] == "reconnect":
                        await stack.aclose()
                        await self.connect(stack)
                        outcome = {"result": {}}
                    elif step["do"] == "pause":
                        await pause(Path(step["file"]))
                        outcome = {"result": {}}
                    else:
                        async with asyncio.timeout(STEP_WITHIN):
                            outcome = {"result": await self.do(step)}
                except Exception as error:
                    outcome = {"error": described(error)}
                done.append({**outcome, **self.seen})
            return {**about, "steps": done}


async def pause(file: Path) -> None:
    Path(f"{file}.here").touch()
    while not file.exists():
        await asyncio.sleep(0.05)


def described(error: BaseException) -> dict[str, Any]:
    # The client's task groups wrap the error in exception groups, whose messages do not help.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MCPError):
        return plain(error.error)
    if isinstance(error, TimeoutError):
        return {"message": "nothing came in time"}
    return {"message": f"{type(error).__name__}: {error}"}


async def talk(args: argparse.Namespace) -> list[dict[str, Any]]:
    headers = [tuple(part.strip() for part in header.split(":", 1)) for header in args.header]
    # The client must not use a proxy to reach the loopback address.
    http = httpx2.AsyncClient(headers=headers, timeout=STEP_WITHIN, trust_env=False)
    answers = []
    async with http:
        for url, steps in args.talks:
            try:
                answers.append(await Talk(url, args, http).run(steps))
            except Exception as error:
                answers.append({"error": described(error)})
    return answers


def main() -> None:
    # The test also uses deprecated functions, since they must work as long as the SDK has them.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    print(json.dumps(asyncio.run(talk(arguments()))))


if __name__ == "__main__":
    main()
