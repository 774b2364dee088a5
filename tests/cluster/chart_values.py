"""Values that users may set in the chart, values that helm must refuse, and the rights of the controller."""

NAMESPACE, ACCOUNT = "mcp-system", "mcp-gateway"
DIGEST = f"sha256:{'0' * 64}"

# Values that users may set, and texts that the manifests must contain then.
VALUES = {
    "as it comes": ({}, ["replicas: 2", "image: ghcr.io/example/mcp-gateway-controller:", "mcpservers.mcp.kagenti.com"]),
    "images by digest": (
        {"image": {"digest": DIGEST}, "filterImage": {"repository": "registry.local:5000/filter", "digest": DIGEST}},
        [f"image: ghcr.io/example/mcp-gateway-controller@{DIGEST}", f"--image=registry.local:5000/filter@{DIGEST}"],
    ),
    "Envoy by itself": ({"target": "standalone", "envoyGatewayNamespace": ""}, ["--target=standalone", "--envoy-gateway-namespace=\n"]),
    "everything": (
        {
            "replicas": 3,
            "askServers": False,
            "logLevel": "debug",
            "extraArgs": ["--verbose"],
            "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/trusted/ca.crt"}],
            "imagePullSecrets": [{"name": "registry"}],
            "serviceAccount": {"name": "gateway", "annotations": {"example.com/role": "reader"}},
            "podDisruptionBudget": {"maxUnavailable": "50%"},
            "networkPolicy": {
                "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
                "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
            },
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
            "volumes": [{"name": "trusted", "configMap": {"name": "authorities"}}],
            "volumeMounts": [{"name": "trusted", "mountPath": "/trusted"}],
            "podAnnotations": {"example.com/team": "tools"},
            "podLabels": {"team": "tools"},
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "tools", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "priorityClassName": "system-cluster-critical",
            "nameOverride": "gateway",
            "fullnameOverride": "the-gateway",
        },
        ["replicas: 3", "--no-probe", "maxUnavailable: 50%", "- Egress", "name: the-gateway-metrics", "mountPath: /trusted"],
    ),
    "the least": (
        {
            "crds": {"enabled": False},
            "serviceAccount": {"create": False, "name": "mine"},
            "rbac": {"create": False},
            "podDisruptionBudget": {"enabled": False},
            "networkPolicy": {"enabled": False},
        },
        ["serviceAccountName: mine"],
    ),
}
# Values that helm must refuse, with a part of its error message.
REFUSED = {
    "replica=2": "replica",
    "replicas=-1": "replicas",
    "replicas=two": "replicas",
    "image.digest=sha256:abc": "digest",
    "image.repository=Example": "repository",
    "image.tag=a b": "tag",
    "target=nginx": "target",
    "logLevel=loud": "logLevel",
    "askServers=maybe": "askServers",
    "extraArgs={controller}": "extraArgs",
    "crds.keep=false": "keep",
    "rbac.secretNamespaces={Tools}": "secretNamespaces",
    "metrics.serviceMonitor.interval=often": "interval",
    "podDisruptionBudget.maxUnavailable=some": "maxUnavailable",
    "networkPolicy.metricsFrom=all": "metricsFrom",
    "serviceAccount.create=false": "set serviceAccount.name",
}
# What the controller may do, and what it may not do: the verb, the resource with its group, and the
# namespace.
MAY = [
    ("watch", "mcpservers.mcp.kagenti.com", ""),
    ("patch", "mcpgateways.mcp.kagenti.com/status", "tools"),
    ("list", "mcpserverregistrations.mcp.kuadrant.io", ""),
    ("watch", "gateways.gateway.networking.k8s.io", ""),
    ("create", "httproutes.gateway.networking.k8s.io", "mcp"),
    ("patch", "envoypatchpolicies.gateway.envoyproxy.io", "mcp"),
    ("delete", "envoyfilters.networking.istio.io", "mcp"),
    ("create", "requestauthentications.security.istio.io", "mcp"),
    ("patch", "configmaps", "mcp"),
    ("watch", "services", ""),
    ("create", "events.events.k8s.io", "tools"),
    ("create", "leases.coordination.k8s.io", NAMESPACE),
    ("create", "referencegrants.gateway.networking.k8s.io", "tools"),
    ("patch", "mcpgateways.mcp.kagenti.com", "mcp"),
    ("watch", "deployments.apps", ""),
]
MAY_NOT = [
    ("patch", "mcpservers.mcp.kagenti.com", "tools"),
    ("delete", "mcpgateways.mcp.kagenti.com", "tools"),
    ("patch", "mcpserverregistrations.mcp.kuadrant.io/status", "tools"),
    ("patch", "gateways.gateway.networking.k8s.io", "mcp"),
    ("create", "gatewayclasses.gateway.networking.k8s.io", ""),
    ("list", "secrets", ""),
    ("watch", "secrets", NAMESPACE),
    ("create", "services", "mcp"),
    ("create", "deployments.apps", "mcp"),
    ("create", "pods", "mcp"),
    ("create", "pods/exec", "mcp"),
    ("create", "serviceaccounts/token", NAMESPACE),
    ("patch", "customresourcedefinitions.apiextensions.k8s.io", ""),
    ("create", "clusterrolebindings.rbac.authorization.k8s.io", ""),
    ("escalate", "clusterroles.rbac.authorization.k8s.io", ""),
    ("impersonate", "users", ""),
    ("patch", "leases.coordination.k8s.io", NAMESPACE),
    ("create", "leases.coordination.k8s.io", "tools"),
    ("get", "nodes", ""),
]
