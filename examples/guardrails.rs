//! Guardrails for Envoy's `ext_proc`: no secret gets to a tool, and none from a
//! tool to a client. `envoy/recipes/guardrails.yaml` has the filter.
//!
//! `cargo run --example guardrails -- --port 9003` serves
//! `envoy.service.ext_proc.v3.ExternalProcessor` on 127.0.0.1. `--port 0` takes any
//! free port and says which.
//!
//! What is a secret here: the id of an access key of AWS. Put in your own rules at
//! [`secret`], or ask a model there.

use std::{env, mem, process::ExitCode, str};

use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::{
    ExternalProcessor, ExternalProcessorServer,
};
use envoy_types::pb::envoy::service::ext_proc::v3::{
    BodyMutation, BodyResponse, CommonResponse, HeaderMutation, HeadersResponse, HttpBody,
    ImmediateResponse, ProcessingRequest, ProcessingResponse, StreamedBodyResponse,
    TrailersResponse, body_mutation::Mutation, processing_request::Request as Asked,
    processing_response::Response as Said,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Server, server::TcpIncoming};
use tonic::{Request, Response, Status, Streaming, async_trait};

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";
/// The longest answer, and the longest event, that is kept until it is whole.
const MAX_KEPT: usize = 8 << 20;
/// Answers to Envoy that wait at a time.
const WAITING: usize = 8;

#[tokio::main]
async fn main() -> ExitCode {
    match run(env::args().skip(1)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("guardrails: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(mut args: impl Iterator<Item = String>) -> Result<(), String> {
    let port = match (args.next().as_deref(), args.next()) {
        (None, _) => 9003,
        (Some("--port"), Some(port)) => port.parse().map_err(|error| format!("{port}: {error}"))?,
        _ => return Err("usage: guardrails [--port PORT]".to_owned()),
    };
    let incoming =
        TcpIncoming::bind(([127, 0, 0, 1], port).into()).map_err(|error| error.to_string())?;
    let address = incoming.local_addr().map_err(|error| error.to_string())?;
    println!("guardrails: http://{address}/");
    Server::builder()
        .add_service(ExternalProcessorServer::new(Guardrails))
        .serve_with_incoming(incoming.with_nodelay(Some(true)))
        .await
        .map_err(|error| error.to_string())
}

struct Guardrails;

#[async_trait]
impl ExternalProcessor for Guardrails {
    type ProcessStream = ReceiverStream<Result<ProcessingResponse, Status>>;

    /// One HTTP request: Envoy asks part by part, and does what it is told.
    async fn process(
        &self,
        request: Request<Streaming<ProcessingRequest>>,
    ) -> Result<Response<Self::ProcessStream>, Status> {
        let mut asked = request.into_inner();
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let mut exchange = Exchange::default();
            while let Ok(Some(ProcessingRequest {
                request: Some(part),
                ..
            })) = asked.message().await
            {
                let said = match exchange.answer(part) {
                    Ok(said) => said,
                    // With `failure_mode_allow: false` this ends the request.
                    Err(status) => {
                        let _ = sender.send(Err(status)).await;
                        return;
                    }
                };
                for said in said {
                    let said = ProcessingResponse {
                        response: Some(said),
                        ..ProcessingResponse::default()
                    };
                    if sender.send(Ok(said)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// What is known of one request and its answer.
#[derive(Default)]
struct Exchange {
    /// Whether the answer is a stream of events.
    is_events: bool,
    /// What of the answer has come, and has not gone on.
    kept: Vec<u8>,
}

impl Exchange {
    fn answer(&mut self, part: Asked) -> Result<Vec<Said>, Status> {
        Ok(vec![match part {
            // What is compressed cannot be read here.
            Asked::RequestHeaders(_) => Said::RequestHeaders(headers_without(&["accept-encoding"])),
            Asked::RequestBody(body) => match blocked(&body.body) {
                Some(answer) => Said::ImmediateResponse(answer),
                None => Said::RequestBody(BodyResponse::default()),
            },
            Asked::RequestTrailers(_) => Said::RequestTrailers(TrailersResponse::default()),
            Asked::ResponseHeaders(headers) => {
                let headers = headers.headers.unwrap_or_default();
                let coding = header(&headers, "content-encoding");
                if !matches!(&*coding, "" | "identity") {
                    return Err(Status::failed_precondition("a compressed answer"));
                }
                let media = header(&headers, "content-type");
                self.is_events = media.starts_with("text/event-stream");
                Said::ResponseHeaders(headers_without(&[]))
            }
            Asked::ResponseBody(body) => return self.response_body(&body),
            Asked::ResponseTrailers(_) => {
                let mut said = vec![streamed(self.rest()?, false)];
                said.push(Said::ResponseTrailers(TrailersResponse::default()));
                return Ok(said);
            }
        }])
    }

    /// Events go on as soon as they are whole, any other answer at its end.
    fn response_body(&mut self, body: &HttpBody) -> Result<Vec<Said>, Status> {
        self.kept.extend_from_slice(&body.body);
        if body.end_of_stream {
            return Ok(vec![streamed(self.rest()?, true)]);
        }
        let whole = if self.is_events {
            end_of_events(&self.kept)
        } else {
            0
        };
        if self.kept.len() - whole > MAX_KEPT {
            return Err(Status::resource_exhausted("too long an answer"));
        }
        if whole == 0 {
            return Ok(Vec::new());
        }
        let rest = self.kept.split_off(whole);
        let events = mem::replace(&mut self.kept, rest);
        Ok(vec![streamed(cleaned_events(&events)?, false)])
    }

    /// All that has not gone on yet.
    fn rest(&mut self) -> Result<Vec<u8>, Status> {
        let kept = mem::take(&mut self.kept);
        if self.is_events {
            cleaned_events(&kept)
        } else {
            Ok(cleaned_text(text(&kept)?).into_bytes())
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, Status> {
    str::from_utf8(bytes).map_err(|_| Status::invalid_argument("an answer that is no UTF-8"))
}

/// The answer to a message with a secret in it: the error of its request.
fn blocked(body: &[u8]) -> Option<ImmediateResponse> {
    if body.is_empty() {
        return None;
    }
    // The filter lets nothing pass that is not one JSON-RPC message.
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    if message.is_object() && cleaned(&message).is_none() {
        return None;
    }
    let error = json!({
        "jsonrpc": "2.0",
        "id": message["id"],
        "error": { "code": -32602, "message": "the arguments have a secret in them" },
    });
    // Legacy clients end their session on a status that is not 200.
    Some(ImmediateResponse {
        status: Some(HttpStatus { code: 200 }),
        headers: Some(HeaderMutation {
            set_headers: vec![HeaderValueOption {
                header: Some(HeaderValue {
                    key: "content-type".to_owned(),
                    raw_value: b"application/json".to_vec(),
                    ..HeaderValue::default()
                }),
                ..HeaderValueOption::default()
            }],
            ..HeaderMutation::default()
        }),
        body: error.to_string().into_bytes(),
        details: "secret_in_arguments".to_owned(),
        ..ImmediateResponse::default()
    })
}

/// Where the last whole event ends.
fn end_of_events(bytes: &[u8]) -> usize {
    let ends = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"];
    let last = |end: &&[u8]| {
        let mut windows = bytes.windows(end.len());
        windows
            .rposition(|window| window == *end)
            .map(|at| at + end.len())
    };
    ends.iter().filter_map(last).max().unwrap_or(0)
}

/// The events without secrets; those without any stay as they are.
fn cleaned_events(events: &[u8]) -> Result<Vec<u8>, Status> {
    let events = text(events)?.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(events.len());
    for event in events.split_inclusive("\n\n") {
        let data: Vec<&str> = event
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.strip_prefix(' ').unwrap_or(data))
            .collect();
        let data = data.join("\n");
        let clean = cleaned_text(&data);
        if clean == data && secret(event).is_none() {
            out.push_str(event);
            continue;
        }
        for line in event.lines().filter(|line| !line.starts_with("data:")) {
            if !line.is_empty() {
                out.push_str(&cleaned_string(line));
                out.push('\n');
            }
        }
        for line in clean.lines() {
            out.push_str("data: ");
            out.push_str(line);
            out.push('\n');
        }
        out.push('\n');
    }
    Ok(out.into_bytes())
}

/// The text without secrets, however JSON writes them.
fn cleaned_text(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(json) => cleaned(&json).map_or_else(|| text.to_owned(), |json| json.to_string()),
        Err(_) => cleaned_string(text),
    }
}

/// The value without secrets; nothing where it has none.
fn cleaned(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => secret(text).map(|_| cleaned_string(text).into()),
        Value::Array(items) => {
            let clean: Vec<_> = items.iter().map(cleaned).collect();
            clean.iter().any(Option::is_some).then(|| {
                let both = clean.into_iter().zip(items);
                both.map(|(clean, item)| clean.unwrap_or_else(|| item.clone()))
                    .collect()
            })
        }
        Value::Object(members) => {
            let mut changed = false;
            let clean = members.iter().map(|(name, member)| {
                let clean = cleaned(member);
                changed |= clean.is_some() || secret(name).is_some();
                (
                    cleaned_string(name),
                    clean.unwrap_or_else(|| member.clone()),
                )
            });
            let clean: Value = clean.collect::<serde_json::Map<_, _>>().into();
            changed.then_some(clean)
        }
        _ => None,
    }
}

fn cleaned_string(text: &str) -> String {
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some((start, end)) = secret(rest) {
        out.push_str(&rest[..start]);
        out.push_str(REDACTED);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Where the first secret begins and ends.
fn secret(text: &str) -> Option<(usize, usize)> {
    text.match_indices("AKIA").find_map(|(start, prefix)| {
        let id = text.as_bytes().get(start + prefix.len()..start + 20)?;
        let is_id = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        id.iter().all(is_id).then_some((start, start + 20))
    })
}

fn header(headers: &HeaderMap, name: &str) -> String {
    let found = headers.headers.iter().find(|header| header.key == name);
    found.map_or_else(String::new, |header| {
        let value = String::from_utf8_lossy(&header.raw_value);
        format!("{}{value}", header.value).to_ascii_lowercase()
    })
}

fn headers_without(names: &[&str]) -> HeadersResponse {
    HeadersResponse {
        response: Some(CommonResponse {
            header_mutation: Some(HeaderMutation {
                remove_headers: names.iter().map(|&name| name.to_owned()).collect(),
                ..HeaderMutation::default()
            }),
            ..CommonResponse::default()
        }),
    }
}

fn streamed(body: Vec<u8>, end_of_stream: bool) -> Said {
    let streamed = StreamedBodyResponse {
        body,
        end_of_stream,
        ..StreamedBodyResponse::default()
    };
    Said::ResponseBody(BodyResponse {
        response: Some(CommonResponse {
            body_mutation: Some(BodyMutation {
                mutation: Some(Mutation::StreamedResponse(streamed)),
            }),
            ..CommonResponse::default()
        }),
    })
}
