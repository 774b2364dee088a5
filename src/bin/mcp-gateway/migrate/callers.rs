//! Who may call the migrated endpoint. The older gateway leaves this to policies of other
//! products.

use serde_json::{Value, json};

#[derive(clap::Args)]
pub(super) struct CallerArguments {
    /// Everyone may call the MCPGateway
    #[arg(long, conflicts_with_all = ["jwt_issuer", "jwt_audience", "jwks_uri"])]
    anonymous: bool,
    /// The issuer of the tokens of those who may call the MCPGateway
    #[arg(long, value_name = "ISSUER", requires_all = ["jwt_audience", "jwks_uri"])]
    jwt_issuer: Option<String>,
    /// An audience of these tokens; can be repeated
    #[arg(long, value_name = "AUDIENCE", requires = "jwt_issuer")]
    jwt_audience: Vec<String>,
    /// Where the keys of the issuer are
    #[arg(long, value_name = "URL", requires = "jwt_issuer")]
    jwks_uri: Option<String>,
}

impl CallerArguments {
    pub(super) fn is_given(&self) -> bool {
        self.anonymous || self.jwt_issuer.is_some()
    }

    /// The `authentication` of an `MCPGateway`; `None` if no option says who may call.
    pub(super) fn authentication(&self) -> Option<Value> {
        if self.anonymous {
            return Some(json!({"anonymous": true}));
        }
        let issuer = self.jwt_issuer.as_ref()?;
        Some(json!({"jwt": {
            "issuer": issuer,
            "audiences": self.jwt_audience,
            "jwksURI": self.jwks_uri,
        }}))
    }
}
