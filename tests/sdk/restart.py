"""What happens to sessions if their server is restarted and has lost them."""

import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asks
from asks import Eras, Json
from check import Row, judge
from expected import Rule
from processes import CLIENTS, SERVERS, talk

SERVER = "typescript"
HERE_WITHIN = 120


class Restartable:
    """A server that can be restarted on the same port. It ends with the `with` block."""

    def __enter__(self) -> "Restartable":
        self.url = self._start("0")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def restart(self) -> None:
        self.__exit__()
        self._start(re.search(r":(\d+)/", self.url).group(1))

    def _start(self, port: str) -> str:
        command = [*SERVERS[SERVER].command, "--port", port]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return self.process.stdout.readline().split("listening on ")[1].strip()


class Restarts:
    def __init__(self, work: Path, server: Restartable, clients: tuple[str, ...]) -> None:
        self.work, self.server = work, server
        # The Inspector opens a session for each step, so it cannot hold one during the restart.
        self.clients = [name for name in clients if "restart" in CLIENTS[name].columns]
        self.direct: dict[str, list[Json]] = {}

    def check(self, way: str, url: str, table: list[Row]) -> None:
        """Lets all clients wait for one restart of the server, and writes the results into their rows."""
        direct = way == "directly"
        name = "" if direct else f"{SERVER}+"
        files = {client: self.work / f"{way}-{client}.go" for client in self.clients}
        for file in files.values():
            file.unlink(missing_ok=True)
            _here(file).unlink(missing_ok=True)
        asked = {client: asks.restarted(name.__add__, str(file)) for client, file in files.items()}
        with ThreadPoolExecutor(len(files) + 1) as pool:
            steps = {client: [ask.step for ask in its] for client, its in asked.items()}
            talks = {client: pool.submit(talk, CLIENTS[client], "legacy", [(url, its)]) for client, its in steps.items()}
            deadline = time.monotonic() + HERE_WITHIN
            while not all(_here(files[name]).exists() or talks[name].done() for name in files):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            self.server.restart()
            for file in files.values():
                file.touch()
        rows = {row.client: row for row in table if (row.way, row.mode) == (way, "legacy")}
        for client, told in talks.items():
            row, [answer] = rows[client], told.result()
            if "error" in answer:
                row.fail(SERVER, "restart", f"cannot connect: {answer['error']}")
                continue
            bases = self.direct.get(client) or [None] * len(asked[client])
            for ask, got, base in zip(asked[client], answer["steps"], bases):
                judge(row, SERVER, ask, got, base, Eras("legacy", "legacy"), Rule.SAME)
            if direct:
                self.direct[client] = answer["steps"]


def _here(file: Path) -> Path:
    return Path(f"{file}.here")
