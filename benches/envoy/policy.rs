//! What the filter costs per request, next to no filter and Envoy's own.

use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::args::Options;
use crate::cores::Cores;
use crate::envoy::Envoy;
use crate::load::{self, Load};
use crate::message::{self, Shape};
use crate::report::{Case, Round, Variant};
use crate::upstream::Upstream;
use crate::{Result, config, cpu, report, setup};

pub(crate) const NAME: &str = "policy";
pub(crate) const ABOUT: &str =
    "CPU and latency per request: no filter, Envoy's MCP filter, this filter";

/// Requests per round fall from this, for the smallest bodies …
const MOST_REQUESTS: usize = 6000;
/// … over half of it, at bodies of this size …
const HALVED_AT_BYTES: usize = 50_000;
/// … to this, so that the whole run takes minutes.
const LEAST_REQUESTS: usize = 300;

/// A round is cut into this many turns of each variant: the machine's speed
/// drifts within a second by more than what is to be told apart.
const TURNS: usize = 10;

/// After the last response Envoy still frees what the requests held.
const SETTLE: Duration = Duration::from_millis(5);

struct Target {
    variant: Variant,
    envoy: Envoy,
    load: Load,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let binary = setup::envoy_binary()?;
    let filter = setup::filter()?;
    let bodies = bodies(options)?;
    let machine = setup::machine(&binary, &filter).await?;
    let upstream = Upstream::start().await?;
    let cores = Cores::choose()?;
    if let Some(cores) = cores {
        cores.start_envoys()?;
    } else {
        eprintln!(
            "{NAME}: no second core; Envoy and its client share one, which widens the spread"
        );
    }
    let mut targets = targets(options, &binary, &filter, &upstream).await?;
    if let Some(cores) = cores {
        cores.run_client()?;
    }

    let mut cases = Vec::new();
    for (index, (size, shape, body)) in bodies.iter().enumerate() {
        let requests = options.requests.unwrap_or_else(|| requests_for(*size));
        eprintln!(
            "{NAME} {}/{}: {} {}, {} rounds of {requests} requests",
            index + 1,
            bodies.len(),
            report::bytes(*size),
            shape.name(),
            options.rounds,
        );
        let rounds = measure(&mut targets, body, requests, options.rounds).await?;
        cases.push(Case {
            size: *size,
            shape: *shape,
            requests,
            rounds,
        });
    }
    for target in targets {
        target.envoy.stop().await?;
    }

    println!("{}", report::table(&cases));
    let path = setup::write_json(NAME, &document(options, &machine, cores.is_some(), &cases))?;
    eprintln!("{NAME}: wrote {}", path.display());
    Ok(())
}

/// Every body, before anything is started: a size may be impossible.
fn bodies(options: &Options) -> Result<Vec<(usize, Shape, Bytes)>> {
    let mut bodies = Vec::new();
    for &size in &options.sizes {
        for &shape in &options.shapes {
            bodies.push((size, shape, Bytes::from(message::body(shape, size)?)));
        }
    }
    Ok(bodies)
}

async fn targets(
    options: &Options,
    binary: &Path,
    filter: &Path,
    upstream: &Upstream,
) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for variant in Variant::ALL {
        let filters = match variant {
            Variant::Plain => Vec::new(),
            Variant::Native => config::native_filters(),
            Variant::Ours => config::our_filters(filter)?,
        };
        let bootstrap = config::bootstrap(upstream.address(), filters);
        let envoy = match Envoy::start(binary, variant.name(), &bootstrap).await {
            Ok(envoy) => envoy,
            Err(error) if variant == Variant::Native && is_unknown(&error.to_string()) => {
                eprintln!("{NAME}: this Envoy has no MCP filter of its own; left out");
                continue;
            }
            Err(error) => return Err(error),
        };
        let load = Load::connect(envoy.listener(), options.connections).await?;
        targets.push(Target {
            variant,
            envoy,
            load,
        });
    }
    Ok(targets)
}

/// How Envoy refuses a filter that isn't compiled in.
fn is_unknown(error: &str) -> bool {
    error.contains("could not find @type") || error.contains("Didn't find a registered")
}

async fn measure(
    targets: &mut [Target],
    body: &Bytes,
    requests: usize,
    rounds: usize,
) -> Result<Vec<Vec<Round>>> {
    for target in &mut *targets {
        let warm_up = target.load.connections().max(requests / 5);
        target.send(body, warm_up).await?;
    }
    let mut measured = Vec::new();
    for _ in 0..rounds {
        measured.push(round(targets, body, requests).await?);
    }
    Ok(measured)
}

/// The same number of requests to each target, in turns.
async fn round(targets: &mut [Target], body: &Bytes, requests: usize) -> Result<Vec<Round>> {
    let mut totals = Vec::new();
    for _ in 0..targets.len() {
        totals.push((Duration::ZERO, load::latencies()?));
    }
    for turn in 0..TURNS {
        let share = requests * (turn + 1) / TURNS - requests * turn / TURNS;
        // Each turn starts with another variant, so that none always follows
        // the same one.
        for position in 0..targets.len() {
            let index = (turn + position) % targets.len();
            let (cpu, latencies) = targets[index].turn(body, share).await?;
            totals[index].0 += cpu;
            totals[index].1.add(latencies)?;
        }
    }
    let results = targets.iter().zip(totals);
    results
        .map(|(target, (cpu, latencies))| target.result(cpu, &latencies))
        .collect()
}

impl Target {
    async fn turn(&mut self, body: &Bytes, requests: usize) -> Result<(Duration, Histogram<u64>)> {
        let before = cpu::used(self.envoy.pid())?;
        let latencies = self.send(body, requests).await?;
        sleep(SETTLE).await;
        Ok((
            cpu::used(self.envoy.pid())?.saturating_sub(before),
            latencies,
        ))
    }

    async fn send(&mut self, body: &Bytes, requests: usize) -> Result<Histogram<u64>> {
        let sent = self.load.send(body, requests).await;
        sent.map_err(|error| self.envoy.failure(&error.to_string()))
    }

    fn result(&self, cpu: Duration, latencies: &Histogram<u64>) -> Result<Round> {
        if cpu.is_zero() {
            let hint = "used no CPU: ENVOY must be the binary, or a script that execs it";
            return Err(self.envoy.failure(hint));
        }
        Ok(Round {
            variant: self.variant,
            cpu_us: cpu.as_secs_f64() * 1e6 / latencies.len() as f64,
            p50_us: latencies.value_at_quantile(0.5),
            p99_us: latencies.value_at_quantile(0.99),
        })
    }
}

fn requests_for(size: usize) -> usize {
    (MOST_REQUESTS * HALVED_AT_BYTES / (HALVED_AT_BYTES + size)).max(LEAST_REQUESTS)
}

fn document(options: &Options, machine: &Value, own_cores: bool, cases: &[Case]) -> Value {
    json!({
        "benchmark": NAME,
        "machine": machine,
        "envoy_on_its_own_core": own_cores,
        "connections": options.connections,
        "rounds": options.rounds,
        "cases": cases.iter().map(report::json).collect::<Vec<_>>(),
    })
}
