//! If there is a second modern version, the gateway also works with servers that support only one
//! of the two.

use std::rc::Rc;
use std::time::Duration;

use wasm_bindgen_test::wasm_bindgen_test;

use super::operation::CallerIdentity;
use super::tests::value;
use super::*;
use crate::config::Config;
use crate::gateway::routing::call_headers::CallerHeaders;
use crate::gateway::session::{Session, SessionPart};
use crate::gateway::store::NoStore;
use crate::gateway::upstream::call::{CallContent, CallResponse, UpstreamRequest};
use crate::gateway::upstream::protocol::UpstreamProtocol;
use crate::mcp;
use crate::mcp::capabilities::ServerCapabilities;
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;

const OLD: &str = "2026-07-28";
const NEW: &str = "2027-01-01";

struct Gate {
    gateway: Gateway,
    worker: Worker,
}

/// A gateway that supports both versions, with one server that has this configuration.
fn gate(rest: &str) -> Gate {
    let config = format!(r#"{{"servers":[{{"name":"a"{rest}}}]}}"#);
    let gateway = Config::parse(config.as_bytes()).unwrap().gateway.unwrap();
    let mut worker = Worker::new(|| Duration::from_secs(1), |b| b.fill(1), Box::new(NoStore));
    worker.servers.modern_versions = &[NEW, OLD];
    Gate { gateway, worker }
}

fn modern(version: &str) -> Requester {
    Requester {
        caller: ClientContext {
            era: Era::Modern,
            version: version.into(),
            capabilities: "{}".into(),
            info: None,
            headers: CallerHeaders::default(),
        },
        session: None,
        who: CallerIdentity::Anyone,
    }
}

/// A legacy client, whose session has the server as a modern one.
fn legacy() -> Requester {
    let mut requester = modern("2025-11-25");
    requester.caller.era = Era::Legacy;
    let session = Session {
        id: [0; 16],
        version: "2025-11-25",
        capabilities: "{}".into(),
        info: None,
        parts: vec![SessionPart::Modern {
            offers: ServerCapabilities::TOOLS,
        }],
        joined: Vec::new(),
    };
    requester.session = Some(Rc::new(session));
    requester
}

/// The answer of a server that supports only these versions, as the specification defines it.
fn answer(call: &Call, supported: &[&str]) -> CallResponse {
    let supported = serde_json::to_string(supported).unwrap();
    let asked = value(call, mcp::PROTOCOL_VERSION_HEADER).unwrap_or_default();
    let body = String::from_utf8(call.body.clone()).unwrap();
    assert!(
        body.contains(asked),
        "header and body differ: {asked} {body}"
    );
    let is_spoken = supported.contains(asked);
    let (status, answer) = match &call.content {
        _ if !is_spoken => (
            400,
            format!(
                r#""error":{{"code":-32022,"message":"m","data":{{"supported":{supported},"requested":"{asked}"}}}}"#
            ),
        ),
        CallContent::Mcp(UpstreamRequest::Discover) => (
            200,
            format!(
                r#""result":{{"supportedVersions":{supported},"capabilities":{{"tools":{{}}}}}}"#
            ),
        ),
        _ => (200, r#""result":{"tools":[{"name":"t"}]}"#.to_owned()),
    };
    let id = call.rpc_id.as_deref().unwrap();
    CallResponse::Http {
        status,
        content_type: Some("application/json".into()),
        session: None,
        body: format!(r#"{{"jsonrpc":"2.0","id":"{id}",{answer}}}"#).into_bytes(),
    }
}

impl Gate {
    /// The outcome of an operation, and the method and version of each call that it made.
    fn run(
        &mut self,
        operation: Operation,
        requester: Requester,
        mut server: impl FnMut(&Call) -> CallResponse,
    ) -> (Fanout, Vec<(String, String)>) {
        let servers = [self.gateway.servers[0].id];
        let (gateway, worker) = (&self.gateway, &mut self.worker);
        let (mut fanout, calls) = Fanout::start(operation, &servers, requester, gateway, worker);
        let mut next = calls.into_iter().next();
        let mut made = Vec::new();
        while let Some(call) = next {
            let field = |name| value(&call, name).unwrap_or_default().to_owned();
            made.push((
                field(mcp::METHOD_HEADER),
                field(mcp::PROTOCOL_VERSION_HEADER),
            ));
            assert!(made.len() < 9, "too many calls: {made:?}");
            let spoken = worker.servers.modern_versions;
            let (answer, _) = call.answer(&server(&call), gateway, spoken);
            next = fanout.answered(call.id.unwrap(), answer, gateway, worker);
        }
        assert!(fanout.is_done());
        (fanout, made)
    }

    /// Lists the tools of a server that supports these versions. Gives the calls.
    fn list(&mut self, requester: Requester, supported: &[&str]) -> Vec<(String, String)> {
        let tools = Operation::List(ListKind::Tools);
        let (fanout, made) = self.run(tools, requester, |call| answer(call, supported));
        let response = fanout.outcome("1", &self.gateway, None).response;
        let response = String::from_utf8(response.unwrap()).unwrap();
        assert!(response.contains(r#"{"name":"a__t"}"#), "{response}");
        made
    }
}

fn discover(version: &str) -> (String, String) {
    ("server/discover".to_owned(), version.to_owned())
}

fn tools(version: &str) -> (String, String) {
    ("tools/list".to_owned(), version.to_owned())
}

#[wasm_bindgen_test(unsupported = test)]
fn a_server_that_supports_only_the_older_version_is_served() {
    for rest in ["", r#","protocol":"MODERN""#] {
        let mut gate = gate(rest);
        let made = gate.list(modern(NEW), &[OLD]);
        assert_eq!(made, [discover(NEW), discover(OLD), tools(OLD)], "{rest}");
        let made = gate.list(modern(NEW), &[OLD]);
        assert_eq!(made, [tools(OLD)], "the version is remembered: {rest}");
        let made = gate.list(legacy(), &[OLD]);
        assert_eq!(made, [tools(OLD)], "for legacy clients, too: {rest}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_server_that_supports_only_the_newer_version_is_served() {
    let mut gate = gate("");
    let made = gate.list(modern(OLD), &[NEW]);
    assert_eq!(made, [discover(OLD), discover(NEW), tools(NEW)]);
}

#[wasm_bindgen_test(unsupported = test)]
fn of_two_versions_the_clients_is_used_and_else_the_newest() {
    let mut gate = gate("");
    let both = &[OLD, NEW][..];
    assert_eq!(gate.list(modern(OLD), both), [discover(OLD), tools(OLD)]);
    assert_eq!(gate.list(modern(NEW), both), [tools(NEW)]);
    assert_eq!(gate.list(legacy(), both), [tools(NEW)]);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_worker_that_does_not_know_the_servers_versions_asks_for_them() {
    let mut gate = gate("");
    let made = gate.list(legacy(), &[OLD]);
    assert_eq!(made, [discover(NEW), discover(OLD), tools(OLD)]);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_request_is_routed_in_the_negotiated_version() {
    for requester in [modern(NEW), legacy()] {
        let mut gate = gate("");
        let (fanout, _) = gate.run(Operation::Open, requester, |call| answer(call, &[OLD]));
        let (protocol, _) = fanout.opened(&gate.gateway).unwrap();
        assert_eq!(protocol, UpstreamProtocol::Modern(OLD));
        let known = gate.worker.servers.modern_version("a", Some(NEW));
        assert_eq!(known, Some(OLD));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_server_without_a_version_in_common_fails() {
    let other = |call: &Call| match value(call, mcp::PROTOCOL_VERSION_HEADER) {
        Some(NEW) => OLD,
        _ => NEW,
    };
    let supports_another = |call: &Call| answer(call, &["2028-01-01"]);
    let contradicts_itself = |call: &Call| answer(call, &[other(call)]);
    let servers: [&dyn Fn(&Call) -> CallResponse; 2] = [&supports_another, &contradicts_itself];
    for server in servers {
        let tools = Operation::List(ListKind::Tools);
        let (fanout, made) = gate("").run(tools, modern(NEW), server);
        assert!(made.len() < 3, "{made:?}");
        let failures: Vec<_> = fanout.states().map(|(_, failure)| failure).collect();
        assert_eq!(failures, [Some(&Failure::Version)]);
    }
}
