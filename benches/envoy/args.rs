//! The command line of the benchmarks.

use std::str::FromStr;

use crate::config::MAX_BODY_BYTES;
use crate::message::Shape;
use crate::peers::options::{self, PeerOptions};
use crate::peers::parts::Part;
use crate::{Result, gateway, memory, peers, policy, soak};

/// Every benchmark, in the order in which a run without a name runs them.
pub(crate) const BENCHMARKS: &[(&str, &str)] = &[
    (policy::NAME, policy::ABOUT),
    (gateway::NAME, gateway::ABOUT),
    (memory::NAME, memory::ABOUT),
    (soak::NAME, soak::ABOUT),
    (peers::NAME, peers::ABOUT),
];

/// Run only if they are named: one takes many minutes, the other compares with programs that few
/// machines have.
const ONLY_BY_NAME: &[&str] = &[soak::NAME, peers::NAME];

const MAX_REQUESTS: usize = 100_000_000;
const MAX_ROUNDS: usize = 100;
const MAX_BATCHES: usize = 20;
const MAX_CONNECTIONS: usize = 256;

pub(crate) enum Command {
    Run(Box<Options>),
    Help,
    Skip,
}

pub(crate) struct Options {
    pub(crate) benchmarks: Vec<&'static str>,
    /// Requests in each round, or of the whole soak. Without it, each benchmark has its own number
    /// of requests.
    pub(crate) requests: Option<usize>,
    pub(crate) rounds: usize,
    /// How often all Envoys are started again.
    pub(crate) batches: usize,
    /// Names of cases of the gateway benchmark. Without names, all cases run.
    pub(crate) cases: Vec<String>,
    pub(crate) sizes: Vec<usize>,
    pub(crate) shapes: Vec<Shape>,
    /// Without it, each benchmark has its own number of connections.
    pub(crate) connections: Option<usize>,
    pub(crate) peers: PeerOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            benchmarks: Vec::new(),
            requests: None,
            rounds: 5,
            batches: 3,
            cases: Vec::new(),
            sizes: vec![200, 2048, 10_240, 102_400, 1_048_576],
            shapes: Shape::ALL.to_vec(),
            connections: None,
            peers: PeerOptions::default(),
        }
    }
}

pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command> {
    let mut options = Options::default();
    let mut asked_by_cargo_bench = false;
    while let Some(argument) = arguments.next() {
        let (flag, inline) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.into())),
            _ => (argument, None),
        };
        let mut value = || {
            inline
                .clone()
                .or_else(|| arguments.next())
                .ok_or_else(|| format!("{flag} needs a value\n\n{}", usage()))
        };
        match flag.as_str() {
            "--bench" => asked_by_cargo_bench = true,
            "--help" | "-h" => return Ok(Command::Help),
            "--requests" => options.requests = Some(number(&flag, &value()?, 1, MAX_REQUESTS)?),
            "--rounds" => options.rounds = number(&flag, &value()?, 1, MAX_ROUNDS)?,
            "--batches" => options.batches = number(&flag, &value()?, 1, MAX_BATCHES)?,
            "--connections" => {
                options.connections = Some(number(&flag, &value()?, 1, MAX_CONNECTIONS)?);
            }
            "--sizes" => {
                options.sizes = list(&value()?, |size| number(&flag, size, 1, MAX_BODY_BYTES))?;
            }
            "--cases" => options.cases = list(&value()?, |name| Ok(name.to_owned()))?,
            "--aigw" => options.peers.aigw = Some(value()?.into()),
            "--aigw-iterations" => {
                let iterations = number(&flag, &value()?, 1, MAX_REQUESTS)?;
                options.peers.aigw_iterations = Some(iterations);
            }
            "--kuadrant-broker" => options.peers.kuadrant_broker = Some(value()?.into()),
            "--agentgateway" => options.peers.agentgateway = Some(value()?.into()),
            "--without" => options.peers.without = Part::list(&value()?)?,
            "--shapes" => options.shapes = list(&value()?, Shape::from_str)?,
            name => match BENCHMARKS.iter().find(|(known, _)| *known == name) {
                Some((known, _)) if options.benchmarks.contains(known) => {}
                Some((known, _)) => options.benchmarks.push(known),
                None => return Err(format!("unknown argument {name:?}\n\n{}", usage()).into()),
            },
        }
    }
    if !asked_by_cargo_bench {
        return Ok(Command::Skip);
    }
    if options.benchmarks.is_empty() {
        let names = BENCHMARKS.iter().map(|(name, _)| *name);
        let names = names.filter(|name| !ONLY_BY_NAME.contains(name));
        options.benchmarks = names.collect();
    }
    Ok(Command::Run(Box::new(options)))
}

pub(crate) fn usage() -> String {
    let benchmarks: String = BENCHMARKS
        .iter()
        .map(|(name, about)| format!("  {name:<10} {about}\n"))
        .collect();
    const SOAK_REQUESTS: usize = soak::REQUESTS;
    let only_by_name = ONLY_BY_NAME.join(" and ");
    let peers = options::USAGE;
    let shapes: Vec<&str> = Shape::ALL.iter().map(|shape| shape.name()).collect();
    format!(
        "Usage: ./scripts/bench [BENCHMARK…] [OPTION…]

Benchmarks (without a name: all but {only_by_name}):
{benchmarks}
Options:
  --requests N        requests per round and variant, 1 to {MAX_REQUESTS} (default: by case)
                      soak: how many in all (default {SOAK_REQUESTS})
  --rounds N          1 to {MAX_ROUNDS} (default 5)
  --batches N         policy, peers: how often all is started anew, with as many rounds
                      each, 1 to {MAX_BATCHES} (default 3)
  --connections N     1 to {MAX_CONNECTIONS} (default: policy and soak 16, peers 8, gateway 1)
  --cases NAME,…      gateway: list-1, list-5, list-public, legacy-list, list-10,
                      list-50, list-long, list-slow, cached-5, cached-long, call,
                      legacy-call, call-to-legacy, call-of-legacy, call-rules,
                      cached-rules (default: all)
  --sizes N,…         policy: body sizes in bytes, up to {MAX_BODY_BYTES}
                      (default 200,2048,10240,102400,1048576)
  --shapes NAME,…     policy: of {} (default: all)
{peers}

Environment:
  ENVOY               the Envoy binary (./scripts/bench asks ./scripts/envoy)
  MCP_GATEWAY_WASM    the filter, instead of the release build of this repository
  MCP_GATEWAY         peers: the program mcp-gateway, instead of the build of this repository",
        shapes.join(", ")
    )
}

fn list<T>(text: &str, parse: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    text.split(',').map(|item| parse(item.trim())).collect()
}

fn number(flag: &str, text: &str, least: usize, most: usize) -> Result<usize> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("{flag}: {text:?} is not a number from {least} to {most}").into()),
    }
}
