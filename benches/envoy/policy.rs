//! The filter's cost of a request, compared with no filter and with Envoy's own filter.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::args::Options;
use crate::client::Message;
use crate::cores::Cores;
use crate::envoy::Envoy;
use crate::message::{self, Shape};
use crate::process::{self, Process};
use crate::report::Case;
use crate::rounds::{self, Target, Variant};
use crate::upstream::{self, Upstream};
use crate::{Result, config, report, setup};

pub(crate) const NAME: &str = "policy";
pub(crate) const ABOUT: &str =
    "CPU and latency per request: no filter, Envoy's MCP filter, this filter";

const ANSWER: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"sunny"}]}}"#;

const CONNECTIONS: usize = 16;

/// How long each Envoy runs before the measurement.
const WARM_UP: Duration = Duration::from_secs(3);

/// The number of requests in a round, for the smallest bodies.
const MOST_REQUESTS: usize = 6000;
/// For bodies of this size, the number of requests is half of that.
const HALVED_AT_BYTES: usize = 50_000;
/// The smallest number of requests in a round, so that the whole run takes minutes.
const LEAST_REQUESTS: usize = 300;

pub(crate) async fn run(options: &Options) -> Result<()> {
    let binary = setup::envoy_binary()?;
    let filter = setup::filter()?;
    let bodies = bodies(options)?;
    let machine = setup::machine(&binary, &filter).await?;
    let upstream = Upstream::start(upstream::fixed(ANSWER), Duration::ZERO).await?;
    let cores = Cores::choose()?;
    if cores.is_none() {
        eprintln!(
            "{NAME}: no second core; Envoy and its client share one, which widens the spread"
        );
    }
    let mut cases: Vec<Case> = bodies.iter().map(|body| Case::new(options, body)).collect();
    let mut processes = Vec::new();
    for batch in 1..=options.batches {
        if let Some(cores) = cores {
            cores.start_envoys()?;
        }
        let mut targets = targets(options, &binary, &filter, &upstream).await?;
        if let Some(cores) = cores {
            cores.run_client()?;
        }
        for target in &mut targets {
            target.warm_up(&bodies[0].2, WARM_UP).await?;
        }
        for (index, (case, (_, _, body))) in cases.iter_mut().zip(&bodies).enumerate() {
            eprintln!(
                "{NAME} {batch}/{}, {}/{}: {} {}, {} rounds of {} requests",
                options.batches,
                index + 1,
                bodies.len(),
                report::bytes(case.size),
                case.shape.name(),
                options.rounds,
                case.requests,
            );
            let (warm_up, requests) = (case.requests / 5, case.requests);
            let rounds =
                rounds::measure(&mut targets, body, warm_up, requests, options.rounds).await?;
            case.rounds.extend(rounds);
        }
        for target in targets {
            processes.push(Process::of(&target)?);
            target.stop().await?;
        }
    }

    println!("{}", report::table(&cases));
    println!("{}", process::table(&processes));
    let document = document(options, &machine, cores.is_some(), (&cases, &processes));
    let path = setup::write_json(NAME, &document)?;
    eprintln!("{NAME}: wrote {}", path.display());
    Ok(())
}

/// Makes all bodies before anything is started, since a size may be impossible.
fn bodies(options: &Options) -> Result<Vec<(usize, Shape, Message)>> {
    let mut bodies = Vec::new();
    for &size in &options.sizes {
        for &shape in &options.shapes {
            bodies.push((size, shape, Message::new(message::body(shape, size)?)));
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
        let ours = |storage| config::our_filters(filter, json!({"requestStorageMode": storage}));
        let filters = match variant {
            Variant::Plain => Vec::new(),
            Variant::Native => config::native_filters(config::METADATA),
            Variant::NativeBoth => config::native_filters(config::BOTH),
            Variant::Ours => ours(config::METADATA)?,
            Variant::OursBoth => ours(config::BOTH)?,
        };
        let bootstrap = config::bootstrap(upstream.address(), filters);
        let envoy = match Envoy::start(binary, variant.name(), &bootstrap).await {
            Ok(envoy) => envoy,
            Err(error)
                if variant.name().starts_with("native") && is_unknown(&error.to_string()) =>
            {
                eprintln!("{NAME}: this Envoy has no MCP filter of its own; left out");
                continue;
            }
            Err(error) => return Err(error),
        };
        targets.push(Target::connect(variant, envoy, connections(options)).await?);
    }
    Ok(targets)
}

/// Whether Envoy refused a filter that is not compiled into it.
pub(crate) fn is_unknown(error: &str) -> bool {
    error.contains("could not find @type") || error.contains("Didn't find a registered")
}

fn connections(options: &Options) -> usize {
    options.connections.unwrap_or(CONNECTIONS)
}

pub(crate) fn requests_for(size: usize) -> usize {
    (MOST_REQUESTS * HALVED_AT_BYTES / (HALVED_AT_BYTES + size)).max(LEAST_REQUESTS)
}

fn document(
    options: &Options,
    machine: &Value,
    own_cores: bool,
    (cases, processes): (&[Case], &[Process]),
) -> Value {
    json!({
        "benchmark": NAME,
        "machine": machine,
        "envoy_on_its_own_core": own_cores,
        "connections": connections(options),
        "rounds": options.rounds,
        "batches": options.batches,
        "processes": processes.iter().map(process::json).collect::<Vec<_>>(),
        "cases": cases.iter().map(report::json).collect::<Vec<_>>(),
    })
}
