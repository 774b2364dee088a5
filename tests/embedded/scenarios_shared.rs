//! The scenarios of the core, run on the release .wasm: both must do the same.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::host::{Headers, Host, Plugin, Request, Response, Stream};

#[path = "../scenarios/format.rs"]
mod format;

use format::{Call, Case, Message, Names, Parts, Scenarios, Seen, WORKER};

#[test]
fn every_scenario_of_the_core_holds_on_the_wasm() {
    format::run(Wasm::default);
}

/// The gateways of a case, by their names.
#[derive(Default)]
struct Wasm {
    host: Option<Host>,
    plugins: BTreeMap<String, Plugin>,
    passed: Duration,
}

impl format::Driver for Wasm {
    fn drive(&mut self, scenarios: &Scenarios, case: &Case, names: &Names) -> Seen {
        let after = Duration::from_secs(case.after);
        self.passed += after;
        self.plugins.values().for_each(|it| it.advance(after));
        let seed = self.plugins.len() as u64;
        let shared = self.host.get_or_insert_with(|| host(scenarios));
        let plugin = self.plugins.entry(case.on.clone()).or_insert_with(|| {
            let other;
            let host = match case.on.as_str() {
                "" | WORKER => shared,
                _ => {
                    other = host(scenarios);
                    other.random_from(seed);
                    &other
                }
            };
            let plugin = host
                .configure(scenarios.config_of(&case.on))
                .unwrap_or_else(|refused| panic!("{}", refused.log_text()));
            plugin.advance(self.passed);
            plugin
        });
        let mut driver = Driver {
            stream: plugin.stream(),
            made_before: plugin.calls().len(),
            plugin,
            scenarios,
            case,
            at_once: Vec::new(),
            uncalled: Vec::new(),
        };
        driver.run(names);
        driver.seen()
    }
}

fn host(scenarios: &Scenarios) -> Host {
    let host = Host::new().hold(scenarios.hold);
    let clusters = scenarios.clusters.iter();
    clusters.fold(host, |host, cluster| host.cluster(cluster))
}

struct Driver<'a> {
    plugin: &'a Plugin,
    stream: Stream,
    scenarios: &'a Scenarios,
    case: &'a Case,
    made_before: usize,
    /// Calls that `settle` has answered at once. The result does not show them.
    at_once: Vec<u32>,
    uncalled: Vec<String>,
}

impl Driver<'_> {
    fn run(&mut self, names: &Names) {
        set_metadata(
            &mut self.stream,
            &mut vec!["filter_metadata"],
            &self.case.metadata,
        );
        let case = self.case;
        self.stream.expressions(|text| case.verdict(text));
        self.stream.request(request(self.case, names));
        self.settle();
        for answer in &self.case.answers {
            let mut calls = self.stream.calls().into_iter();
            let Some(call) = calls.find(|call| call.cluster == answer.to) else {
                self.uncalled.push(answer.to.clone());
                continue;
            };
            let id = format::member(&call.text(), "id");
            match answer.parts(&names.with_id(&id)) {
                Some(parts) => self.stream.answer(&call, response(parts)),
                None => self.stream.reset(&call),
            };
            self.settle();
        }
        if let (Some(upstream), Some(response)) = (self.stream.upstream(), &self.case.response) {
            let names = names.with_id(&format::member(&upstream.text(), "id"));
            self.respond(response, &names);
        }
        if self.case.leaves {
            self.stream.client_gone();
        }
        self.settle();
    }

    fn respond(&mut self, with: &format::Response, names: &Names) {
        let (status, headers, body) = with.parts(names).expect("no reset");
        let (first, second) = body.as_bytes().split_at(body.len() / 2);
        if !with.split && !self.case.leaves {
            self.stream.respond(response((status, headers, body)));
            return;
        }
        let head = response((status, headers, String::new()));
        self.stream.respond_headers(&head, false);
        self.stream.respond_data(first, false);
        self.stream.respond_data(second, !self.case.leaves);
    }

    /// Answers the calls that are answered at once, until there are none.
    fn settle(&mut self) {
        while let Some((call, parts)) = self.stream.calls().into_iter().find_map(|call| {
            let at_once = self.scenarios.at_once(&call.cluster, &call.text());
            if at_once.is_some() {
                self.at_once.push(call.token);
                return Some((call, at_once));
            }
            let parts = self.case.unasked(&call.cluster);
            shown(&call).wants_no_answer().then_some((call, parts))
        }) {
            match parts {
                Some(parts) => self.stream.answer(&call, response(parts)),
                None => self.stream.reset(&call),
            };
        }
    }

    fn seen(&self) -> Seen {
        let stream = &self.stream;
        let upstream = stream.upstream().filter(|upstream| upstream.complete);
        let message = |headers: &Headers, body: &[u8]| Message {
            headers: pairs(headers),
            body: String::from_utf8_lossy(body).into_owned(),
        };
        Seen {
            route_cleared: upstream
                .as_ref()
                .is_some_and(|upstream| upstream.clear_route_cache_calls > 0),
            upstream: upstream.map(|upstream| message(&upstream.headers, &upstream.body)),
            reply: stream
                .reply()
                .map(|reply| message(&reply.headers, &reply.body)),
            state: stream.states(),
            calls: self
                .plugin
                .calls()
                .iter()
                .skip(self.made_before)
                .filter(|call| !self.at_once.contains(&call.token))
                .map(shown)
                .collect(),
            uncalled: self.uncalled.clone(),
            metrics: self.plugin.metrics(),
            log: self.plugin.log_text(),
        }
    }
}

fn request(case: &Case, names: &Names) -> Request {
    let sent = case.sent(names);
    let pseudo = |name: &str| {
        sent.headers
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, value)| value.as_str())
    };
    let mut request =
        Request::new(pseudo(":method"), pseudo(":path")).set(":authority", pseudo(":authority"));
    for (name, value) in sent
        .headers
        .iter()
        .filter(|(name, _)| !name.starts_with(':'))
    {
        request = request.header(name, value);
    }
    match &sent.body {
        Some(body) => request.body(body).chunks(&[body.len() / 2]),
        None => request,
    }
}

fn response(parts: Parts) -> Response {
    let (status, headers, body) = parts;
    headers
        .iter()
        .fold(Response::new(status), |response, (name, value)| {
            response.header(name, value)
        })
        .body(body)
}

fn shown(call: &crate::host::Call) -> Call {
    Call {
        cluster: call.cluster.clone(),
        headers: pairs(&call.headers),
        body: call.text(),
    }
}

fn pairs(headers: &Headers) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned()))
        .collect()
}

fn set_metadata<'a>(stream: &mut Stream, path: &mut Vec<&'a str>, value: &'a Value) {
    if path.len() > 1 {
        let whole: Vec<&str> = ["metadata"]
            .into_iter()
            .chain(path.iter().copied())
            .collect();
        stream.set_property(&whole, format::serialized(value));
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        path.push(name);
        set_metadata(stream, path, value);
        path.pop();
    }
}
