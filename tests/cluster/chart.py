"""The Helm chart of the controller, and the kustomize base beside it, in a real API server.

The page docs/operate/helm.md is run as it stands: helm takes the chart from the registry that the page names.
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
# What the registry of a release calls the chart.
REPOSITORY = "example/charts/mcp-gateway"
RESTRICTED = "pod-security.kubernetes.io/enforce"
# A chart of an earlier version, as far as an upgrade can tell: another number, and a CRD that lacks what is new.
EARLIER = "0.0.1"


# What a user of the controller writes.
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
    """The commands of the page."""
    return re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


class Chart:
    """The checks, in their order; each leaves the cluster as the next one wants it."""

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
        """What it prints; it fails with all that it says."""
        done = subprocess.run(command, cwd=ROOT, env=self.environment, text=True, capture_output=True, timeout=120)
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
        """By the API server, which knows each field, and by Pod Security."""
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
        """With the pod that the Deployment would make."""
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
        """The workflow that publishes the chart and the images."""
        workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
        for name, job in workflow["jobs"].items():
            for at, script in enumerate(one["run"] for one in job["steps"] if "run" in one):
                if subprocess.run(("bash", "-n"), input=script, text=True).returncode:
                    raise Failure(f"release.yml: bash refuses script {at} of {name}")

    def commands_of_the_page(self):
        """docs/operate/helm.md from the top to its end."""
        for namespace in ("mcp", "tools", "envoy-gateway-system"):
            self.cluster.create_namespace(namespace)
        # They may be there, by other means than helm's, which would not touch them then.
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
        # Over the CRDs and the objects that have stayed.
        self.bash(install)
        self.bash(all_gone)
        self.nothing_is_left(before)
        self.bash(base)
        self.is_installed()
        self.rights(all_secrets=True)
        self.cluster.kubectl("delete", "-k", ROOT / "deploy" / "controller")
        self.nothing_is_left(before)

    def bash(self, script: str):
        """Commands of the page; nothing makes pods here that they could wait for."""
        lines = [line for line in script.splitlines() if " rollout status " not in line]
        return self._run(("bash", "-ec", "\n".join(lines)))

    def objects(self) -> set[str]:
        """All that the chart could leave behind, by kind and name."""
        kinds = (
            "deployments,services,serviceaccounts,configmaps,secrets,roles,rolebindings,poddisruptionbudgets,"
            "networkpolicies,clusterroles,clusterrolebindings,customresourcedefinitions"
        )
        names = self.cluster.kubectl("get", kinds, "-A", "-o", 'jsonpath={range .items[*]}{.kind} {.metadata.namespace} {.metadata.name}{"\\n"}{end}')
        # What Kubernetes puts into each namespace.
        of_namespaces = {"ServiceAccount default", "ConfigMap kube-root-ca.crt"}
        every = {tuple(line.split(" ")) for line in names.splitlines()}
        return {" ".join(one) for one in every if f"{one[0]} {one[-1]}" not in of_namespaces}

    def kept(self) -> set[str]:
        """What an uninstallation leaves."""
        return {f"CustomResourceDefinition  {name}.mcp.kagenti.com" for name in ("mcpgateways", "mcpservers")}

    def nothing_is_left(self, wanted: set[str]):
        if (left := self.objects()) != wanted:
            raise Failure(f"left behind: {sorted(left - wanted)}; gone: {sorted(wanted - left)}")

    def is_installed(self, replicas: int = 2):
        """With all that the manifests say, and CRDs that Kubernetes serves."""
        deployment = self.cluster.get("deployment", ACCOUNT, NAMESPACE)
        if deployment["spec"]["replicas"] != replicas or not self.cluster.get("pdb", ACCOUNT, NAMESPACE):
            raise Failure(f"installed was {deployment}")
        for source in sorted((ROOT / "deploy" / "crds").glob("mcp*.yaml")):
            wanted = yaml.safe_load(source.read_text())
            name = wanted["metadata"]["name"]
            self.cluster.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
            there = self.cluster.get("crd", name)
            schemas = lambda crd: [version["schema"]["openAPIV3Schema"] for version in crd["spec"]["versions"]]
            if schemas(there) != schemas(wanted):
                raise Failure(f"the chart has another CRD than {source.relative_to(ROOT)}")

    def rights(self, all_secrets: bool):
        """What the account of the controller may do, asked of the API server."""
        may = [*MAY, *((verb, "secrets", "mcp") for verb in ("get", "create", "patch", "delete"))]
        elsewhere = [("get", "secrets", "kube-system"), ("patch", "secrets", NAMESPACE)]
        wanted = dict.fromkeys(may, True) | dict.fromkeys(MAY_NOT, False) | dict.fromkeys(elsewhere, all_secrets)
        allowed = self.allowed(list(wanted))
        if wrong := {question: answer for question, answer in allowed.items() if answer != wanted[question]}:
            raise Failure(f"the controller may or may not, other than wanted: {wrong}")

    def allowed(self, questions: list[tuple[str, str, str]]) -> dict[tuple[str, str, str], bool]:
        """As `kubectl auth can-i` asks, all at once."""
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
        """The program with what the pod gives it, and the rights of the account: it says what is wrong with the objects."""
        pod = self.cluster.get("deployment", ACCOUNT, NAMESPACE)["spec"]["template"]["spec"]
        [container] = pod["containers"]
        token = self.cluster.kubectl("create", "token", pod["serviceAccountName"], "-n", NAMESPACE).strip()
        configuration = self.work / "controller.kubeconfig"
        configuration.write_text(yaml.safe_dump(self.configuration(token)))
        # Control planes beside it may have the ports.
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
        """A kubeconfig of an account."""
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
        """The conditions that the controller has written."""
        there = self.cluster.get(one["kind"], one["metadata"]["name"], one["metadata"]["namespace"])
        return there.get("status", {}).get("conditions", [])

    def make_objects(self):
        self.cluster.apply(OBJECTS)

    def objects_are_there(self):
        for one in OBJECTS:
            if not self.cluster.get(one["kind"], one["metadata"]["name"], one["metadata"]["namespace"]):
                raise Failure(f"the {one['kind']} of a user has gone")

    def upgrades_from_an_earlier_version(self):
        """As the page says it: the values stay, the CRDs are new, the users' objects stay."""
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
