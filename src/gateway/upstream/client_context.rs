//! The data of a client that goes into the calls that the gateway makes for it.

use std::fmt;

use crate::gateway::routing::call_headers::CallerHeaders;
use crate::mcp::client_capabilities::DeclaredCapabilities;
use crate::mcp::era::Era;
use crate::mcp::message::{Meta, Params};
use crate::mcp::{self, json, version};
use crate::memory::OVERHEAD;
use crate::policy::Refusal;
use crate::policy::export::LONGEST;

/// The longest capabilities of a client, in bytes. Longer ones do not fit into a session id.
const LONGEST_CAPABILITIES: usize = 2048;

/// The longest `clientInfo`, in bytes. A longer one is left out of a session id.
const LONGEST_INFO: usize = 1024;

/// The data of the client's request that goes into each call for it. No other data of the request
/// does.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientContext {
    /// The client's era.
    pub era: Era,
    /// The protocol version of its request, or of its session.
    pub version: String,
    /// Its capabilities.
    pub capabilities: DeclaredCapabilities,
    /// The JSON text of its `clientInfo`.
    pub info: Option<String>,
    /// The headers of its request that servers get.
    pub headers: CallerHeaders,
}

impl ClientContext {
    /// Takes the data from the `_meta` of a modern request. `headers` are the headers of the
    /// request that servers get.
    ///
    /// # Errors
    /// A required member is missing. Or a member is too long, since every call repeats it.
    pub fn of(meta: &Meta<'_>, headers: CallerHeaders) -> Result<Self, Refusal> {
        let version = meta.protocol_version.and_then(json::string);
        let capabilities = meta
            .client_capabilities
            .ok_or(Refusal::MetaMissing(mcp::CLIENT_CAPABILITIES_KEY))?;
        bounded(capabilities, "clientCapabilities", LONGEST)?;
        bounded(meta.client_info.unwrap_or_default(), "clientInfo", LONGEST)?;
        Ok(Self {
            era: Era::Modern,
            version: version
                .ok_or(Refusal::MetaMissing(mcp::PROTOCOL_VERSION_KEY))?
                .into_owned(),
            capabilities: capabilities.into(),
            info: meta.client_info.map(str::to_owned),
            headers,
        })
    }

    /// Takes the data from the parameters of `initialize` (MCP 2025-11-25, "Lifecycle"). If the
    /// gateway does not support the version, it takes the newest legacy version that it supports.
    ///
    /// # Errors
    /// The capabilities are too long.
    pub fn of_initialize(params: &Params<'_>, headers: CallerHeaders) -> Result<Self, Refusal> {
        let asked = params.get("protocolVersion").and_then(json::string);
        let spoken = asked.and_then(|asked| version::legacy(&asked));
        let object = |name| params.get(name).filter(|text| text.starts_with('{'));
        let capabilities = object("capabilities").unwrap_or("{}");
        bounded(capabilities, "capabilities", LONGEST_CAPABILITIES)?;
        let info = object("clientInfo").filter(|info| info.len() <= LONGEST_INFO);
        Ok(Self {
            era: Era::Legacy,
            version: spoken.unwrap_or(version::NEWEST_LEGACY).to_owned(),
            capabilities: capabilities.into(),
            info: info.map(str::to_owned),
            headers,
        })
    }

    /// About how many bytes of memory it takes up.
    pub fn size(&self) -> usize {
        let info = self.info.as_ref().map_or(0, String::len);
        let sizes = [
            self.capabilities.json.len(),
            info,
            self.headers.size(),
            OVERHEAD,
        ];
        sizes.into_iter().fold(0, usize::saturating_add)
    }

    /// The version of a modern client. The gateway uses it for modern servers that support it.
    pub fn modern_version(&self) -> Option<&str> {
        (self.era == Era::Modern).then_some(self.version.as_str())
    }
}

/// `Debug` does not show the headers, which may be credentials.
impl fmt::Debug for ClientContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientContext")
            .field("era", &self.era)
            .field("version", &self.version)
            .field("capabilities", &self.capabilities.json)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

fn bounded(text: &str, what: &'static str, longest: usize) -> Result<(), Refusal> {
    if text.len() > longest {
        return Err(Refusal::TooLong(what, longest));
    }
    Ok(())
}
