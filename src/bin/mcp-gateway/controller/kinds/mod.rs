//! The kinds that users write: `MCPServer` and `MCPGateway`. Their definitions in `deploy/crds` are
//! generated from these types.

mod crds;
mod gateway;
mod reference;
mod server;
mod structural;

pub(crate) use self::crds::{crds, yaml};
pub(crate) use self::gateway::{
    AllowedNamespaces, AuthenticationSpec, FromNamespaces, GatewayTarget, LabelSelector,
    MCPGateway, MCPGatewayStatus, SelectorOperator,
};
pub(crate) use self::reference::reference;
pub(crate) use self::server::{
    HeaderSource, MCPServer, MCPServerSpec, MCPServerStatus, SecretKey, TargetKind, TargetRef,
};

/// The API group of both kinds.
pub(crate) const GROUP: &str = "mcp.kagenti.com";

/// The lists of conditions are maps by `type`, so that a writer of one condition keeps the others.
fn conditions(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let item =
        generator.subschema_for::<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>();
    schemars::json_schema!({
        "type": "array",
        "items": item,
        "maxItems": 8,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}
