"""The MCP servers behind the gateways: the example servers. Each one runs in a pod, behind a relay."""

import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

from lib.envoy import Processes

from .api import until
from .pods import Pod, listens

PORT = 8080
# The address of each server, and its host names in the manifests.
SERVERS = {
    "weather": ("10.77.1.1", ("weather.mcp.svc.cluster.local", "weather.example.com")),
    "calendar": ("10.77.1.2", ("calendar.mcp.svc.cluster.local", "calendar.example.com")),
}
NAMES = {host: address for address, hosts in SERVERS.values() for host in hosts}
# The host of the gateway. In front of one server, the gateway forwards the Host of its client, so
# the servers accept this host, too.
GATEWAY = "mcp.example.com"
# If a request contains this text, the relay closes the connection without an answer.
BREAKS = b"the server breaks off"


def start(processes: Processes, examples: Path) -> dict[str, "Relay"]:
    relays = {}
    for name, (address, hosts) in SERVERS.items():
        pod = Pod(address)
        allowed = [word for host in (*hosts, GATEWAY) for word in ("--host", host)]
        url = processes.server(name, *pod.enter, examples / name, *allowed)
        relays[name] = Relay(pod, urlsplit(url).port)
    return relays


class Relay:
    """Forwards connections to the server, and counts requests. It closes the connection of a request with BREAKS."""

    def __init__(self, pod: Pod, to: int):
        self.address, self.to = pod.address, to
        # The number of requests whose connections it has closed, and the number of pieces of
        # requests that it has got.
        self.broken, self.received = 0, 0
        # Texts that are searched in requests, and how many pieces of requests had each of them.
        self.marks: dict[bytes, int] = {}
        pod.run(self._accept)
        until("a server", lambda: listens(pod.address, PORT))

    def _accept(self):
        listener = socket.create_server((self.address, PORT), backlog=512)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket):
        with client, socket.create_connection(("127.0.0.1", self.to)) as server:
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            last = b""
            try:
                while data := client.recv(65536):
                    self.received += 1
                    for mark in [mark for mark in self.marks if mark in data]:
                        self.marks[mark] += 1
                    if BREAKS in last + data:
                        self.broken += 1
                        client.shutdown(socket.SHUT_RDWR)
                        return
                    last = data[-len(BREAKS) :]
                    server.sendall(data)
                server.shutdown(socket.SHUT_WR)
                back.join()
            except OSError:
                pass


def _copy(source: socket.socket, to: socket.socket):
    try:
        while data := source.recv(65536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass
