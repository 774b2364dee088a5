"""The Helm chart of the controller, and the kustomize base made from it, with a real API server.

The test runs the commands of the page docs/operate/helm.md, except those that wait for pods. Helm gets the chart from
the registry that the page names, which `web.py` serves.
"""

import copy
import os
import re
import shutil
import subprocess
from pathlib import Path

import yaml

from lib import chart, oci
from lib.envoy import PROGRAM, ROOT, Failure, step

from .api import URL, Cluster, Refused, answers, dump, until
from .chart_values import ACCOUNT, DIGEST, MAY, MAY_NOT, NAMESPACE, REFUSED, VALUES
from .machine import Machine

PAGE = ROOT / "docs" / "operate" / "helm.md"
# The name of the chart in the registry of a release.
REPOSITORY = "example/charts/mcp-gateway"
RESTRICTED = "pod-security.kubernetes.io/enforce"
# The version of a chart that stands for an earlier one in the test of upgrades. It has this number,
# and CRDs without any fields.
EARLIER = "0.0.1"


# The objects that a user of the controller writes.
OBJECTS = [
    {
        "apiVersion": "mcp.kagenti.com/v1alpha1",
        "kind": "MCPGateway",
        "metadata": {"name": "mcp", "namespace": "mcp"},
        "spec": {"targetRef": {"name": "mcp"}, "authentication": {"anonymous": True}},
    },
    {
        "apiVersion": "mcp.kagenti.com/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": "weather", "namespace": "tools"},
        "spec": {"targetRef": {"kind": "Service", "name": "weather", "port": 8080}},
    },
]


def blocks() -> list[str]:
    """The blocks of commands on the page."""
    return re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


class Chart:
    """The checks.

    They run in a fixed order, since each one depends on the state that the previous one leaves in the cluster.
    """

    def __init__(self, machine: Machine):
        self.cluster: Cluster = machine.cluster
        self.work = machine.work / "chart"
        self.work.mkdir()
        folders = {f"HELM_{kind}_HOME": str(self.work / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        self.environment = os.environ | machine.environment() | folders
        self.version = chart.about()["version"]
        archive = chart.archive({"image": DIGEST, "controller": DIGEST})
        oci.chart(self.work / "layout", chart.about(), archive, {})
        machine.web.image(self.work / "layout", REPOSITORY, self.version)

    def run(self):
        step("the chart: lint, values, manifests")
        self.lints()
        self.refuses_values()
        self.manifests_are_taken()
        self.base_is_the_chart()
        self.workflow_is_well_formed()
        step("the chart: installation, rights, upgrade, uninstallation")
        self.commands_of_the_page()
        self.upgrades_from_an_earlier_version()

    def helm(self, *arguments: str | Path) -> str:
        return self._run(("helm", *arguments))

    def _run(self, command: tuple) -> str:
        """Runs a command, and returns its stdout. If it fails, the error contains its whole output."""
        done = subprocess.run(command, cwd=ROOT, env=self.environment, text=True, capture_output=True, timeout=300)
        if done.returncode:
            raise Refused(f"{' '.join(map(str, command))}:\n{done.stderr}{done.stdout}")
        return done.stdout

    def template(self, values: dict) -> str:
        file = self.work / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        return self.helm("template", ACCOUNT, chart.CHART, "--namespace", NAMESPACE, "--values", file)

    def lints(self):
        said = self.helm("lint", "--strict", chart.CHART)
        if "1 chart(s) linted, 0 chart(s) failed" not in said or "[WARNING]" in said:
            raise Failure(f"helm lint: {said}")

    def refuses_values(self):
        for value, part in REFUSED.items():
            try:
                self.helm("template", chart.CHART, "--set", value)
            except Refused as refused:
                if part not in str(refused):
                    raise Failure(f"{value} is refused without a word of {part}: {refused}") from refused
            else:
                raise Failure(f"helm takes {value}")

    def manifests_are_taken(self):
        """The API server, which knows each field, and Pod Security must accept the manifests of each set of values."""
        self.cluster.create_namespace(NAMESPACE, **{RESTRICTED: "restricted"})
        for name, (values, wanted) in VALUES.items():
            text = self.template(values)
            if missing := [part for part in wanted if part not in text]:
                raise Failure(f"the chart, {name}, lacks {missing}")
            manifests = [manifest for manifest in yaml.safe_load_all(text) if manifest]
            self.are_taken(name, manifests)
        monitor = [*yaml.safe_load_all(self.template({"metrics": {"serviceMonitor": {"enabled": True, "labels": {"team": "a"}}}}))]
        [monitor] = [manifest for manifest in monitor if manifest["kind"] == "ServiceMonitor"]
        [metrics] = [m for m in yaml.safe_load_all(self.template({})) if m["kind"] == "Service"]
        if not monitor["spec"]["selector"]["matchLabels"].items() <= metrics["metadata"]["labels"].items():
            raise Failure(f"the ServiceMonitor selects {monitor['spec']['selector']}, and the Service has {metrics['metadata']}")
        if monitor["spec"]["endpoints"][0]["port"] != metrics["spec"]["ports"][0]["name"]:
            raise Failure(f"the ServiceMonitor reads {monitor['spec']['endpoints']}")

    def are_taken(self, name: str, manifests: list[dict]):
        """The API server must accept the manifests, and the pod that the Deployment would create, without a warning."""
        [deployment] = [manifest for manifest in manifests if manifest["kind"] == "Deployment"]
        pod = copy.deepcopy(deployment["spec"]["template"])
        pod |= {"apiVersion": "v1", "kind": "Pod"}
        pod["metadata"] |= {"name": "one", "namespace": NAMESPACE}
        options = ("--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
        if warned := self.cluster.warned("apply", *options, text=dump([*manifests, pod])):
            raise Failure(f"the chart, {name}: {warned}")
        if not deployment["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items():
            raise Failure(f"the chart, {name}: the Deployment does not select its pods")

    def base_is_the_chart(self):
        if chart.BASE.read_text() != chart.base(self.cluster.programs["helm"] / "helm"):
            raise Failure("deploy/controller/controller.yaml is not what the chart gives; run ./scripts/chart --write")

    def workflow_is_well_formed(self):
        """The scripts in the workflow that publishes the chart and the images must be valid bash."""
        workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
        for name, job in workflow["jobs"].items():
            for at, script in enumerate(one["run"] for one in job["steps"] if "run" in one):
                if subprocess.run(("bash", "-n"), input=script, text=True).returncode:
                    raise Failure(f"release.yml: bash refuses script {at} of {name}")

    def commands_of_the_page(self):
        """Runs all commands of docs/operate/helm.md in the order of the page."""
        for namespace in ("mcp", "tools", "envoy-gateway-system"):
            self.cluster.create_namespace(namespace)
        # The CRDs may exist already from another test. Helm would not change them then, because it
        # has not created them.
        crds = [name for _, _, name in (one.split(" ") for one in self.kept())]
        self.cluster.kubectl("delete", "crd", "--ignore-not-found", *crds)
        before = self.objects()
        install, label, fewer, upgrade, uninstall, all_gone, base = blocks()
        self.bash(install)
        self.bash(label)
        self.is_installed()
        self.rights(all_secrets=True)
        self.bash(fewer)
        self.rights(all_secrets=False)
        self.bash(upgrade)
        self.rights(all_secrets=False)
        self.make_objects()
        self.controller_works()
        self.bash(uninstall)
        self.nothing_is_left(before | self.kept())
        self.objects_are_there()
        # Installs the chart again. The CRDs and the objects of the user still exist.
        self.bash(install)
        self.bash(all_gone)
        self.nothing_is_left(before)
        self.bash(base)
        self.is_installed()
        self.rights(all_secrets=True)
        self.cluster.kubectl("delete", "-k", ROOT / "deploy" / "controller")
        self.nothing_is_left(before)

    def bash(self, script: str):
        """Runs commands of the page, except those that wait for pods: no pods run here."""
        lines = [line for line in script.splitlines() if " rollout status " not in line]
        return self._run(("bash", "-ec", "\n".join(lines)))

    def objects(self) -> set[str]:
        """All objects of the kinds that the chart could leave behind: kind, namespace and name."""
        kinds = (
            "deployments,services,serviceaccounts,configmaps,secrets,roles,rolebindings,poddisruptionbudgets,"
            "networkpolicies,clusterroles,clusterrolebindings,customresourcedefinitions"
        )
        names = self.cluster.kubectl("get", kinds, "-A", "-o", 'jsonpath={range .items[*]}{.kind} {.metadata.namespace} {.metadata.name}{"\\n"}{end}')
        # Objects that Kubernetes creates in each namespace.
        of_namespaces = {"ServiceAccount default", "ConfigMap kube-root-ca.crt"}
        every = {tuple(line.split(" ")) for line in names.splitlines()}
        return {" ".join(one) for one in every if f"{one[0]} {one[-1]}" not in of_namespaces}

    def kept(self) -> set[str]:
        """The objects that remain after an uninstallation: the CRDs."""
        return {f"CustomResourceDefinition  {name}.mcp.kagenti.com" for name in ("mcpgateways", "mcpservers")}

    def nothing_is_left(self, wanted: set[str]):
        """The objects are these, as soon as the controllers of Kubernetes have deleted what depends on deleted objects."""
        left: set[str] = set()

        def is_so() -> bool:
            nonlocal left
            left = self.objects()
            return left == wanted

        differs = lambda: f"left behind: {sorted(left - wanted)}; gone: {sorted(wanted - left)}"
        until("the objects are those of before", is_so, last=differs)

    def is_installed(self, replicas: int = 2):
        """The Deployment is there with this number of replicas, and Kubernetes serves the CRDs of this version."""
        deployment = self.cluster.get("deployment", ACCOUNT, NAMESPACE)
        if deployment["spec"]["replicas"] != replicas or not self.cluster.get("pdb", ACCOUNT, NAMESPACE):
            raise Failure(f"installed was {deployment}")
        for source in sorted((ROOT / "deploy" / "crds").glob("mcp*.yaml")):
            wanted = yaml.safe_load(source.read_text())
            name = wanted["metadata"]["name"]
            self.cluster.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=60s", within=90)
            there = self.cluster.get("crd", name)
            schemas = lambda crd: [version["schema"]["openAPIV3Schema"] for version in crd["spec"]["versions"]]
            if schemas(there) != schemas(wanted):
                raise Failure(f"the chart has another CRD than {source.relative_to(ROOT)}")

    def rights(self, all_secrets: bool):
        """Asks the API server what the account of the controller may do."""
        may = [*MAY, *((verb, "secrets", "mcp") for verb in ("get", "create", "patch", "delete"))]
        elsewhere = [("get", "secrets", "kube-system"), ("patch", "secrets", NAMESPACE)]
        wanted = dict.fromkeys(may, True) | dict.fromkeys(MAY_NOT, False) | dict.fromkeys(elsewhere, all_secrets)
        wrong: dict = {}

        def is_so() -> bool:
            nonlocal wrong
            wrong = {question: answer for question, answer in self.allowed(list(wanted)).items() if answer != wanted[question]}
            return not wrong

        # The API server uses new roles a moment after it has stored them.
        until("the rights of the controller", is_so, last=lambda: f"other than wanted: {wrong}")

    def allowed(self, questions: list[tuple[str, str, str]]) -> dict[tuple[str, str, str], bool]:
        """Asks the same as `kubectl auth can-i`, but all questions at once."""
        reviews = []
        for verb, resource, namespace in questions:
            plural, _, group = resource.partition("/")[0].partition(".")
            attributes = {"verb": verb, "group": group, "resource": plural, "namespace": namespace}
            attributes["subresource"] = resource.partition("/")[2]
            spec = {"user": f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}", "resourceAttributes": attributes}
            reviews.append({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
        output = 'jsonpath={.status.allowed}{"\\n"}'
        said = self.cluster.kubectl("create", "-f", "-", "-o", output, text=dump(reviews)).splitlines()
        return {question: answer == "true" for question, answer in zip(questions, said, strict=True)}

    def controller_works(self):
        """Runs the controller with the arguments and variables of its pod and the rights of its account.

        It must write a status into each object.
        """
        pod = self.cluster.get("deployment", ACCOUNT, NAMESPACE)["spec"]["template"]["spec"]
        [container] = pod["containers"]
        token = self.cluster.kubectl("create", "token", pod["serviceAccountName"], "-n", NAMESPACE).strip()
        configuration = self.work / "controller.kubeconfig"
        configuration.write_text(yaml.safe_dump(self.configuration(token)))
        # The control planes on this machine may use the original ports.
        arguments = [argument.replace("=:808", "=127.0.0.1:1808") for argument in container["args"]]
        fields = {"metadata.name": "the-pod", "metadata.namespace": NAMESPACE}
        environment = {one["name"]: fields[one["valueFrom"]["fieldRef"]["fieldPath"]] for one in container["env"]}
        environment |= {"KUBECONFIG": str(configuration)}
        command = ("env", *(f"{name}={value}" for name, value in environment.items()), PROGRAM, *arguments)
        processes = self.cluster.processes
        processes.until("controller", lambda: answers("http://127.0.0.1:18081/readyz"), *command)
        try:
            until("a status of each object", lambda: all(map(self.status, OBJECTS)))
            lease = self.cluster.get("lease", ACCOUNT, NAMESPACE)
            if lease["spec"]["holderIdentity"] != "the-pod" or not answers("http://127.0.0.1:18082/metrics"):
                raise Failure(f"the controller has the Lease {lease}, and no metrics")
            log = processes.log("controller").read_text()
            if "forbidden" in log.lower():
                raise Failure(f"the chart gives too few rights:\n{log}")
        finally:
            processes.stop("controller")
        self.cluster.kubectl("delete", "lease", ACCOUNT, "-n", NAMESPACE)

    def configuration(self, token: str) -> dict:
        """A kubeconfig for the account with this token."""
        cluster = {"server": URL, "certificate-authority": str(self.cluster.authority.file)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "account", "user": {"token": token}}],
            "contexts": [{"name": "account", "context": {"cluster": "tests", "user": "account"}}],
            "current-context": "account",
        }

    def status(self, one: dict) -> list:
        """The conditions in the status of the object, which the controller has written."""
        there = self.cluster.get(one["kind"], one["metadata"]["name"], one["metadata"]["namespace"])
        return there.get("status", {}).get("conditions", [])

    def make_objects(self):
        self.cluster.apply(OBJECTS)

    def objects_are_there(self):
        for one in OBJECTS:
            if not self.cluster.get(one["kind"], one["metadata"]["name"], one["metadata"]["namespace"]):
                raise Failure(f"the {one['kind']} of a user has gone")

    def upgrades_from_an_earlier_version(self):
        """An upgrade with the command of the page keeps the values and the objects of users, and replaces the CRDs."""
        _, _, _, upgrade, _, all_gone, _ = blocks()
        before = self.objects()
        values = ("--set", "replicas=1", "--set", "logLevel=debug")
        self.helm("install", ACCOUNT, self.earlier(), "--namespace", NAMESPACE, "--create-namespace", *values)
        self.make_objects()
        self.bash(upgrade)
        self.is_installed(replicas=1)
        self.objects_are_there()
        [container] = self.cluster.get("deployment", ACCOUNT, NAMESPACE)["spec"]["template"]["spec"]["containers"]
        if container["image"] != f"ghcr.io/example/mcp-gateway-controller@{DIGEST}" or "--log-level=debug" not in container["args"]:
            raise Failure(f"after the upgrade the pods have {container}")
        self.helm("rollback", ACCOUNT, "1", "--namespace", NAMESPACE)
        self.objects_are_there()
        self.bash(upgrade)
        self.is_installed(replicas=1)
        self.bash(all_gone)
        self.nothing_is_left(before)

    def earlier(self) -> Path:
        folder = self.work / "earlier"
        shutil.copytree(chart.CHART, folder)
        about = folder / "Chart.yaml"
        about.write_text(about.read_text().replace(self.version, EARLIER))
        for file in (folder / "files" / "crds").glob("mcp*.yaml"):
            crd = yaml.safe_load(file.read_text())
            for version in crd["spec"]["versions"]:
                version["schema"]["openAPIV3Schema"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            file.write_text(yaml.safe_dump(crd))
        return folder
