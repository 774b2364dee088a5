//! A server for Envoy's ext_authz filter. It records the metadata that Envoy sends, and
//! allows only the calls of one tool.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use envoy_types::ext_authz::v3::CheckResponseExt as _;
use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse,
};
use envoy_types::pb::google::protobuf::Struct;
use envoy_types::pb::google::protobuf::value::Kind;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, async_trait};

/// A running server. It ends with the test, or with `stop`.
pub(crate) struct Authorizer {
    pub(crate) address: SocketAddr,
    seen: Seen,
    end: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// The dynamic metadata of each request, by namespace.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Value>>>);

impl Authorizer {
    pub(crate) async fn start() -> Self {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = incoming.local_addr().expect("an address");
        let seen = Seen::default();
        let service = AuthorizationServer::new(seen.clone());
        let (end, ended) = oneshot::channel();
        let server = tokio::spawn(async move {
            Server::builder()
                .add_service(service)
                .serve_with_incoming_shutdown(incoming.with_nodelay(Some(true)), async {
                    let _ = ended.await;
                })
                .await
                .expect("a server that ends when it is told to");
        });
        Self {
            address,
            seen,
            end,
            server,
        }
    }

    /// The metadata of all requests since the last call.
    pub(crate) fn take(&self) -> Vec<Value> {
        let mut seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *seen)
    }

    /// Ends the server, and closes Envoy's connections to it.
    pub(crate) async fn stop(self) {
        self.end.send(()).expect("a server");
        self.server.await.expect("a server that ends");
    }
}

#[async_trait]
impl Authorization for Seen {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let attributes = request.into_inner().attributes.unwrap_or_default();
        let metadata = attributes.metadata_context.unwrap_or_default();
        let metadata = metadata.filter_metadata.iter();
        let metadata: Value = metadata
            .map(|(namespace, value)| (namespace.clone(), object(value)))
            .collect();
        let allowed = metadata["mcp_proxy"]["method"] == json!("tools/call")
            && metadata["mcp_proxy"]["params"]["name"] == json!("get_weather");
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(metadata);
        let status = if allowed {
            Status::ok("")
        } else {
            Status::permission_denied("not this tool")
        };
        Ok(Response::new(CheckResponse::with_status(status)))
    }
}

fn object(object: &Struct) -> Value {
    let fields = object.fields.iter();
    fields
        .map(|(key, value)| {
            let value = match &value.kind {
                Some(Kind::StringValue(text)) => text.clone().into(),
                Some(Kind::StructValue(inner)) => self::object(inner),
                other => panic!("neither text nor object: {other:?}"),
            };
            (key.clone(), value)
        })
        .collect()
}
