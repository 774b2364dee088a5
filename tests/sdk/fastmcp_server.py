#!/usr/bin/env python3
"""A server on fastmcp, over stdin and stdout."""

from fastmcp import Context, FastMCP

server = FastMCP("notes", instructions="Notes that nobody keeps.")


@server.tool
async def repeat(text: str, times: int, ctx: Context) -> list[str]:
    """Repeats a text."""
    for number in range(times):
        await ctx.report_progress(number + 1, times)
    return [text] * times


@server.prompt
def remember(what: str) -> str:
    """Asks to remember something."""
    return f"Remember: {what}"


@server.resource("notes://first")
def first() -> str:
    """The first note."""
    return "Nothing yet."


if __name__ == "__main__":
    server.run(show_banner=False)
