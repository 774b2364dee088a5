"""A small client of MCP 2026-07-28 over Streamable HTTP."""

import json
import urllib.error
import urllib.request

from .envoy import Failure

VERSION = "2026-07-28"


def post(url, method, token=None, **params):
    """One request; gives the status, headers and text of the answer."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "demo", "version": "1"},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": VERSION,
        "mcp-method": method,
    }
    if "name" in params:
        headers["mcp-name"] = params["name"]
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(message).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode(errors="replace")
    except OSError as error:
        raise Failure(f"{method}: {error}") from error


def ask(url, method, **params):
    """One request; gives the result."""
    status, headers, text = post(url, method, **params)
    if status != 200:
        raise Failure(f"{method}: HTTP {status} {text}")
    if headers["content-type"].startswith("text/event-stream"):
        text = "".join(line[5:] for line in text.splitlines() if line.startswith("data:") and line[5:].strip())
    answer = json.loads(text)
    if "result" not in answer:
        raise Failure(f"{method}: {text}")
    return answer["result"]
