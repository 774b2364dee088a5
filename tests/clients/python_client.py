"""Talks to an MCP server with the `mcp` package, and prints what it has seen as one JSON object.

    python_client.py URL --mode auto|legacy|2026-07-28 [--login ISSUER CLIENT SECRET]
        [--list] [--call NAME JSON]

With `--login`, the client gets a token from this issuer after the server's 401.
The results of options that were not given are null. After an error, the program prints
{"error": "..."} and ends with exit code 1.
"""

import argparse
import asyncio
import json
import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

# If the gateway does not answer, the test must fail and not wait forever.
TIMEOUT_SECONDS = 120


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--mode", default="auto")
    parser.add_argument("--login", nargs=3, metavar=("ISSUER", "CLIENT", "SECRET"))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--call", nargs=2, metavar=("NAME", "JSON"))
    return parser.parse_args()


class Memory:
    """Keeps tokens for as long as the client runs."""

    tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        pass


def server(args: argparse.Namespace) -> Any:
    if not args.login:
        return args.url
    issuer, client, secret = args.login
    auth = ClientCredentialsOAuthProvider(args.url, Memory(), client, secret, issuer=issuer)
    http = httpx2.AsyncClient(auth=auth, timeout=TIMEOUT_SECONDS)
    return streamable_http_client(args.url, http_client=http)


async def tool_names(client: Client) -> list[str]:
    """The names of the tools on all pages, in the order of the server."""
    names: list[str] = []
    cursor = None
    while True:
        page = await client.list_tools(cursor=cursor)
        names += [tool.name for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            return names


async def call(client: Client, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(name, arguments)
    return {
        "isError": bool(result.is_error),
        "text": [block.text for block in result.content if block.type == "text"],
        "structured": result.structured_content,
    }


async def talk(args: argparse.Namespace) -> dict[str, Any]:
    async with asyncio.timeout(TIMEOUT_SECONDS), Client(server(args), mode=args.mode) as client:
        info = client.server_info
        return {
            "protocolVersion": client.protocol_version,
            "serverInfo": info and info.model_dump(mode="json", by_alias=True, exclude_none=True),
            "tools": await tool_names(client) if args.list else None,
            "call": await call(client, args.call[0], json.loads(args.call[1])) if args.call else None,
        }


def causes(error: BaseException) -> list[str]:
    """The messages of the errors that the client's task groups have wrapped in exception groups."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in causes(inner)]
    return [f"{type(error).__name__}: {error}"]


def main() -> int:
    args = arguments()
    try:
        answer, code = asyncio.run(talk(args)), 0
    except Exception as error:
        answer, code = {"error": "; ".join(causes(error))}, 1
    print(json.dumps(answer))
    return code


if __name__ == "__main__":
    sys.exit(main())
