"""Holds one legacy session, and lists and calls tools in turns until stdin ends. For `mcp` 1.x and 2.x.

    holding_client.py SERVER CALLS

SERVER is a URL, or the command of a server over stdin and stdout, in JSON like the entry in the file
of an MCP client. CALLS is a JSON object: the names of tools without prefixes, and the arguments for
each one. In each turn, the client lists the tools. Then it calls each tool of CALLS that has been in
a list so far. For each turn, it prints a JSON object: `tools` has the names of the list, and `calls`
has the text of each called tool's answer, or {"error": …}. If the list fails, the object is only
{"error": …}.
"""

import asyncio
import contextlib
import json
import sys
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

ANSWERED_WITHIN = 60
PAUSE = 0.02


def described(error: BaseException) -> dict[str, Any]:
    """The error in JSON.

    In 1.x, the exception has the error of the peer in a member. In 2.x, it has the code itself.
    """
    told = getattr(error, "error", error)
    return {"error": {"code": getattr(told, "code", None), "message": str(error) or type(error).__name__}}


async def call(session: ClientSession, name: str, arguments: dict[str, Any]) -> Any:
    try:
        async with asyncio.timeout(ANSWERED_WITHIN):
            answer = await session.call_tool(name, arguments)
    except Exception as error:
        return described(error)
    return "".join(part.text for part in answer.content)


async def turn(session: ClientSession, calls: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(ANSWERED_WITHIN):
            tools = [tool.name for tool in (await session.list_tools()).tools]
    except Exception as error:
        return described(error)
    for name in tools:
        if (arguments := calls.get(name.partition("__")[2])) is not None:
            seen[name] = arguments
    told = {name: await call(session, name, arguments) for name, arguments in seen.items()}
    return {"tools": tools, "calls": told}


def connection(server: str) -> contextlib.AbstractAsyncContextManager[Any]:
    if server.startswith("{"):
        return stdio_client(StdioServerParameters(**json.loads(server)))
    return streamable_http_client(server)


async def main() -> None:
    server, calls = sys.argv[1], json.loads(sys.argv[2])
    ends = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    async with connection(server) as (read, write, *_), ClientSession(read, write) as session:
        await session.initialize()
        seen: dict[str, Any] = {}
        while not ends.done():
            print(json.dumps(await turn(session, calls, seen)), flush=True)
            await asyncio.sleep(PAUSE)


if __name__ == "__main__":
    asyncio.run(main())
