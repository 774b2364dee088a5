//! An OpenTelemetry collector over gRPC that keeps everything that it gets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

const WITHIN: Duration = Duration::from_secs(120);

/// The decoded data that a collector has got.
#[derive(Default)]
struct Collected {
    spans: Vec<Span>,
    logs: Vec<LogRecord>,
    /// The names of metrics, with the names and values of their labels.
    metrics: Vec<(String, BTreeMap<String, String>)>,
    resources: Vec<Resource>,
}

/// A running collector. It ends with the test.
#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    collected: Arc<Mutex<Collected>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let collected = Arc::new(Mutex::new(Collected::default()));
        let collector = Self { address, collected };
        let serving = collector.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                let service = service_fn(move |request| answer(serving.clone(), request));
                let server = http2::Builder::new(TokioExecutor::new());
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        collector
    }

    /// Waits until there is a span with this attribute, and returns it.
    pub(crate) async fn span(&self, key: &str, value: &str) -> Span {
        self.wait(|all| {
            let mut spans = all.spans.iter();
            let is_it = |span: &&Span| {
                attributes(&span.attributes).get(key).map(String::as_str) == Some(value)
            };
            spans.find(is_it).cloned()
        })
        .await
    }

    /// Waits until there is a log record with this attribute, and returns it.
    pub(crate) async fn log(&self, key: &str, value: &str) -> LogRecord {
        self.wait(|all| {
            let mut logs = all.logs.iter();
            let is_it = |log: &&LogRecord| {
                attributes(&log.attributes).get(key).map(String::as_str) == Some(value)
            };
            logs.find(is_it).cloned()
        })
        .await
    }

    /// Waits until there is the metric `name` with this label, and returns its labels.
    pub(crate) async fn metric(&self, name: &str, label: (&str, &str)) -> BTreeMap<String, String> {
        self.wait(|all| {
            let mut metrics = all.metrics.iter();
            let is_it = |(have, labels): &&(String, BTreeMap<String, String>)| {
                have == name && labels.get(label.0).map(String::as_str) == Some(label.1)
            };
            metrics.find(is_it).map(|(_, labels)| labels.clone())
        })
        .await
    }

    /// The names of the services that have sent data.
    pub(crate) fn services(&self) -> Vec<String> {
        let collected = self
            .collected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let resources = collected.resources.iter();
        let names = resources.map(|it| attributes(&it.attributes).remove("service.name"));
        names.map(Option::unwrap_or_default).collect()
    }

    async fn wait<T>(&self, find: impl Fn(&Collected) -> Option<T>) -> T {
        let deadline = Instant::now() + WITHIN;
        loop {
            {
                let collected = self
                    .collected
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                if let Some(found) = find(&collected) {
                    return found;
                }
                assert!(
                    Instant::now() < deadline,
                    "only {:#?}\n{:#?}",
                    collected.spans,
                    collected.logs
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn take(&self, path: &str, message: &[u8]) {
        let mut collected = self
            .collected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let all = &mut *collected;
        match path {
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => {
                let request = ExportTraceServiceRequest::decode(message).expect("spans");
                for resource in request.resource_spans {
                    all.resources.extend(resource.resource);
                    let scopes = resource.scope_spans.into_iter();
                    all.spans.extend(scopes.flat_map(|scope| scope.spans));
                }
            }
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => {
                let request = ExportLogsServiceRequest::decode(message).expect("logs");
                for resource in request.resource_logs {
                    all.resources.extend(resource.resource);
                    let scopes = resource.scope_logs.into_iter();
                    all.logs.extend(scopes.flat_map(|scope| scope.log_records));
                }
            }
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => {
                let request = ExportMetricsServiceRequest::decode(message).expect("metrics");
                for resource in request.resource_metrics {
                    all.resources.extend(resource.resource);
                    let scopes = resource.scope_metrics.into_iter();
                    for metric in scopes.flat_map(|scope| scope.metrics) {
                        let labels: Vec<Vec<KeyValue>> = match metric.data {
                            Some(Data::Sum(it)) => {
                                it.data_points.into_iter().map(|it| it.attributes).collect()
                            }
                            Some(Data::Gauge(it)) => {
                                it.data_points.into_iter().map(|it| it.attributes).collect()
                            }
                            Some(Data::Histogram(it)) => {
                                it.data_points.into_iter().map(|it| it.attributes).collect()
                            }
                            _ => Vec::new(),
                        };
                        let labels = labels
                            .iter()
                            .map(|it| (metric.name.clone(), attributes(it)));
                        all.metrics.extend(labels);
                    }
                }
            }
            other => panic!("{other} is no service of a collector"),
        }
    }
}

/// Reads a gRPC call, whose messages must not be compressed, and answers with an empty
/// message.
async fn answer(
    collector: Collector,
    request: Request<Incoming>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let mut rest = &body[..];
    while let [compressed, a, b, c, d, after @ ..] = rest {
        assert_eq!(*compressed, 0, "a message that is compressed");
        let length = u32::from_be_bytes([*a, *b, *c, *d])
            .try_into()
            .expect("a length");
        let (message, after) = after.split_at(length);
        collector.take(&path, message);
        rest = after;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().expect("a value"));
    let empty = Full::new(Bytes::from_static(&[0; 5])).with_trailers(async { Some(Ok(trailers)) });
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(response.body(empty).expect("a response"))
}

/// The attributes by their names. A value that is not a string is shown as by `Debug`.
pub(crate) fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let named = attributes.iter();
    let named = named.map(|it| (it.key.clone(), text(it.value.as_ref())));
    named.collect()
}

/// The value, as in `attributes`.
pub(crate) fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}
