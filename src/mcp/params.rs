//! The parameters of a message, and `_meta` in them.

use std::borrow::Cow;

use super::json::{Error, Reader};
use super::lookalike::is_lookalike;
use super::message::Faults;

/// The parameters of a message: the object `params`, or none if it is absent.
#[derive(Default)]
#[cfg_attr(test, derive(Debug))]
pub struct Params<'a> {
    /// The JSON text of the object; `None` if it is absent.
    pub text: Option<&'a str>,
    members: Vec<(Cow<'a, str>, &'a str)>,
    /// `params._meta`.
    pub meta: Meta<'a>,
}

impl<'a> Params<'a> {
    /// The JSON text of the member `name`.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.member(name).map(|(_, value)| value)
    }

    /// The name and the JSON text of the member `name`.
    #[inline(never)]
    pub fn member(&self, name: &str) -> Option<(&Cow<'a, str>, &'a str)> {
        self.members
            .iter()
            .find(|(member, _)| member == name)
            .map(|(name, value)| (name, *value))
    }

    /// Whether there is a lookalike of the member `name`.
    pub fn has_lookalike(&self, name: &str) -> bool {
        self.members
            .iter()
            .any(|(member, _)| is_lookalike(member, &[name]))
    }

    /// Reads the object at the position of `reader`.
    pub(super) fn read(reader: &mut Reader<'a>, faults: &mut Faults) -> Result<Self, Error> {
        let start = reader.mark();
        let mut params = Self::default();
        let unique = reader.object(|reader, name| {
            let value = if name == "_meta" && reader.peek() == Some(b'{') {
                let start = reader.mark();
                params.meta = Meta::read(reader, faults)?;
                reader.since(start)
            } else {
                if name == "_meta" {
                    faults.not_rpc("params._meta must be an object");
                }
                reader.skip()?
            };
            if is_lookalike(&name, &["_meta"]) {
                faults.duplicate("params");
            }
            params.members.push((name, value));
            Ok(())
        })?;
        if !unique {
            faults.duplicate("params");
        }
        params.text = Some(reader.since(start));
        Ok(params)
    }
}

/// The JSON texts of the members of `params._meta` that this crate reads.
#[derive(Default)]
#[cfg_attr(test, derive(Debug))]
pub struct Meta<'a> {
    /// `io.modelcontextprotocol/protocolVersion`. It makes a request modern.
    pub protocol_version: Option<&'a str>,
    /// `io.modelcontextprotocol/clientCapabilities`
    pub client_capabilities: Option<&'a str>,
    /// `io.modelcontextprotocol/clientInfo`
    pub client_info: Option<&'a str>,
    /// `io.modelcontextprotocol/logLevel`
    pub log_level: Option<&'a str>,
    /// `io.modelcontextprotocol/related-task`
    pub related_task: Option<&'a str>,
    /// `progressToken`
    pub progress_token: Option<&'a str>,
    /// `traceparent` (W3C Trace Context)
    pub traceparent: Option<&'a str>,
    /// `tracestate` (W3C Trace Context)
    pub tracestate: Option<&'a str>,
    /// `baggage` (W3C Baggage)
    pub baggage: Option<&'a str>,
}

impl<'a> Meta<'a> {
    /// The names that MCP gives meaning to. The version is shown to policies, and the others decide
    /// what the message does.
    const NAMES: &'static [&'static str] = &[
        super::PROTOCOL_VERSION_KEY,
        super::CLIENT_CAPABILITIES_KEY,
        super::CLIENT_INFO_KEY,
        super::LOG_LEVEL_KEY,
        super::RELATED_TASK_KEY,
    ];

    /// Reads the object at the position of `reader`.
    fn read(reader: &mut Reader<'a>, faults: &mut Faults) -> Result<Self, Error> {
        let mut meta = Self::default();
        let unique = reader.object(|reader, name| {
            let value = Some(reader.skip()?);
            match name.as_ref() {
                super::PROTOCOL_VERSION_KEY => meta.protocol_version = value,
                super::CLIENT_CAPABILITIES_KEY => meta.client_capabilities = value,
                super::CLIENT_INFO_KEY => meta.client_info = value,
                super::LOG_LEVEL_KEY => meta.log_level = value,
                super::RELATED_TASK_KEY => meta.related_task = value,
                super::PROGRESS_TOKEN => meta.progress_token = value,
                "traceparent" => meta.traceparent = value,
                "tracestate" => meta.tracestate = value,
                "baggage" => meta.baggage = value,
                other if is_lookalike(other, Self::NAMES) => faults.duplicate("params._meta"),
                _ => {}
            }
            Ok(())
        })?;
        if !unique {
            faults.duplicate("params._meta");
        }
        Ok(meta)
    }
}
