"""Manifests against what is published of the kinds that they are of.

Gateway API's and Istio's are on npm, generated from their CRDs: the types refuse fields that there are
not, the schemas values. Envoy Gateway publishes its own nowhere that a package manager reads; the fields
that the manifests use of it are listed here, from its `api/v1alpha1`.
"""

import json
import subprocess

# A leaf is a type; None is anything; [x] a list of x.
TARGET_REF = {"group": str, "kind": str, "name": str}
HEADER = {"name": str, "values": [str]}
ENVOY_GATEWAY = {
    "Backend": {"endpoints": [{"fqdn": {"hostname": str, "port": int}, "ip": {"address": str, "port": int}}]},
    "BackendTrafficPolicy": {
        "targetRefs": [TARGET_REF],
        "retry": {"numRetries": int, "retryOn": {"triggers": [str]}},
        "responseOverride": [
            {
                "match": {
                    "statusCodes": [{"type": str, "value": int}],
                    "responseHeaders": [{"name": str, "value": {"type": str, "value": str}}],
                },
                "source": str,
                "response": {
                    "statusCode": int,
                    "contentType": str,
                    "body": {"type": str, "inline": str},
                    "header": {"set": [{"name": str, "value": str}]},
                },
            }
        ],
    },
    "ClientTrafficPolicy": {"targetRefs": [TARGET_REF], "connection": {"bufferLimit": str}},
    "EnvoyExtensionPolicy": {
        "targetRefs": [TARGET_REF],
        "wasm": [
            {
                "name": str,
                "rootID": str,
                "failOpen": bool,
                "code": {
                    "type": str,
                    "image": {"url": str, "sha256": str, "pullSecretRef": {"name": str}},
                    "http": {"url": str, "sha256": str},
                },
                "config": None,
                "env": {"hostKeys": [str]},
            }
        ],
    },
    "EnvoyPatchPolicy": {
        "targetRef": TARGET_REF,
        "type": str,
        "priority": int,
        "jsonPatches": [
            {"type": str, "name": str, "operation": {"op": str, "jsonPath": str, "path": str, "value": None}}
        ],
    },
    "EnvoyProxy": {
        "provider": {"type": str, "kubernetes": {"envoyDeployment": {"container": {"env": None}}}},
        "filterOrder": [{"name": str, "before": str, "after": str}],
        "telemetry": {
            "accessLog": {
                "settings": [
                    {"format": {"type": str, "json": None}, "sinks": [{"type": str, "file": {"path": str}}]}
                ]
            }
        },
    },
    "SecurityPolicy": {
        "targetRefs": [TARGET_REF],
        "cors": {"allowOrigins": [str], "allowMethods": [str], "allowHeaders": [str], "exposeHeaders": [str]},
        "jwt": {
            "providers": [{"name": str, "issuer": str, "audiences": [str], "remoteJWKS": {"uri": str}}]
        },
        "authorization": {
            "defaultAction": str,
            "rules": [
                {
                    "name": str,
                    "action": str,
                    "principal": {
                        "headers": [HEADER],
                        "jwt": {"provider": str, "claims": [{"name": str, "values": [str]}]},
                    },
                }
            ],
        },
    },
}

# Kinds of Kubernetes itself; the layer `cluster` asks a real API server about them.
KUBERNETES = ("v1", "apps")


def wrong(manifests, node):
    """What is wrong with them, a line each; `node` is where the npm packages are."""
    lines, published = [], []
    for manifest in manifests:
        group, kind = manifest["apiVersion"].split("/")[0], manifest["kind"]
        if group == "gateway.envoyproxy.io":
            lines += _fits(kind, manifest["spec"], ENVOY_GATEWAY[kind])
        elif group not in KUBERNETES:
            published.append(manifest)
    return lines + _types(published, node) + _values(published, node)


def _fits(at, value, shape):
    if shape is None:
        return []
    if isinstance(shape, dict) and isinstance(value, dict):
        unknown = [f"{at}.{key}: no such field" for key in value if key not in shape]
        return unknown + [line for key in value if key in shape for line in _fits(f"{at}.{key}", value[key], shape[key])]
    if isinstance(shape, list) and isinstance(value, list):
        return [line for i, item in enumerate(value) for line in _fits(f"{at}[{i}]", item, shape[0])]
    return [] if isinstance(shape, type) and type(value) is shape else [f"{at}: is {value!r}"]


def _package(manifest):
    package = "istio" if "istio.io/" in manifest["apiVersion"] else "gateway-api"
    return f"@kubernetes-models/{package}/{manifest['apiVersion']}/{manifest['kind']}"


def _types(manifests, node):
    """The compiler refuses a field too much in a literal, at any depth."""
    source = ""
    for i, manifest in enumerate(manifests):
        body = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
        source += f'import {{ {manifest["kind"]} as K{i} }} from "{_package(manifest)}";\n'
        source += f"new K{i}({json.dumps(body)});\n"
    (node / "manifests.ts").write_text(source)
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]
    done = subprocess.run(
        [node / "node_modules" / ".bin" / "tsc", *options, "manifests.ts"], cwd=node, text=True, capture_output=True
    )
    return done.stdout.splitlines() if done.returncode else []


def _values(manifests, node):
    script = "const manifests = JSON.parse(process.argv[2]);\nlet model;\n"
    for i, manifest in enumerate(manifests):
        script += f'model = (await import("{_package(manifest)}")).{manifest["kind"]};\n'
        script += f"try {{ new model(manifests[{i}]).validate(); }} catch (error) {{ console.log(String(error)); }}\n"
    (node / "manifests.mjs").write_text(script)
    done = subprocess.run(["node", "manifests.mjs", json.dumps(manifests)], cwd=node, text=True, capture_output=True)
    return (done.stdout + (done.stderr if done.returncode else "")).splitlines()
