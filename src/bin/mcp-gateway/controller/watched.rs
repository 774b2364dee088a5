//! The kinds that the controller watches.

/// A kind that the controller watches.
#[derive(Debug)]
pub(crate) struct WatchedKind {
    pub(crate) group: &'static str,
    /// Its possible versions, the best one first.
    pub(crate) versions: &'static [&'static str],
    pub(crate) kind: &'static str,
    /// The name of its objects in a snapshot: the kind, or another name if only some objects of the
    /// kind are watched.
    pub(crate) key: &'static str,
    pub(crate) plural: &'static str,
    /// Which of its objects are watched.
    pub(crate) scope: WatchScope,
}

/// Which objects of a kind are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchScope {
    All,
    /// The objects that this program has written.
    Written,
    /// The objects that have a label with this name.
    Labelled(&'static str),
}

impl WatchedKind {
    const fn all(
        group: &'static str,
        versions: &'static [&'static str],
        kind: &'static str,
        plural: &'static str,
    ) -> Self {
        Self {
            group,
            versions,
            kind,
            key: kind,
            plural,
            scope: WatchScope::All,
        }
    }

    const fn written(
        group: &'static str,
        versions: &'static [&'static str],
        kind: &'static str,
        plural: &'static str,
    ) -> Self {
        Self {
            scope: WatchScope::Written,
            ..Self::all(group, versions, kind, plural)
        }
    }

    /// The Deployments of proxies, which have the label `label`.
    const fn proxies(key: &'static str, label: &'static str) -> Self {
        Self {
            key,
            scope: WatchScope::Labelled(label),
            ..Self::all("apps", V1, "Deployment", "deployments")
        }
    }

    /// `group/version`, or only the version for the core group.
    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group)
        }
    }
}

/// The group of the Gateway API.
pub(crate) const GATEWAY_API: &str = "gateway.networking.k8s.io";
/// The group of Envoy Gateway.
pub(crate) const ENVOY_GATEWAY: &str = "gateway.envoyproxy.io";

/// The names, in a snapshot, of the Deployments of proxies of Envoy Gateway and Istio. Each
/// Deployment has a label with the name of its Gateway.
pub(crate) const ENVOY_GATEWAY_PROXIES: &str = "Deployment of Envoy Gateway";
pub(crate) const ENVOY_GATEWAY_OWNER: &str = "gateway.envoyproxy.io/owning-gateway-name";
pub(crate) const ISTIO_PROXIES: &str = "Deployment of Istio";
pub(crate) const ISTIO_OWNER: &str = "gateway.networking.k8s.io/gateway-name";

const ALPHA: &[&str] = &["v1alpha1"];
const V1ALPHA3: &[&str] = &["v1alpha3"];
const V1: &[&str] = &["v1"];

/// All kinds. The controller neither reads nor writes objects of other kinds.
pub(crate) const KINDS: &[WatchedKind] = &[
    WatchedKind::all(super::kinds::GROUP, ALPHA, "MCPServer", "mcpservers"),
    WatchedKind::all(super::kinds::GROUP, ALPHA, "MCPGateway", "mcpgateways"),
    WatchedKind::all(
        "mcp.kuadrant.io",
        &["v1", "v1alpha1"],
        "MCPServerRegistration",
        "mcpserverregistrations",
    ),
    WatchedKind::all("", V1, "Namespace", "namespaces"),
    WatchedKind::all("", V1, "Service", "services"),
    WatchedKind::all(GATEWAY_API, V1, "GatewayClass", "gatewayclasses"),
    WatchedKind::all(GATEWAY_API, V1, "Gateway", "gateways"),
    WatchedKind::all(GATEWAY_API, V1, "HTTPRoute", "httproutes"),
    WatchedKind::all(
        GATEWAY_API,
        &["v1", "v1beta1"],
        "ReferenceGrant",
        "referencegrants",
    ),
    WatchedKind::written(
        GATEWAY_API,
        &["v1", "v1alpha3"],
        "BackendTLSPolicy",
        "backendtlspolicies",
    ),
    WatchedKind::all(ENVOY_GATEWAY, ALPHA, "Backend", "backends"),
    WatchedKind::written(
        ENVOY_GATEWAY,
        ALPHA,
        "BackendTrafficPolicy",
        "backendtrafficpolicies",
    ),
    WatchedKind::written(
        ENVOY_GATEWAY,
        ALPHA,
        "ClientTrafficPolicy",
        "clienttrafficpolicies",
    ),
    WatchedKind::written(
        ENVOY_GATEWAY,
        ALPHA,
        "EnvoyExtensionPolicy",
        "envoyextensionpolicies",
    ),
    WatchedKind::written(
        ENVOY_GATEWAY,
        ALPHA,
        "EnvoyPatchPolicy",
        "envoypatchpolicies",
    ),
    WatchedKind::written(ENVOY_GATEWAY, ALPHA, "EnvoyProxy", "envoyproxies"),
    WatchedKind::written(ENVOY_GATEWAY, ALPHA, "HTTPRouteFilter", "httproutefilters"),
    WatchedKind::written(ENVOY_GATEWAY, ALPHA, "SecurityPolicy", "securitypolicies"),
    WatchedKind::written(
        "networking.istio.io",
        V1ALPHA3,
        "EnvoyFilter",
        "envoyfilters",
    ),
    WatchedKind::written("networking.istio.io", V1, "ServiceEntry", "serviceentries"),
    WatchedKind::written(
        "security.istio.io",
        V1,
        "RequestAuthentication",
        "requestauthentications",
    ),
    WatchedKind::written(
        "security.istio.io",
        V1,
        "AuthorizationPolicy",
        "authorizationpolicies",
    ),
    WatchedKind::written("", V1, "ConfigMap", "configmaps"),
    WatchedKind::written("apps", V1, "Deployment", "deployments"),
    WatchedKind::proxies(ENVOY_GATEWAY_PROXIES, ENVOY_GATEWAY_OWNER),
    WatchedKind::proxies(ISTIO_PROXIES, ISTIO_OWNER),
];

/// The kind with the name `kind`.
pub(crate) fn of_kind(kind: &str) -> Option<&'static WatchedKind> {
    KINDS.iter().find(|it| it.key == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_kind_is_there_once() {
        let kinds: BTreeSet<&str> = KINDS.iter().map(|it| it.key).collect();
        assert_eq!(kinds.len(), KINDS.len());
    }
}
