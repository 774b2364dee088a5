"""Users change servers while clients send requests. No request may be lost, the session must go on, and the statuses
of the objects must become right within seconds.
"""

import threading
import time
from collections.abc import Callable

from lib.envoy import Failure, step

from .api import until
from .asking import Answer, Request, legacy, modern, send
from .machine import Machine
from .questions import Asked
from .servers import PORT
from .workers import all_workers

NAMESPACE = "mcp"
API = "mcp.kagenti.com/v1alpha1"
SERVER, GATEWAY = "mcpservers.mcp.kagenti.com", "mcpgateways.mcp.kagenti.com"
# How long it may take until a change is completely served.
WITHIN = 240
# The pause between two requests of a client, so that the other processes get CPU time.
PAUSE = 0.05
MANY = 200


class Client(threading.Thread):
    """Sends the same request again and again. `faults` has the wrong answers."""

    def __init__(self, title: str, ask: Callable[[], Answer], has: str):
        super().__init__(daemon=True)
        self.title, self.ask, self.has = title, ask, has
        self.sent, self.slowest, self.faults = 0, 0.0, []
        self.ended, self.paused = threading.Event(), threading.Event()

    def run(self):
        while not self.ended.is_set():
            if not self.paused.is_set():
                self._send()
            time.sleep(PAUSE)

    def _send(self):
        started = time.monotonic()
        answer = self.ask()
        self.sent += 1
        self.slowest = max(self.slowest, time.monotonic() - started)
        message = answer.message()
        result = message.get("result", {})
        if answer.status != 200 or "error" in message or result.get("isError") or self.has not in answer.text:
            self.faults.append(f"{self.title}, request {self.sent}: {answer}")

    def end(self):
        self.ended.set()
        self.join()


class Changes:
    def __init__(self, here: Machine, asked: Asked, address: Callable[[], str], takes_secrets: bool):
        """`address` returns the current URL of the endpoint.

        `takes_secrets` says whether the proxy can get variables.
        """
        self.here, self.cluster, self.asked = here, here.cluster, asked
        self.address, self.takes_secrets = address, takes_secrets
        self.times: list[str] = []

    def run(self) -> list[str]:
        """Makes all changes under load, and returns the faults."""
        session, tool = self.asked.held_session(), self.asked.tool("get_weather")
        self.lists = [
            Client("modern list", lambda: self._use(modern("tools/list")), tool),
            Client("legacy list", lambda: self._use(legacy("tools/list", session=session)), tool),
        ]
        calls = [
            Client("modern call", lambda: self._use(modern("tools/call", tool)), "Berlin"),
            Client("legacy call", lambda: self._use(legacy("tools/call", tool, session)), "Berlin"),
        ]
        clients = [*self.lists, *calls]
        for client in clients:
            client.start()
        try:
            self._servers()
            if self.takes_secrets:
                self._credential()
            self._many()
            faults = []
        except Failure as failure:
            faults = [str(failure)]
        for client in clients:
            client.end()
        sent = sum(client.sent for client in clients)
        slowest = max(client.slowest for client in clients)
        lost = [fault for client in clients for fault in client.faults]
        step(f"{sent} requests under changes, {len(lost)} lost, the slowest {slowest:.1f} s; {'; '.join(self.times)}")
        # The first faults help most, so only five are shown.
        return [*faults, *lost[:5]]

    def _use(self, request: Request) -> Answer:
        return send(self.address(), request, self.asked.user)

    def _ask(self, request: Request) -> Answer:
        """Sends a request as an administrator, who may see and use all tools."""
        return send(self.address(), request, self.asked.admin)

    def _servers(self):
        self._apply(self._server("extra"))
        self._served("added", "extra", lambda: self._lists("extra__get_weather"))
        self._call("extra__get_weather")
        self._delete("extra")
        self._apply(self._server("other"))
        is_renamed = lambda: self._lists("other__get_weather") and not self._lists("extra__get_weather")
        self._served("renamed", "other", is_renamed)
        self._call("other__get_weather")
        self._delete("other")
        self._everywhere("removed", lambda: not self._lists("other__get_weather"))

    def _credential(self):
        """A header from a Secret needs a new variable of the proxy.

        So the pods of the proxy are replaced before clients get the server.
        """
        relay = self.here.relays["weather"]
        relay.marks |= {b"the-first-key": 0, b"the-second-key": 0}
        source = {"secretKeyRef": {"name": "key", "key": "token"}}
        header = {"name": "x-key", "valueFrom": source}
        self._apply(self._secret("the-first-key"), self._server("locked", headers=[header]))
        waits = lambda: self._condition("locked", "Programmed").get("reason") == "WaitingForProxies"
        until("the new server waits for pods", waits, WITHIN, lambda: self._condition("locked", "Programmed"))
        self._served("a credential added", "locked", lambda: self._lists("locked__get_weather"))
        self._call("locked__get_weather")
        if not relay.marks[b"the-first-key"]:
            raise Failure("the server got a request without its credential")
        self._apply(self._secret("the-second-key"))

        def is_rotated() -> bool:
            self._call("locked__get_weather")
            return bool(relay.marks[b"the-second-key"])

        self._timed("rotated", is_rotated)
        proxies = self.here.kubelet.proxies()
        self._delete("locked")
        self._everywhere("a credential removed", lambda: not self._lists("locked__get_weather"))
        # Without the server, the proxy loses the variable, so its pods are replaced again.
        until("the pods lose it", lambda: self.here.kubelet.proxies() != proxies, WITHIN)

    def _many(self):
        """Adds and removes many servers. A list would ask each of them, so no lists are sent in the meantime."""
        for client in self.lists:
            client.paused.set()
        names = [f"many-{number:03}" for number in range(MANY)]
        self._apply(*(self._server(name) for name in names))

        def are_served() -> bool:
            found = self.cluster.items(SERVER, "-n", NAMESPACE)
            ready = [one for one in found if _condition(one, "Ready").get("status") == "True"]
            return len(ready) == len(found) >= MANY

        self._timed(f"{MANY} servers", are_served)
        until("the last one answers", lambda: self._answers(f"{names[-1]}__get_weather"), WITHIN)
        self._delete(*names)
        left = lambda: self.cluster.items("httproutes", "-n", NAMESPACE)
        self._timed(f"{MANY} removed", lambda: not [one for one in left() if ".many-" in one["metadata"]["name"]])
        for client in self.lists:
            client.paused.clear()
        all_workers("lists are as before", lambda: not self._lists("many-000__get_weather"), WITHIN)

    def _apply(self, *objects: dict):
        self.started = time.monotonic()
        self.cluster.apply(list(objects))

    def _delete(self, *servers: str):
        self.started = time.monotonic()
        self.cluster.kubectl("delete", SERVER, *servers, "-n", NAMESPACE, "--wait=false")

    def _timed(self, what: str, ready: Callable[[], bool]):
        """Waits until `ready` is true, and records how long this took since the change."""
        until(what, ready, WITHIN)
        self.times.append(f"{what}: {time.monotonic() - self.started:.1f} s")

    def _served(self, what: str, server: str, is_right: Callable[[], bool]):
        """Waits until the server is ready, and `is_right` is true for all workers of the proxy."""
        until(f"{server} is ready", lambda: self._is_ready(server), WITHIN)
        self._everywhere(what, is_right)

    def _everywhere(self, what: str, is_right: Callable[[], bool]):
        """Waits until `is_right` is true for all workers of the proxy, and records how long this took since the change."""
        since = all_workers(what, is_right, WITHIN)
        self.times.append(f"{what}: {since - self.started:.1f} s")

    def _server(self, name: str, **more) -> dict:
        spec = {"targetRef": {"kind": "Service", "name": "weather", "port": PORT}} | more
        return {"apiVersion": API, "kind": "MCPServer", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}

    def _secret(self, value: str) -> dict:
        metadata = {"name": "key", "namespace": NAMESPACE}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"token": value}}

    def _condition(self, server: str, kind: str) -> dict:
        return _condition(self.cluster.get(SERVER, server, NAMESPACE) or {}, kind)

    def _is_ready(self, server: str) -> bool:
        return self._condition(server, "Ready").get("status") == "True"

    def _lists(self, tool: str) -> bool:
        answer = self._ask(modern("tools/list"))
        if "result" not in answer.message():
            raise Failure(f"a list: {answer}")
        return f'"{tool}"' in answer.text

    def _answers(self, tool: str) -> bool:
        message = self._ask(modern("tools/call", tool)).message()
        return "result" in message

    def _call(self, tool: str):
        answer = self._ask(modern("tools/call", tool))
        if "result" not in answer.message():
            raise Failure(f"a call of {tool}: {answer}")


def _condition(found: dict, kind: str) -> dict:
    conditions = found.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), {})
