//! The scenarios of the core, on the release .wasm: both must do the same.

use crate::host::{Headers, Host, Plugin, Request, Response, Stream};

#[path = "../scenarios/format.rs"]
mod format;

use format::{Call, Case, Message, Scenarios, Seen};

#[test]
fn every_scenario_of_the_core_holds_on_the_wasm() {
    format::run(drive);
}

fn drive(scenarios: &Scenarios, case: &Case) -> Seen {
    let host = scenarios
        .clusters
        .iter()
        .fold(Host::new().hold(scenarios.hold), |host, cluster| {
            host.cluster(cluster)
        });
    let plugin = host
        .configure(scenarios.config.get())
        .unwrap_or_else(|refused| panic!("{}", refused.log_text()));
    let mut stream = plugin.stream();
    let sent = case.sent();
    let pseudo = |name: &str| {
        sent.headers
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, value)| value.as_str())
    };
    let mut request = Request::new(pseudo(":method"), pseudo(":path"));
    for (name, value) in sent
        .headers
        .iter()
        .filter(|(name, _)| !name.starts_with(':'))
    {
        request = request.header(name, value);
    }
    if let Some(body) = &sent.body {
        request = request.body(body).chunks(&[body.len() / 2]);
    }
    stream.request(request);
    let mut shown = Vec::new();
    introduce(&mut stream, scenarios, &mut shown);
    for answer in &case.answers {
        let call = stream.call(&answer.to);
        if answer.reset {
            stream.reset(&call);
            introduce(&mut stream, scenarios, &mut shown);
            continue;
        }
        let (status, headers, body) = answer.parts(&format::member(&call.text(), "id"));
        let response = headers
            .iter()
            .fold(Response::new(status), |response, (name, value)| {
                response.header(name, value)
            });
        stream.answer(&call, response.body(body));
        introduce(&mut stream, scenarios, &mut shown);
    }
    if let (Some(_), Some(response)) = (stream.upstream(), &case.response) {
        let split = response.split;
        let (status, headers, body) = response.parts("");
        let response = headers
            .iter()
            .fold(Response::new(status), |response, (name, value)| {
                response.header(name, value)
            });
        if split {
            let (first, second) = body.as_bytes().split_at(body.len() / 2);
            stream.respond_headers(&response, false);
            stream.respond_data(first, false);
            stream.respond_data(second, true);
        } else {
            stream.respond(response.body(body));
        }
    }
    seen(&stream, &plugin, &shown)
}

/// Answers what is answered at once, until there is nothing more.
fn introduce(stream: &mut Stream, scenarios: &Scenarios, answered: &mut Vec<u32>) {
    while let Some((call, answer)) = stream.calls().into_iter().find_map(|call| {
        let answer = scenarios.at_once(&call.cluster, &call.text())?;
        Some((call, answer))
    }) {
        answered.push(call.token);
        stream.answer(&call, Response::json(200, answer));
    }
}

fn seen(stream: &Stream, plugin: &Plugin, at_once: &[u32]) -> Seen {
    let upstream = stream.upstream().filter(|upstream| upstream.complete);
    let pairs = |headers: &Headers| -> Vec<(String, String)> {
        headers
            .iter()
            .map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned()))
            .collect()
    };
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
        calls: stream
            .all_calls()
            .into_iter()
            .filter(|call| !at_once.contains(&call.token))
            .map(|call| Call {
                cluster: call.cluster.clone(),
                headers: pairs(&call.headers),
                body: call.text(),
            })
            .collect(),
        metrics: plugin.metrics(),
        log: plugin.log_text(),
    }
}
