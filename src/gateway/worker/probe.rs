//! Probes: requests of the gateway's own, beside the traffic, that show which era a
//! server is of and whether it answers. They have nothing of a client in their body, so
//! that no client decides what is remembered of a server.

use std::time::Duration;

use crate::config::{Gateway, Protocol, Server};
use crate::gateway::routing::call_headers::{self, CallerHeaders};
use crate::gateway::upstream::call::{Call, CallContent, CallId, UpstreamRequest};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::call_writer::CallSpec;
use crate::gateway::upstream::client_context::ClientContext;
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::gateway::worker::{Scope, Worker};
use crate::mcp::era::Era;
use crate::mcp::version;

/// A server whose answers are not as expected is asked for its era so often at most:
/// clients can cause such answers.
const DOUBT_INTERVAL: Duration = Duration::from_secs(5);

impl Worker {
    /// A server failed or answered otherwise than a server of its era does. It may have
    /// been replaced by another one, or the client that asked is the reason. Only the
    /// server itself can tell: it is asked, beside the traffic.
    pub fn doubt(&mut self, gateway: &Gateway, server: &Server, passed: &[(String, String)]) {
        let is_known = self.servers.era(server).is_some();
        let now = self.now();
        if server.protocol != Protocol::Legacy
            && is_known
            && self.servers.is_doubt_due(&server.name, now, DOUBT_INTERVAL)
        {
            self.probe(gateway, server, UpstreamRequest::Discover, passed);
        }
    }

    /// Asks a server that is left out again, beside the traffic, when it is time. `scope`
    /// stands for the headers `passed`, which the server gets of the client.
    pub fn ask_again(
        &mut self,
        gateway: &Gateway,
        server: &Server,
        scope: Option<Scope>,
        passed: &[(String, String)],
    ) {
        let key = (server.name.clone(), scope);
        let times = (gateway.failed_server_ttl, server.timeout);
        let now = self.now();
        if let Some(request) = self.failed.ask_again(&key, now, times) {
            self.probe(gateway, server, request, passed);
        }
    }

    /// Sends `request` to `server`, with nothing of a client but the headers `passed`,
    /// which the configuration passes through.
    fn probe(
        &mut self,
        gateway: &Gateway,
        server: &Server,
        request: UpstreamRequest,
        passed: &[(String, String)],
    ) {
        let gateways_own = ClientContext {
            era: Era::Modern,
            version: version::NEWEST_MODERN.to_owned(),
            capabilities: "{}".into(),
            info: Some(gateway.client_info.clone()),
            headers: CallerHeaders::default(),
        };
        let protocol = match request {
            UpstreamRequest::Initialize => UpstreamProtocol::Legacy(None),
            _ => {
                let known = self.servers.modern_version(&server.name, None);
                UpstreamProtocol::Modern(known.unwrap_or(version::NEWEST_MODERN))
            }
        };
        let spec = CallSpec {
            id: CallId(0),
            rpc_id: self.next_id(),
            content: &CallContent::Mcp(request),
            share: None,
            timeout: server.timeout,
        };
        let mut call = gateways_own.call(gateway, server, &protocol, spec);
        call.id = None;
        call.headers.extend(call_headers::header_fields(passed));
        self.outbox.push(call);
    }

    /// Remembers what the answer to a [probe](Call::is_probe) shows.
    pub(super) fn learn(&mut self, call: &Call, answer: &CallResult, gateway: &Gateway) {
        let (Some(server), CallContent::Mcp(request)) =
            (gateway.server(call.server), &call.content)
        else {
            return;
        };
        let passed = call.passed(server);
        let scope = self.scope(&passed);
        let now = self.now();
        match answer {
            CallResult::Discovered(description) => {
                let known = &mut self.servers;
                known.remember_modern(&server.name, &description.modern_versions);
                known.remember_description((&server.name, scope), description.clone(), now);
            }
            CallResult::OtherVersion(version) => {
                self.servers.remember_modern(&server.name, &[version]);
            }
            // A client's headers, or that they are missing, may be the reason: a session
            // shows more.
            CallResult::Legacy
                if !server.passthrough.is_empty()
                    && self.servers.era(server) != Some(Era::Legacy) =>
            {
                self.probe(gateway, server, UpstreamRequest::Initialize, &passed);
            }
            CallResult::Legacy | CallResult::Opened(..) => {
                self.servers.remember_legacy(&server.name);
            }
            CallResult::Failed(failure) if failure.is_servers_own() => {
                let key = (server.name.clone(), scope);
                // It is left out already, or else the next list shows by itself.
                if self.failed.failure(&key).is_some() {
                    self.failed.fail(key, failure.clone(), request.clone(), now);
                }
                return;
            }
            _ => {}
        }
        let was_left_out = self.failed.answered(&(server.name.clone(), scope));
        if was_left_out && self.servers.set_failing(&server.name, false) {
            let line = format!("server {} answers again", server.name);
            self.notices.push((log::Level::Info, line));
        }
    }
}
