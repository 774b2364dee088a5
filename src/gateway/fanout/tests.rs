use std::rc::Rc;
use std::time::Duration;

use wasm_bindgen_test::wasm_bindgen_test;

use super::operation::CallerIdentity;
use super::*;
use crate::config::Config;
use crate::gateway::routing::call_headers::CallerHeaders;
use crate::gateway::store::NoStore;
use crate::gateway::upstream::call::{CallContent, CallResponse, UpstreamRequest};
use crate::gateway::upstream::list_page::ListPage;
use crate::gateway::upstream::server_description::ServerDescription;
use crate::http::Headers;
use crate::mcp::era::Era;
use crate::mcp::list::ListKind;
use crate::mcp::version;

fn requester(gateway: &Gateway, key: Option<&str>) -> Requester {
    let headers = Headers::from_pairs(key.map(|key| ("x-key", key)));
    Requester {
        caller: ClientContext {
            era: Era::Modern,
            version: "2026-07-28".into(),
            capabilities: "{}".into(),
            info: None,
            headers: CallerHeaders::of(&headers, gateway, &[gateway.servers[0].id]).unwrap(),
        },
        session: None,
        who: CallerIdentity::Known("ada".into()),
    }
}

pub(super) fn value<'c>(call: &'c Call, name: &str) -> Option<&'c str> {
    let mut fields = call.headers.iter();
    fields
        .find(|(field, _)| field == name)
        .map(|(_, value)| &**value)
}

#[wasm_bindgen_test(unsupported = test)]
fn what_one_callers_header_shows_is_for_nobody_else() {
    let config = br#"{"servers":[{"name":"a","protocol":"MODERN","passthroughHeaders":["x-key"],"headers":[{"name":"x-own","value":"own"}]}]}"#;
    let gateway = Config::parse(config).unwrap().gateway.unwrap();
    let mut worker = Worker::new(
        || Duration::from_secs(1000),
        |bytes| bytes.fill(1),
        Box::new(NoStore),
    );
    let result = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":1000,"cacheScope":"public"}"#;
    let discovered = || {
        CallResult::Discovered(Rc::new(
            ServerDescription::read_discover(result, version::MODERN).unwrap(),
        ))
    };
    let page = || {
        let result = r#"{"tools":[],"ttlMs":1000,"cacheScope":"public"}"#;
        let page =
            ListPage::parse(ListKind::Tools, &gateway.servers[0], result, usize::MAX).unwrap();
        CallResult::Page {
            cache_hints: page.cache_hints,
            page: Rc::new(page),
            private: false,
        }
    };
    let mut pool_keys = Vec::new();
    for (key, knows) in [
        (Some("one"), false),
        (Some("two"), false),
        (None, false),
        (Some("one"), true),
        (Some("two"), true),
        (None, true),
    ] {
        let operation = Operation::List(ListKind::Tools);
        let requester = requester(&gateway, key);
        let (mut fanout, calls) = Fanout::start(
            operation,
            &[gateway.servers[0].id],
            requester,
            &gateway,
            &mut worker,
        );
        let mut call = calls.into_iter().next().unwrap();
        assert_eq!(
            call.content == CallContent::Mcp(UpstreamRequest::Discover),
            !knows,
            "{key:?}"
        );
        if !knows {
            assert_eq!((value(&call, "x-key"), call.share), (key, None));
            let next = fanout.answered(call.id.unwrap(), discovered(), &gateway, &mut worker);
            call = next.unwrap();
        }
        assert_eq!(
            call.content,
            CallContent::Mcp(UpstreamRequest::List(ListKind::Tools, None))
        );
        assert_eq!(
            (value(&call, "x-key"), value(&call, "x-own")),
            (key, Some("own"))
        );
        assert_eq!(call.share, None, "{key:?}");
        let next = fanout.answered(call.id.unwrap(), page(), &gateway, &mut worker);
        assert_eq!(next, None);
        let key = fanout.branches[0].pool_key(&fanout.requester, &gateway.servers[0]);
        pool_keys.push(key.unwrap());
        let list =
            String::from_utf8(fanout.outcome("1", &gateway, None).response.unwrap()).unwrap();
        assert!(list.contains(r#""cacheScope":"private""#), "{list}");
    }
    let (first, again) = pool_keys.split_at(3);
    assert_eq!(first, again);
    assert!(first[0] != first[1] && first[1] != first[2] && first[0] != first[2]);
}

#[wasm_bindgen_test(unsupported = test)]
fn a_dual_server_stays_modern_when_it_accepts_initialize() {
    let config = Config::parse(br#"{"servers":[{"name":"d"}]}"#).unwrap();
    let gateway = config.gateway.unwrap();
    let mut worker = Worker::new(|| Duration::from_secs(1), |b| b.fill(1), Box::new(NoStore));
    let requester = Requester {
        caller: ClientContext {
            era: Era::Legacy,
            version: "2025-11-25".into(),
            capabilities: "{}".into(),
            info: None,
            headers: CallerHeaders::of(&Headers::default(), &gateway, &[]).unwrap(),
        },
        session: None,
        who: CallerIdentity::Anyone,
    };
    let answer = |call: &Call, session: Option<&str>, result: &str| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"{}","result":{result}}}"#,
            call.rpc_id.as_deref().unwrap()
        );
        let response = CallResponse::Http {
            status: 200,
            content_type: Some("application/json".into()),
            session: session.map(str::to_owned),
            body: body.into_bytes(),
        };
        call.answer(&response, &gateway, version::MODERN).0
    };
    let (mut fanout, calls) = Fanout::start(
        Operation::Discover,
        &[gateway.servers[0].id],
        requester,
        &gateway,
        &mut worker,
    );
    let it = answer(
        &calls[0],
        None,
        r#"{"supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{}}"#,
    );
    let call = fanout
        .answered(calls[0].id.unwrap(), it, &gateway, &mut worker)
        .unwrap();
    assert_eq!(call.content, CallContent::Mcp(UpstreamRequest::Initialize));
    assert_eq!(worker.servers.era(&gateway.servers[0]), Some(Era::Modern));
    let it = answer(
        &call,
        Some("s"),
        r#"{"protocolVersion":"2025-11-25","capabilities":{}}"#,
    );
    fanout.answered(call.id.unwrap(), it, &gateway, &mut worker);
    assert_ne!(
        worker.servers.era(&gateway.servers[0]),
        Some(Era::Legacy),
        "it has shown itself modern"
    );
}
