"""Sends the requests of `questions` to every form, and compares the answers with `answers.json`."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

from lib.envoy import ROOT, Failure, step

from . import manifests
from .asking import Answer, modern, send
from .chart import Chart
from .forms import FORMS, Form
from .machine import Machine
from .questions import QUESTIONS, Asked, wrong
from .servers import GATEWAY
from .workers import all_workers

# This name stands for a check that sends each manifest to the API server. The other names are those
# of forms.
MANIFESTS = "manifests"
ANSWERS = json.loads((Path(__file__).resolve().parent / "answers.json").read_text())
# The `Host` of the clients, as it is in requests.
CLIENTS_HOST = f"\r\nhost: {GATEWAY}\r\n".encode()
FAULT = re.compile(r"\b(error|critical|warning|denied|rejected|refused)\b")
# The conditions that must be true in the status of each object that has them.
CONDITIONS = ("Accepted", "Programmed", "ResolvedRefs", "BackendsAvailable")
KINDS = {
    "envoy-gateway": (
        "gateways.gateway.networking.k8s.io,httproutes,envoyextensionpolicies,envoypatchpolicies,securitypolicies,"
        "clienttrafficpolicies,backendtrafficpolicies,backends"
    ),
    "istio": "gateways.gateway.networking.k8s.io,httproutes",
}


def controller(here: Machine):
    """Runs `cargo test --test controller`. `scripts/cluster` has built it before, since there is no internet here."""
    step("the controller")
    command = ("cargo", "test", "--offline", "--features", "controller", "--test", "controller")
    if subprocess.run(command, cwd=ROOT, env=os.environ | here.environment()).returncode:
        raise Failure(f"{' '.join(command)} failed")
    here.cluster.kubectl("delete", "mcpservers,mcpgateways", "--all-namespaces", "--all")
    here.cluster.kubectl("delete", "namespace", "--ignore-not-found", "infra", "team", "proxies", "mcp-system")


# These checks need an API server without a control plane, so that nothing else writes.
ALONE = {"chart": lambda here: Chart(here).run(), "controller": controller}


def run(here: Machine, names: list[str]):
    if unknown := set(names) - {*FORMS, MANIFESTS, *ALONE}:
        raise Failure(f"no form {', '.join(sorted(unknown))}; --list names them")
    names = names or [*ALONE, MANIFESTS, *FORMS]
    here.start("api")
    for name in ALONE:
        if name in names:
            ALONE[name](here)
    forms = {name: FORMS[name] for name in names if name in FORMS}
    here.start(*{form.plane: None for form in forms.values()})
    failed = []
    if MANIFESTS in names:
        step("sending each manifest to the API server")
        failed += manifests.check(here.cluster)
    failed += [fault for name, form in forms.items() for fault in ask(here, name, form)]
    if failed:
        raise Failure("\n".join(failed))


def ask(here: Machine, name: str, form: Form) -> list[str]:
    """Asks all questions of one form.

    Returns the faults, with lines of logs and statuses that help to find the cause.
    """
    started, before = time.monotonic(), {log: log.stat().st_size for log in form.logs(here)}
    try:
        url = form.apply(here)
        asked = Asked(
            url=url,
            relays=here.relays,
            user=here.issuer.token(),
            admin=here.issuer.token(role="admin"),
            issuer=here.issuer,
            prefix="" if form.mode == "policy" else "weather__",
        )
        ready(asked)
        faults = []
        for relay in here.relays.values():
            relay.marks[CLIENTS_HOST] = 0
        for question, (_title, how) in QUESTIONS.items():
            answer = how(asked)
            if fault := wrong(answer, wanted(question, name, form.plane, form.mode)):
                faults.append(f"  {question}: {fault}\n    {answer}")
        faults += hosts(here, form)
        faults += [*statuses(here, form), *(f"  {ended}" for ended in here.processes.ended())]
        faults += [] if faults else [f"  {fault}" for fault in form.controls(here, asked)]
    except Failure as failure:
        faults = [f"  {failure}", *statuses(here, form)]
    if faults:
        faults = [f"{name}:", *faults, *tails(here, form, before)]
    try:
        form.remove(here)
    except Failure as failure:
        faults.append(f"{name} is not gone: {failure}")
    step(f"{name}: {'wrong' if faults else 'as wanted'} in {time.monotonic() - started:.0f} s")
    return faults


def hosts(here: Machine, form: Form) -> list[str]:
    """The faults of the `Host` that servers got. In front of one server, the gateway forwards that of its client."""
    if form.mode == "policy":
        return []
    got = [name for name, relay in here.relays.items() if relay.marks[CLIENTS_HOST]]
    return [f"  the server {name} got the Host of the client" for name in got]


def wanted(question: str, form: str, plane: str, mode: str) -> dict:
    """The answer that is expected from this form: the common one, unless `but` has one for the form, its control
    plane or its mode.
    """
    answer = ANSWERS[question]
    own = answer.get("but", {})
    return next((own[name] for name in (form, plane, mode) if name in own), answer["all"])


def ready(asked: Asked, within: float = 180):
    """Waits until all workers of the proxy answer with a list in which no server is missing."""
    last = Answer(0, {}, "")

    def is_listed() -> bool:
        nonlocal last
        last = send(asked.url, modern("tools/list"), asked.admin, within=10)
        return last.status == 200 and asked.tool("get_weather") in last.text and not last.missing()

    all_workers("a list of each worker", is_listed, within, lambda: f"\n    the last answer: {last}")


def statuses(here: Machine, form: Form) -> list[str]:
    """The conditions of objects that are not true."""
    said = []
    for item in here.cluster.items(KINDS[form.plane]):
        status = item.get("status", {})
        parents = [*status.get("ancestors", []), *status.get("parents", []), *status.get("listeners", []), status]
        for condition in (one for parent in parents for one in parent.get("conditions", [])):
            # Nothing in the tests gives the Gateways of Envoy Gateway an address.
            as_it_is = condition.get("reason") == "AddressNotAssigned"
            if condition["type"] in CONDITIONS and condition["status"] != "True" and not as_it_is:
                at = f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}"
                said.append(f"  {at}: {condition['type']} is {condition['status']}: {condition.get('message')}")
    return said


def tails(here: Machine, form: Form, before: dict[Path, int]) -> list[str]:
    """The last lines of each log since `before` that may be about a fault."""
    lines = []
    for log in form.logs(here):
        said = log.read_bytes()[before.get(log, 0) :].decode(errors="replace").splitlines()
        kept = [line[:400] for line in said if FAULT.search(line)]
        lines += [f"  of {log}:", *(f"    {line}" for line in kept[-8:])]
    return lines
