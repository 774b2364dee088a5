//! The headers of the calls that the gateway makes for a client.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

use crate::config::{Gateway, Server, ServerId};
use crate::gateway::routing::passthrough::{
    BAGGAGE, NamesOnly, connection_headers, is_static_header, passthrough_values, trace_headers,
};
use crate::http::Headers;
use crate::http::headers::HeaderLimit;
use crate::memory::OVERHEAD;
use crate::policy::Refusal;

/// The most bytes of a trace header in a call whose answer several clients share. A longer one is
/// left out: one client's headers must not make such a call fail. The headers of real traces are
/// shorter.
const MAX_SHARED_VALUE: usize = 512;

/// The most bytes of all trace headers in a call of the gateway. Further ones are left out. A server
/// may reset a request with very long headers, and the gateway would leave this server out of the
/// lists of all clients then. The limits of W3C Trace Context and W3C Baggage are 512 and 8,192 bytes.
const MAX_TRACE: usize = 9216;

/// A field of a call: its name and its value.
type HeaderField = (Cow<'static, str>, String);

/// The header fields of a call to a server. `Debug` shows the names only, since
/// values may be credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderFields(Vec<HeaderField>);

impl Deref for HeaderFields {
    type Target = [HeaderField];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl IntoIterator for HeaderFields {
    type Item = HeaderField;
    type IntoIter = std::vec::IntoIter<HeaderField>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<HeaderField> for HeaderFields {
    fn from_iter<I: IntoIterator<Item = HeaderField>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl Extend<HeaderField> for HeaderFields {
    fn extend<I: IntoIterator<Item = HeaderField>>(&mut self, fields: I) {
        self.0.extend(fields);
    }
}

impl fmt::Debug for HeaderFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NamesOnly(&self.0).fmt(f)
    }
}

/// The headers of a client's request that go into the calls that the gateway makes for it. No other
/// header of the request does. `Debug` shows the names only, since values may be credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CallerHeaders {
    trace: Rc<[(&'static str, String)]>,
    /// The headers that the configuration passes through to each server, in the order of the whole
    /// configuration, with the names that the server gets.
    passthrough: Rc<[Vec<(String, String)>]>,
}

impl CallerHeaders {
    /// Takes the headers that these `servers` get from the `headers` of a request.
    ///
    /// # Errors
    /// The configuration passes a header through to one of them, and the header is required but
    /// missing, or its value is not UTF-8 or contains control characters.
    pub fn of(headers: &Headers, gateway: &Gateway, servers: &[ServerId]) -> Result<Self, Refusal> {
        let connection_headers = connection_headers(headers);
        let passthrough = |server: &Server| {
            let mut fields = Vec::new();
            if servers.contains(&server.id) {
                for entry in &server.passthrough {
                    let values = passthrough_values(headers, &connection_headers, entry)?;
                    fields.extend(values.into_iter().map(|it| (entry.target.clone(), it)));
                }
            }
            Ok(fields)
        };
        let mut all = vec![Vec::new(); gateway.all_servers];
        for server in &gateway.servers {
            if let Some(place) = all.get_mut(server.id.index()) {
                *place = passthrough(server)?;
            }
        }
        let mut limit = HeaderLimit::new(MAX_TRACE);
        let trace = trace_headers(headers, &connection_headers);
        let trace = trace.filter(|(name, value)| limit.admits(name, value));
        Ok(Self {
            trace: trace.collect(),
            passthrough: all.into(),
        })
    }

    /// The headers that the configuration passes through to `server`: the names that the server
    /// gets, and the values.
    pub fn passthrough_headers(&self, server: ServerId) -> &[(String, String)] {
        self.passthrough
            .get(server.index())
            .map_or(&[], Vec::as_slice)
    }

    /// About how many bytes of memory they take up.
    pub fn size(&self) -> usize {
        let trace = self.trace.iter();
        let trace = trace.map(|(name, value)| field_size(name, value));
        let passthrough = self.passthrough.iter().flatten();
        let passthrough = passthrough.map(|(name, value)| field_size(name, value));
        trace.chain(passthrough).fold(0, usize::saturating_add)
    }

    /// All header fields for a call to `server`. If other clients may share the answer
    /// (`is_shared`), the headers that describe this client are left out.
    pub fn fields(&self, server: &Server, is_shared: bool) -> HeaderFields {
        let may_be_shared =
            |name: &str, value: &str| name != BAGGAGE && value.len() <= MAX_SHARED_VALUE;
        let trace = self.trace.iter().filter(|(name, value)| {
            let is_replaced = is_static_header(server, name)
                || server.passthrough.iter().any(|it| it.target == *name);
            !is_replaced && (!is_shared || may_be_shared(name, value))
        });
        let trace = trace.map(|(name, value)| (Cow::Borrowed(*name), value.clone()));
        trace
            .chain(header_fields(self.passthrough_headers(server.id)))
            .collect()
    }
}

impl fmt::Debug for CallerHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passthrough = self.passthrough.iter().map(|fields| NamesOnly(fields));
        f.debug_struct("CallerHeaders")
            .field("trace", &NamesOnly(&self.trace))
            .field("passthrough", &passthrough.collect::<Vec<_>>())
            .finish()
    }
}

/// About how many bytes of memory these fields take up.
pub fn size(fields: &[HeaderField]) -> usize {
    let sizes = fields.iter().map(|(name, value)| field_size(name, value));
    sizes.fold(0, usize::saturating_add)
}

fn field_size(name: &str, value: &str) -> usize {
    let text = name.len().saturating_add(value.len());
    text.saturating_add(OVERHEAD)
}

/// Names and values as fields of a call.
pub fn header_fields(pairs: &[(String, String)]) -> impl Iterator<Item = HeaderField> {
    let owned = |(name, value): &(String, String)| (Cow::Owned(name.clone()), value.clone());
    pairs.iter().map(owned)
}

/// The headers with fixed values that the configuration gives `server`, as fields
/// of a call.
pub fn static_headers(server: &Server) -> impl Iterator<Item = HeaderField> {
    let fields = server.headers.iter();
    fields.map(|(name, value)| (Cow::Owned(name.clone()), value.expose().to_owned()))
}
