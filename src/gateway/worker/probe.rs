//! Probes: requests that the gateway sends for itself, to learn which era a server is of and
//! whether it answers. Their body has no data of a client. So no client decides what the gateway
//! remembers about a server.

use std::time::Duration;

use crate::config::{Gateway, Protocol, Server};
use crate::gateway::routing::call_headers::{self, CallerHeaders};
use crate::gateway::upstream::call::{Call, CallContent, CallId, UpstreamRequest};
use crate::gateway::upstream::call_result::CallResult;
use crate::gateway::upstream::call_writer::CallSpec;
use crate::gateway::upstream::client_context::ClientContext;
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::gateway::worker::failed_servers::RetryTimes;
use crate::gateway::worker::{Scope, Worker};
use crate::mcp::era::Era;
use crate::mcp::version;

/// How often the gateway asks a server for its era because of unexpected answers, at most: clients
/// can cause such answers.
const DOUBT_INTERVAL: Duration = Duration::from_secs(5);

impl Worker {
    /// A server failed, or answered differently than a server of its era does. Perhaps another
    /// server has replaced it, or the client's request is the reason. To learn this, the gateway
    /// asks the server for its era with a request of its own.
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

    /// Asks a server that is left out again, with a request of the gateway's own, if its last
    /// failure is as old as `ttl`. `scope` is the digest of `passed`, the client's headers that the
    /// server gets.
    pub fn ask_again(
        &mut self,
        gateway: &Gateway,
        server: &Server,
        ttl: Duration,
        (scope, passed): (Option<Scope>, &[(String, String)]),
    ) {
        let key = (server.name.clone(), scope);
        let timeout = server.timeout;
        let times = RetryTimes { ttl, timeout };
        let now = self.now();
        if let Some(request) = self.failed.ask_again(&key, now, times) {
            self.probe(gateway, server, request, passed);
        }
    }

    /// Sends `request` to `server`. The only data of a client are the headers `passed`, which the
    /// configuration passes through.
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

    /// Remembers the result of a [probe](Call::is_probe).
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
            // The client's headers, or missing ones, may be the reason for this answer. Whether the
            // server opens a session shows more.
            CallResult::Legacy
                if server.gets_client_headers()
                    && self.servers.era(server) != Some(Era::Legacy) =>
            {
                self.probe(gateway, server, UpstreamRequest::Initialize, &passed);
            }
            CallResult::Legacy | CallResult::Opened(..) => {
                self.servers.remember_legacy(&server.name);
            }
            CallResult::Failed(failure) if failure.is_servers_own() => {
                let key = (server.name.clone(), scope);
                // If the server is left out already, the failure is renewed. Otherwise the next
                // list shows whether the server fails.
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
