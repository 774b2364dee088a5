//! Sends many requests of all kinds through one Envoy, and checks that nothing grows and that no
//! honest request is lost.
//!
//! The requests are sent in laps. In each lap the configuration of the filter changes once, and in
//! some laps of the first half the VMs change with it. Between two laps Envoy is idle, and its
//! memory is read.

mod configuration;
mod events;
mod faulty;
pub(crate) mod growth;
mod honest;
mod hostile;
#[path = "../../../tests/envoy/random.rs"]
mod random;
mod requests;
mod samples;
mod servers;
mod table;
mod traffic;
mod verdict;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use crate::args::Options;
use crate::envoy::Envoy;
use crate::mappings::Mappings;
use crate::upstream::Upstream;
use crate::{Result, setup};
use configuration::Configuration;
use events::Events;
use faulty::Faulty;
use samples::Sample;
use servers::Server;
use traffic::{Sender, Traffic};

pub(crate) const NAME: &str = "soak";
pub(crate) const ABOUT: &str =
    "mixed requests with sessions, faults and reloads: fails if memory grows or a request is lost";

/// The requests of a run without `--requests`.
pub(crate) const REQUESTS: usize = 1_000_000;

const WORKERS: usize = 2;
const CONNECTIONS: usize = 16;
const LAPS: usize = 40;
/// In the first half, each lap whose number is a multiple of this changes the VMs. In the second
/// half the VMs stay, since new VMs would hide what the old ones never free.
const LAPS_PER_VM: usize = 5;
/// With more lost requests than this, the soak ends at once.
const MOST_LOST: usize = 10;
/// Long enough for compiling the filter on a busy machine.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(2);

pub(crate) async fn run(options: &Options) -> Result<()> {
    // Fails at once where the memory cannot be read.
    Mappings::of(std::process::id())?;
    let (binary, filter) = (setup::envoy_binary()?, setup::filter()?);
    let machine = setup::machine(&binary, &filter).await?;
    let mut honest = Vec::new();
    for server in Server::ALL {
        honest.push(server.start().await?);
    }
    let addresses: Vec<SocketAddr> = honest.iter().map(Upstream::address).collect();
    let faulty = Faulty::start().await?;
    let configuration = Configuration::new(&filter)?;
    let bootstrap = configuration.bootstrap(faulty.address(), &addresses);
    let envoy = Envoy::with_workers(WORKERS, &binary, NAME, &bootstrap).await?;

    let requests = options.requests.unwrap_or(REQUESTS);
    let connections = options.connections.unwrap_or(CONNECTIONS);
    let samples = laps(&envoy, configuration, requests, connections).await?;
    let events = Events::of(&envoy).await?;
    let mut verdict = verdict::judge(&samples.taken, &envoy.log())?;
    verdict.faults.extend(events.missing());

    println!("{}", table::table(&samples.taken));
    let document = json!({
        "benchmark": NAME,
        "machine": machine,
        "workers": WORKERS,
        "connections": connections,
        "seconds": samples.time.as_secs_f64(),
        "events": events.json(),
        "result": table::json(&samples.taken, &verdict),
    });
    let path = setup::write_json(NAME, &document)?;
    eprintln!("{NAME}: wrote {}", path.display());
    println!("There were {}.", events.shown());
    println!(
        "In the second half, Envoy's memory grew by {:.2} MB (up to {:.0} are allowed), and the held \
         bytes by {:.0} KiB (up to {:.0}).",
        verdict.memory_growth / 1e6,
        verdict::MEMORY_TOLERANCE / 1e6,
        verdict.held_growth / 1024.0,
        verdict::HELD_TOLERANCE / 1024.0,
    );
    if verdict.faults.is_empty() {
        println!("Nothing grew, and no honest request was lost.");
        return Ok(());
    }
    let examples = samples.traffic.examples();
    let faults = [verdict.faults, examples].concat();
    Err(faults.join("\n  ").into())
}

struct Samples {
    taken: Vec<Sample>,
    traffic: Arc<Traffic>,
    time: Duration,
}

async fn laps(
    envoy: &Envoy,
    mut configuration: Configuration,
    requests: usize,
    connections: usize,
) -> Result<Samples> {
    let address = envoy.listener();
    let traffic = Arc::new(Traffic::default());
    let mut senders: Vec<Sender> = (0..connections as u64)
        .map(|number| Sender::new(address, number))
        .collect();
    let mut taken = vec![Sample::take(envoy, &traffic).await?];
    let start = Instant::now();
    for lap in 1..=LAPS {
        let (from, until) = (requests * (lap - 1) / LAPS, requests * lap / LAPS);
        let change = async {
            while traffic.sent() < usize::midpoint(from, until) {
                sleep(POLL_EVERY).await;
            }
            if lap % LAPS_PER_VM == 0 && lap <= LAPS / 2 {
                configuration.change_vms()
            } else {
                configuration.change()
            }
        };
        let (sent, changed) = tokio::join!(traffic::send(senders, &traffic, until), change);
        senders = sent?;
        changed?;
        let written = configuration.written() as u64;
        samples::wait_for(envoy, configuration::ACCEPTED, written, ACCEPTED_WITHIN).await?;
        let sample = Sample::take(envoy, &traffic).await?;
        eprintln!(
            "{NAME} {lap}/{LAPS}: {} requests, {} MB, {} KiB held, {} lost",
            sample.requests,
            table::megabytes(sample.memory.all),
            sample.held / 1024,
            sample.lost,
        );
        if sample.lost > MOST_LOST {
            let (lost, examples) = (sample.lost, traffic.examples().join("\n  "));
            let what = format!("lost {lost} honest requests, such as\n  {examples}\n");
            return Err(envoy.failure(&what));
        }
        taken.push(sample);
    }
    Ok(Samples {
        taken,
        traffic,
        time: start.elapsed(),
    })
}
