use std::time::Duration;

use wasm_bindgen_test::wasm_bindgen_test;

use super::operation::CallerIdentity;
use super::*;
use crate::config::Config;
use crate::gateway::routing::call_headers::CallerHeaders;
use crate::gateway::store::NoStore;
use crate::gateway::upstream::call::{CallContent, CallResponse, UpstreamRequest};
use crate::gateway::worker::calls::StreamId;
use crate::http::Headers;
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;
use crate::memory;

/// An answer such as a server of the configuration gives.
fn response(call: &Call, is_legacy: bool, number: u32) -> CallResponse {
    let result = match &call.content {
        CallContent::Mcp(UpstreamRequest::Discover) => {
            r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#
        }
        CallContent::Mcp(UpstreamRequest::Initialize) => {
            r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}}}"#
        }
        CallContent::Mcp(UpstreamRequest::List(..)) => {
            r#"{"tools":[{"name":"t"}],"ttlMs":60000,"cacheScope":"public"}"#
        }
        _ => "{}",
    };
    let id = call.rpc_id.as_deref().unwrap_or_default();
    let body = format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{result}}}"#);
    CallResponse::Http {
        status: if is_legacy && call.rpc_id.is_none() {
            202
        } else {
            200
        },
        content_type: Some("application/json".into()),
        session: is_legacy.then(|| format!("s-{number}")),
        body: body.into_bytes(),
    }
}

fn requester(gateway: &Gateway, capabilities: &str) -> Requester {
    Requester {
        caller: ClientContext {
            era: Era::Modern,
            version: "2026-07-28".into(),
            capabilities: capabilities.into(),
            info: None,
            headers: CallerHeaders::of(&Headers::default(), gateway, &[]).unwrap(),
        },
        session: None,
        who: CallerIdentity::Known("ada".into()),
    }
}

/// One client lists the tools, from the first call to the last. Another client leaves
/// before the last answer.
fn list(gateway: &Gateway, worker: &mut Worker, capabilities: &str, number: u32, leaves: bool) {
    let stream = StreamId(number);
    let (mut fanout, calls) = Fanout::start(
        Operation::List(ListKind::Tools),
        &gateway.server_ids(),
        requester(gateway, capabilities),
        gateway,
        worker,
    );
    let mut next: Vec<Call> = calls;
    while let Some(call) = next.pop() {
        let Some((job, call)) = worker.calls.ask(stream, call, Duration::from_secs(1)) else {
            continue;
        };
        let server = gateway.server(call.server).unwrap();
        let is_legacy = server.name == "l";
        if leaves && matches!(call.content, CallContent::Mcp(UpstreamRequest::List(..))) {
            worker.calls.stop_waiting(stream);
            fanout.given_up(gateway, worker);
            worker.done(job, &response(&call, is_legacy, number), gateway);
            break;
        }
        for delivery in worker.done(job, &response(&call, is_legacy, number), gateway) {
            next.extend(fanout.answered(delivery.call, delivery.answer, gateway, worker));
        }
    }
    while !worker.outbox.is_empty() {
        for (job, call) in worker.dispatch_outbox() {
            worker.done(job, &response(&call, true, number), gateway);
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn made_up_capabilities_leave_nothing_behind() {
    let before = memory::held();
    let config =
        br#"{"servers":[{"name":"m","protocol":"MODERN"},{"name":"l","protocol":"LEGACY"}]}"#;
    let gateway = Config::parse(config).unwrap().gateway.unwrap();
    let mut worker = Worker::new(|| Duration::from_secs(1), |b| b.fill(1), Box::new(NoStore));
    worker.configure(&gateway, usize::MAX);
    let mut after_some = 0;
    for number in 0..30_000 {
        let capabilities = match number % 4 {
            0 => "{}".to_owned(),
            1 => format!(r#"{{"x{number}":{{}}}}"#),
            2 => format!(r#"{{"sampling":{{"x{number}":{{}}}}}}"#),
            _ => format!(r#"{{"sampling":{{"tools":{{}}}},"experimental":{{"x":{number}}}}}"#),
        };
        list(
            &gateway,
            &mut worker,
            &capabilities,
            number,
            number % 5 == 0,
        );
        if number == 100 {
            after_some = memory::held();
        }
    }
    assert!(after_some > before, "something is kept");
    assert_eq!(memory::held(), after_some, "and no more of it later");
    drop(worker);
    assert_eq!(memory::held(), before);
}
