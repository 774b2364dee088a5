//! `token_limits.yaml`: each answer reduces the budget that the caller has for this tool.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::response::IntoResponse as _;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::{
    RateLimitService, RateLimitServiceServer,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use tokio::time::{sleep, timeout};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request as Asked, Response as Said, Status, async_trait};

use crate::harness::capture::Capture;
use crate::harness::envoy::Envoy;
use crate::harness::http::Request;
use crate::harness::message::{call, legacy, modern};
use crate::harness::port;
use crate::recipes::recipe;
use crate::token::{Key, access};

const NAME: &str = "token_limits.yaml";
const ISSUER: &str = "https://login.example.com";
const AUDIENCE: &str = "http://127.0.0.1:10000/mcp";
const BUDGET: u64 = 10_000;
const COUNTED_WITHIN: Duration = Duration::from_secs(60);

/// A rate limit service. Each descriptor has the same budget, which is never refilled.
#[derive(Clone, Default)]
struct Budgets(Arc<Mutex<HashMap<String, u64>>>);

impl Budgets {
    async fn start(&self) -> SocketAddr {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = incoming.local_addr().expect("an address");
        let service = RateLimitServiceServer::new(self.clone());
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(incoming.with_nodelay(Some(true))));
        address
    }

    /// How much of the budget for this tool the caller has used.
    fn used(&self, caller: &str, tool: &str) -> u64 {
        let used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("mcp caller={caller} tool={tool}");
        used.get(&key).copied().unwrap_or(0)
    }

    /// Waits until the service has counted this much. Envoy reports the cost only after it
    /// has sent the answer.
    async fn counted(&self, caller: &str, tool: &str, wanted: u64) {
        let counted = async {
            while self.used(caller, tool) < wanted {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let counted = timeout(COUNTED_WITHIN, counted).await;
        let used = self.used(caller, tool);
        assert!(counted.is_ok(), "{used} of {wanted}");
        assert_eq!(used, wanted);
    }

    fn callers(&self) -> usize {
        let used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.len()
    }
}

#[async_trait]
impl RateLimitService for Budgets {
    async fn should_rate_limit(
        &self,
        request: Asked<RateLimitRequest>,
    ) -> Result<Said<RateLimitResponse>, Status> {
        let request = request.into_inner();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut code = Code::Ok;
        for descriptor in request.descriptors {
            let entries = descriptor.entries.iter();
            let key = entries.fold(request.domain.clone(), |key, entry| {
                format!("{key} {}={}", entry.key, entry.value)
            });
            let hits = descriptor.hits_addend.map_or(1, |hits| hits.value);
            let used = all.entry(key).or_default();
            if *used >= BUDGET {
                code = Code::OverLimit;
            }
            *used += hits;
        }
        Ok(Said::new(RateLimitResponse {
            overall_code: code.into(),
            ..RateLimitResponse::default()
        }))
    }
}

/// A server that answers with as many letters as the argument `letters` says.
async fn server() -> Capture {
    Capture::start(|request| {
        let message = request.json();
        let letters = message["params"]["arguments"]["letters"].as_u64();
        let text = "x".repeat(usize::try_from(letters.unwrap_or(1)).expect("a size"));
        let id = &message["id"];
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[{{"type":"text","text":"{text}"}}]}}}}"#
        );
        ([("content-type", "application/json")], body).into_response()
    })
    .await
}

fn start(name: &str, server: &Capture, budgets: SocketAddr) -> Envoy {
    let jwks = Key::new(1).jwks(&format!("{name}.json"));
    let ports = [(9001, server.address), (9003, budgets)];
    let bootstrap = recipe(NAME, &ports).expect("a recipe for every Envoy");
    let bootstrap = bootstrap.replace("envoy/jwks.json }", &format!("{} }}", jwks.display()));
    Envoy::start(name, &bootstrap)
}

fn by(caller: &str, request: Request) -> Request {
    let mut claims = access(ISSUER, AUDIENCE, "");
    claims["sub"] = caller.into();
    let token = Key::new(1).sign(&claims);
    request.header("authorization", format!("Bearer {token}"))
}

#[tokio::test]
async fn who_has_used_the_budget_waits() {
    let (server, budgets) = (server().await, Budgets::default());
    let envoy = start("token_limits", &server, budgets.start().await);
    let long = || call("1", "get_weather", r#"{"letters":6000}"#);
    let mut cost = 0;
    // The second answer exceeds the budget. Envoy refuses only the third call.
    for _ in 0..2 {
        let answer = by("alice", long()).send(envoy.address).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        cost += answer.body.len() as u64;
        budgets.counted("alice", "get_weather", cost).await;
    }
    let _ = server.take();
    let legacy = || legacy("1", "tools/call", r#"{"name":"get_weather"}"#);
    let forged = || {
        legacy()
            .header("x-mcp-params", "")
            .header("x-mcp-method", "ping")
    };
    for request in [long(), legacy(), forged()] {
        let answer = by("alice", request.clone()).send(envoy.address).await;
        assert_eq!(answer.status, 429, "{request:?}: {answer:?}");
    }
    assert!(server.take().is_empty());
    // Another tool, another caller, and a request that is not a call are still allowed.
    for (caller, request) in [
        ("alice", call("1", "list_cities", "{}")),
        ("bob", long()),
        ("alice", modern("1", "tools/list")),
    ] {
        let answer = by(caller, request.clone()).send(envoy.address).await;
        assert_eq!(answer.status, 200, "{request:?}: {answer:?}");
    }
    let answer = long().send(envoy.address).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(budgets.callers(), 3, "alice with two tools, and bob");
}

#[tokio::test]
async fn nobody_calls_without_the_service() {
    let server = server().await;
    let (_reserved, nobody) = port::reserved();
    let mut envoy = start("token_limits_away", &server, nobody);
    envoy.failures_are_expected();
    let request = by("alice", call("1", "get_weather", "{}"));
    let answer = request.send(envoy.address).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(server.take().is_empty());
}
