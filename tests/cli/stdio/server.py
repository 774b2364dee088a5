"""An MCP server over stdin and stdout, up to MCP 2025-11-25, whose tools do what tests need.

    server.py [NAME]       writes a line with NAME to stderr when it starts

    --dies      ends at once
    --strict    ends if the first message is not `initialize`
    --slow      starts slowly
"""

import json
import os
import sys
import threading
import time

lock = threading.Lock()
answers = {}
waits = set()
cancelled = set()
TOOLS = ("pid", "environment", "folder", "crash", "ask", "count", "wait", "waits", "was_cancelled", "capabilities", "name", "burst", "deaf")


def send(message):
    with lock:
        print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def text(said):
    return {"content": [{"type": "text", "text": str(said)}]}


def call(request_id, name, arguments, meta, client):
    match name:
        case "pid":
            return text(os.getpid())
        case "environment":
            return text(os.environ.get(arguments["name"]))
        case "folder":
            return text(os.getcwd())
        case "crash":
            print("out of paper", file=sys.stderr, flush=True)
            os._exit(7)
        case "ask":
            answers["ask"] = threading.Event()
            send({"id": "ask", "method": "elicitation/create", "params": {"message": "Which?", "requestedSchema": {"type": "object", "properties": {}}}})
            answers["ask"].wait(20)
            return text(json.dumps(answers["answer"]))
        case "count":
            for number in (1, 2):
                send({"method": "notifications/progress", "params": {"progressToken": meta["progressToken"], "progress": number}})
                send({"method": "notifications/message", "params": {"level": "info", "data": number}})
            if "crash" in arguments:
                os._exit(7)
            return text("counted")
        case "burst":
            for number in range(5000):
                send({"method": "notifications/progress", "params": {"progressToken": meta["progressToken"], "progress": number}})
            return text("burst")
        case "deaf":
            return text("deaf")
        case "wait":
            waits.add(request_id)
            for _ in range(3000):
                if request_id in cancelled:
                    return None
                time.sleep(0.02)
            return text("waited")
        case "waits":
            return text(len(waits))
        case "was_cancelled":
            return text(len(cancelled))
        case "capabilities":
            return text(json.dumps(client.get("capabilities")))
        case "name":
            return text(sys.argv[-1])


def answer(message, client):
    request_id, params = message["id"], message.get("params", {})
    match message["method"]:
        case "initialize":
            client.update(params)
            result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "fixture", "version": "1"}}
        case "tools/list":
            result = {"tools": [{"name": name, "inputSchema": {"type": "object"}, "x-unknown": 1.10} for name in TOOLS]}
        case "tools/call":
            result = call(request_id, params["name"], params.get("arguments", {}), params.get("_meta", {}), client)
        case "ping":
            result = {}
        case method:
            send({"id": request_id, "error": {"code": -32601, "message": f"no {method}"}})
            return
    if result is not None:
        send({"id": request_id, "result": result})


def main():
    print(f"hello from {sys.argv[-1]}", file=sys.stderr, flush=True)
    if "--slow" in sys.argv:
        # The gateway's requests and those for the table of `run` time out before this.
        time.sleep(7)
    if "--dies" in sys.argv:
        sys.exit("I cannot work")
    # Some servers print a text on stdout, where only messages are allowed.
    print("Server running on stdio", flush=True)
    client = {}
    for line in sys.stdin:
        message = json.loads(line)
        if "--strict" in sys.argv and not client and message.get("method") != "initialize":
            sys.exit(1)
        if message.get("method") == "notifications/cancelled":
            cancelled.add(message["params"]["requestId"])
        elif "method" not in message:
            answers["answer"] = message.get("result", message.get("error"))
            answers["ask"].set()
        elif message.get("params", {}).get("name") == "deaf":
            answer(message, client)
            # The process goes on, but reads no more messages.
            os.close(0)
            threading.Event().wait()
        elif "id" in message and message["method"] == "initialize":
            answer(message, client)
        elif "id" in message:
            threading.Thread(target=answer, args=(message, client), daemon=True).start()


main()
