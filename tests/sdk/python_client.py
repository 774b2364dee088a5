"""Talks to an MCP server with the `mcp` package, as a script says, and tells what it saw.

    python_client.py URL [--mode auto|modern|legacy] [--header 'name: value']... [--log LEVEL]
                         [--elicit JSON] [--sample TEXT] [SCRIPT]

SCRIPT, or stdin, is a JSON list of steps, which are done in order:

    {"do": "list_tools"}, list_prompts, list_resources, list_templates     all pages
    {"do": "call", "name": …, "arguments": …, "progress": true}
    {"do": "prompt", "name": …, "arguments": …}
    {"do": "read", "uri": …}
    {"do": "complete", "ref": …, "argument": …}                            as MCP writes them
    {"do": "ping"}

The answer is one JSON object: protocolVersion, serverInfo, capabilities, and for each step its
`result` or `error`, and the `progress`, `logs`, `elicited` and `sampled` that came with it. With
--elicit the client offers elicitation, and answers with that content; with --sample sampling, and
that text; with --log it wants log messages. An error before the first step is {"error": …} alone,
and exit code 1.
"""

import argparse
import asyncio
import json
import sys
import warnings
from typing import Any

import httpx2
from mcp import Client, MCPDeprecationWarning, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    CreateMessageResult,
    DiscoverResult,
    ElicitResult,
    Implementation,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
)
from pydantic import BaseModel

# A gateway that hangs must fail the test and not hang it too.
TIMEOUT_SECONDS = 20
MODES = {"auto": "auto", "modern": "2026-07-28", "legacy": "legacy"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--mode", choices=MODES, default="auto")
    parser.add_argument("--header", action="append", default=[], metavar="NAME: VALUE")
    parser.add_argument("--log", metavar="LEVEL")
    parser.add_argument("--elicit", type=json.loads, metavar="JSON")
    parser.add_argument("--sample", metavar="TEXT")
    parser.add_argument("script", nargs="?")
    # The script comes after the options, too.
    return parser.parse_intermixed_args()


def plain(model: BaseModel | None) -> Any:
    """What the peer has said, without what the SDK would put in its place."""
    return model and model.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Talk:
    """A connection, and what came with the step that is being done."""

    def __init__(self, args: argparse.Namespace, http: httpx2.AsyncClient) -> None:
        self.mode = args.mode
        self.log = args.log
        self.answer = args.elicit
        self.said = args.sample
        self.forget()
        self.client = Client(
            streamable_http_client(args.url, http_client=http),
            mode=MODES[self.mode],
            client_info=Implementation(name="python-client", version="1.0.0"),
            # Each step asks the server.
            cache=None,
            log_level=self.log,
            logging_callback=self.on_log,
            elicitation_callback=None if self.answer is None else self.on_elicit,
            sampling_callback=None if self.said is None else self.on_sample,
        )

    def forget(self) -> None:
        self.seen: dict[str, list[Any]] = {"progress": [], "logs": [], "elicited": [], "sampled": []}

    async def on_progress(self, progress: float, total: float | None, message: str | None) -> None:
        # The SDK makes floats of the server's numbers.
        told = {"progress": progress, "total": total, "message": message}
        whole = {key: int(one) if isinstance(one, float) and one.is_integer() else one for key, one in told.items()}
        self.seen["progress"].append({key: one for key, one in whole.items() if one is not None})

    async def on_log(self, params: BaseModel) -> None:
        self.seen["logs"].append(plain(params))

    async def on_elicit(self, _context: object, params: BaseModel) -> ElicitResult:
        self.seen["elicited"].append(plain(params))
        return ElicitResult(action="accept", content=self.answer)

    async def on_sample(self, _context: object, params: BaseModel) -> CreateMessageResult:
        self.seen["sampled"].append(plain(params))
        return CreateMessageResult(role="assistant", content=TextContent(text=self.said), model="fixed")

    async def pages(self, ask: Any, key: str) -> dict[str, Any]:
        """The first page, with the entries of all."""
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
            case "ping":
                result = self.client.send_ping()
            case other:
                raise ValueError(f"no such step: {other}")
        return plain(await result)

    async def run(self, steps: list[dict[str, Any]]) -> dict[str, Any]:
        async with self.client as client:
            if self.mode == "modern":
                # The SDK takes it for granted that the server speaks this version; the other clients ask.
                discovered = await client.session.send_discover(MODES["modern"])
                client.session.adopt(DiscoverResult.model_validate(discovered))
            legacy = client.protocol_version != MODES["modern"]
            if self.log and legacy and client.server_capabilities.logging:
                await client.set_logging_level(self.log)
            done = []
            for step in steps:
                self.forget()
                try:
                    outcome = {"result": await self.do(step)}
                except Exception as error:
                    outcome = {"error": described(error)}
                done.append({**outcome, **self.seen})
            return {
                "protocolVersion": client.protocol_version,
                "serverInfo": plain(client.server_info),
                "capabilities": plain(client.server_capabilities),
                "steps": done,
            }


def described(error: BaseException) -> dict[str, Any]:
    # The client's task groups wrap what went wrong in groups, which say nothing themselves.
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MCPError):
        return plain(error.error)
    return {"message": f"{type(error).__name__}: {error}"}


async def talk(args: argparse.Namespace) -> dict[str, Any]:
    steps = json.loads(args.script or sys.stdin.read())
    headers = [tuple(part.strip() for part in header.split(":", 1)) for header in args.header]
    # No proxy stands between a client and loopback.
    http = httpx2.AsyncClient(headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)
    async with asyncio.timeout(TIMEOUT_SECONDS), http:
        return await Talk(args, http).run(steps)


def main() -> int:
    # What is deprecated has to work as long as it is there.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    args = arguments()
    try:
        answer, code = asyncio.run(talk(args)), 0
    except Exception as error:
        answer, code = {"error": described(error)}, 1
    print(json.dumps(answer))
    return code


if __name__ == "__main__":
    sys.exit(main())
