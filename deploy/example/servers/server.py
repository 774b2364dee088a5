"""A small MCP server for trying things out: one tool, no state. It speaks modern and legacy MCP."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME, TOOL, TEXT = (os.environ[name] for name in ("SERVER_NAME", "TOOL_NAME", "TOOL_TEXT"))
MODERN = "2026-07-28"
INFO = {"name": NAME, "version": "1"}
TOOLS = [{"name": TOOL, "description": f"Says: {TEXT}", "inputSchema": {"type": "object"}}]
CAPABILITIES = {"tools": {}}


def result(method: str, params: dict) -> dict | None:
    """The result of a request; none for a method that it does not have."""
    if method == "initialize":
        return {"protocolVersion": params.get("protocolVersion"), "capabilities": CAPABILITIES, "serverInfo": INFO}
    if method == "server/discover":
        return {"supportedVersions": [MODERN], "capabilities": CAPABILITIES, "serverInfo": INFO}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call" and params.get("name") == TOOL:
        return {"content": [{"type": "text", "text": TEXT}]}
    return {} if method == "ping" else None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "id" not in message:
            return self.answer(202, b"")
        params = message.get("params", {})
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        if (found := result(message["method"], params)) is None:
            answer["error"] = {"code": -32601, "message": "there is no such method or tool"}
        else:
            modern = params.get("_meta", {}).get("io.modelcontextprotocol/protocolVersion") == MODERN
            answer["result"] = found | ({"resultType": "complete"} if modern else {})
        self.answer(200, json.dumps(answer).encode())

    def answer(self, status: int, body: bytes):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(405, b"")


ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
