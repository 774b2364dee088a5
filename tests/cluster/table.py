"""The tables of docs/reference/clusters.md: which versions run, and what each form answers."""

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
    """The page says what the tests ask."""
    text = PAGE.read_text()
    for table in (versions(), answers()):
        if table not in text:
            raise Failure(f"{PAGE.relative_to(ROOT)} lacks this table, which --tables prints:\n{table}")


def _cell(answer: dict, other: dict | None = None) -> str:
    """Status and meaning; the meaning of a deviation only where it is another."""
    says = answer["says"]
    if other and says == other["says"]:
        return str(answer["status"])
    return f"{answer['status']}, {says}"


def _title(whose: str) -> str:
    return PLANES.get(whose) or (FORMS[whose].title if whose in FORMS else f"mode `{whose}`")
