//! This filter beside other MCP gateways: the same servers and the same load.
//!
//! All processes of a gateway share one core, and their CPU time counts as a whole.

pub(crate) mod answer;
pub(crate) mod config;
mod contender;
pub(crate) mod options;
pub(crate) mod parts;
pub(crate) mod program;
mod running;
mod table;
pub(crate) mod tree;
pub(crate) mod variants;

use std::time::Duration;

use serde_json::{Value, json};

use crate::args::Options;
use crate::cores::Cores;
use crate::gateway::cases::{Ask, Era, Lists, TOOLS_PER_SERVER, USUAL_TOOL_BYTES};
use crate::gateway::servers::{self, Serves};
use crate::rounds;
use crate::upstream::Upstream;
use crate::{Result, policy, setup};
use contender::Contender;
use table::Measured;
use variants::{Setup, Variant};

pub(crate) const NAME: &str = "peers";
pub(crate) const ABOUT: &str =
    "this filter beside other gateways: Envoy's own, and those that the options name";

const SERVERS: usize = 5;
const TOOLS: usize = SERVERS * TOOLS_PER_SERVER;
const CONNECTIONS: usize = 8;
/// Requests in a round for each gateway. A slow gateway gets fewer.
const REQUESTS: usize = 500;
/// For how long each gateway gets each message before the measurement.
const WARM_UP: Duration = Duration::from_secs(2);

pub(crate) async fn run(options: &Options) -> Result<()> {
    let (envoy, filter, program) = (setup::envoy_binary()?, setup::filter()?, setup::program()?);
    let peers = variants::absolute(&options.peers)?;
    let machine = setup::machine(&envoy, &filter).await?;
    let cores = Cores::choose()?;
    if !peers.has_peers() {
        eprintln!(
            "{NAME}: no other gateway is named; add --aigw, --kuadrant-broker or --agentgateway \
             with the path of the program"
        );
    }
    let mut measured = Vec::new();
    for era in [Era::Legacy, Era::Modern] {
        let (upstreams, one) = (serve(era).await?, serve_all(era).await?);
        let setup = Setup {
            envoy: &envoy,
            filter: &filter,
            program: &program,
            options: &peers,
            servers: upstreams.iter().map(Upstream::address).collect(),
            one_server: one.address(),
        };
        setup.check()?;
        let mut of_era = Vec::new();
        for variant in Variant::all(&peers) {
            of_era.push(Measured::new(variant, era, setup.version(variant).await?));
        }
        for batch in 1..=options.batches {
            let name = era_name(era);
            eprintln!("{NAME}: {name}, batch {batch} of {}", options.batches);
            measure(&setup, cores, options, era, &mut of_era).await?;
        }
        measured.extend(of_era);
    }
    measured.retain(Measured::is_measured);
    println!("{}", table::table(&measured));
    if !peers.without.is_empty() {
        println!("{}", table::parts(&measured));
    }
    let document = document(options, &machine, cores.is_some(), &measured);
    let path = setup::write_json(NAME, &document)?;
    eprintln!("{NAME}: wrote {}", path.display());
    Ok(())
}

/// Servers of this era. Those of the modern era also know the legacy one, since some gateways do
/// not yet speak the modern era with servers.
async fn serve(era: Era) -> Result<Vec<Upstream>> {
    let mut all = Vec::new();
    for _ in 0..SERVERS {
        all.push(server(era, TOOLS_PER_SERVER).await?);
    }
    Ok(all)
}

async fn serve_all(era: Era) -> Result<Upstream> {
    server(era, TOOLS).await
}

async fn server(era: Era, tools: usize) -> Result<Upstream> {
    let eras: &[Era] = match era {
        Era::Legacy => &[Era::Legacy],
        Era::Modern => &[Era::Modern, Era::Legacy],
    };
    let answers = servers::serve(&Serves {
        eras,
        tools,
        tool_bytes: USUAL_TOOL_BYTES,
        lists: Lists::Private,
    });
    Upstream::start(answers, Duration::ZERO).await
}

/// Starts all gateways, and gives each its turns.
async fn measure(
    setup: &Setup<'_>,
    cores: Option<Cores>,
    options: &Options,
    era: Era,
    measured: &mut [Measured],
) -> Result<()> {
    let mut contenders = Vec::new();
    for variant in measured.iter().map(|measured| measured.variant) {
        // While a gateway starts, only this process and that gateway have something to do.
        if let Some(cores) = cores {
            cores.start_envoys()?;
        }
        let started = setup.start(variant).await;
        if let Some(cores) = cores {
            cores.run_client()?;
        }
        let connections = options.connections.unwrap_or(CONNECTIONS);
        let met = match started {
            Ok(running) => Contender::meet(variant, running, era, TOOLS, connections).await,
            Err(error) => Err(error),
        };
        match met {
            Ok(contender) => contenders.push(contender),
            Err(error) if may_be_missing(variant, era, &error.to_string()) => {
                let name = variant.name();
                eprintln!(
                    "{NAME}: {name} is left out in the {} era: {error}",
                    era_name(era)
                );
            }
            Err(error) => return Err(error),
        }
    }
    for contender in &mut contenders {
        contender.warm_up(WARM_UP).await?;
    }
    let requests = options.requests.unwrap_or(REQUESTS);
    for _ in 0..options.rounds {
        for ask in [Ask::List, Ask::Call] {
            let turn = async |it: &mut Contender, share| it.turn(ask, share).await;
            let totals = rounds::in_turns(&mut contenders, requests, turn).await?;
            for (contender, total) in contenders.iter().zip(totals) {
                of(measured, contender.variant)?.add(ask, &total);
            }
        }
    }
    for contender in contenders {
        let measured = of(measured, contender.variant)?;
        measured.add_process(contender.started_in, contender.memory()?);
        contender.stop().await?;
    }
    Ok(())
}

/// Whether the benchmark can go on without this gateway: an Envoy without filters of its own for
/// MCP, or another gateway that does not speak the modern era.
fn may_be_missing(variant: Variant, era: Era, error: &str) -> bool {
    match variant {
        Variant::Native => policy::is_unknown(error),
        _ => variant.is_peer() && era == Era::Modern,
    }
}

fn of(measured: &mut [Measured], variant: Variant) -> Result<&mut Measured> {
    let mut all = measured.iter_mut();
    all.find(|measured| measured.variant == variant)
        .ok_or_else(|| format!("{} has no place in the table", variant.name()).into())
}

fn era_name(era: Era) -> &'static str {
    match era {
        Era::Legacy => "legacy",
        Era::Modern => "modern",
    }
}

fn document(options: &Options, machine: &Value, own_core: bool, all: &[Measured]) -> Value {
    json!({
        "benchmark": NAME,
        "machine": machine,
        "gateway_on_its_own_core": own_core,
        "connections": options.connections.unwrap_or(CONNECTIONS),
        "rounds": options.rounds,
        "batches": options.batches,
        "servers": SERVERS,
        "tools_per_server": TOOLS_PER_SERVER,
        "gateways": all.iter().map(table::json).collect::<Vec<_>>(),
    })
}
