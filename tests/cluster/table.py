"""The tables of docs/reference/clusters.md: the versions of the programs, and the answers of the forms."""

import re

from lib.envoy import ROOT, Failure

from . import programs
from .check import ANSWERS
from .forms import FORMS
from .questions import QUESTIONS

PAGE = ROOT / "docs" / "reference" / "clusters.md"
PLANES = {"envoy-gateway": "Envoy Gateway", "istio": "Istio"}
MODULES = {
    "Envoy Gateway": "envoy-gateway",
    "Istio": "istio",
    "Kubernetes": "kubernetes",
    "etcd": "etcd",
    "Helm": "helm",
}


def versions() -> str:
    lines = ["| program | version |", "|---|---|"]
    for title, name in MODULES.items():
        text = (programs.TOOLS / name / "go.mod").read_text()
        module, version = re.search(r"^(?:require )?\t?([\w./-]+) (v\S+)$", text, re.MULTILINE).groups()
        lines.append(f"| {title} | `{module}` {version} |")
    return "\n".join(lines)


def answers() -> str:
    lines = ["| request | answer |", "|---|---|"]
    for name, (title, _how) in QUESTIONS.items():
        found = ANSWERS[name]
        cell = _cell(found["all"])
        for whose, answer in found.get("but", {}).items():
            cell += f"; {_title(whose)}: {_cell(answer, found['all'])}"
        lines.append(f"| {title} | {cell} |")
    return "\n".join(lines)


def check():
    """Checks that the page has the tables."""
    text = PAGE.read_text()
    for table in (versions(), answers()):
        if table not in text:
            raise Failure(f"{PAGE.relative_to(ROOT)} lacks this table, which --tables prints:\n{table}")


def _cell(answer: dict, other: dict | None = None) -> str:
    """The status of an answer and its meaning. The meaning is left out if it is the same as that of `other`."""
    says = answer["says"]
    if other and says == other["says"]:
        return str(answer["status"])
    return f"{answer['status']}, {says}"


def _title(whose: str) -> str:
    return PLANES.get(whose) or (FORMS[whose].title if whose in FORMS else f"mode `{whose}`")
