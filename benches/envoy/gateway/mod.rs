//! The cost of a gateway to many servers, compared with Envoy's own gateway and with a plain route
//! to one server.

pub(crate) mod cases;
pub(crate) mod envoys;
pub(crate) mod servers;
mod stand;
mod table;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::args::Options;
use crate::client::{Client, Message};
use crate::cores::Cores;
use crate::envoy::Envoy;
use crate::mcp::{SESSION, requests};
use crate::rounds::{self, Target, Variant};
use crate::upstream::{self, Upstream};
use crate::{Result, config, policy, setup};
use cases::{Case, Lists};
use table::Measured;

pub(crate) use cases::Era;
pub(crate) use stand::Stand;

pub(crate) const NAME: &str = "gateway";
pub(crate) const ABOUT: &str =
    "many servers behind one endpoint: a plain route, Envoy's mcp and mcp_router, this filter";

/// One connection, so that requests come one after the other. With more, the time of a request
/// would include the wait for the requests before it.
const CONNECTIONS: usize = 1;

struct Setup<'a> {
    binary: &'a Path,
    filter: &'a Path,
    cores: Option<Cores>,
    connections: usize,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let (binary, filter) = (setup::envoy_binary()?, setup::filter()?);
    let machine = setup::machine(&binary, &filter).await?;
    let setup = Setup {
        binary: &binary,
        filter: &filter,
        cores: Cores::choose()?,
        connections: options.connections.unwrap_or(CONNECTIONS),
    };
    let cases = cases::chosen(&options.cases)?;
    let mut all = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let requests = options.requests.unwrap_or(case.requests);
        eprintln!(
            "{NAME} {}/{}: {}, {} rounds of {requests} requests",
            index + 1,
            cases.len(),
            case.name,
            options.rounds,
        );
        all.push(measure(case, &setup, requests, options.rounds).await?);
    }

    println!("{}", table::table(&all));
    let document = document(options, &setup, &machine, &all);
    let path = setup::write_json(NAME, &document)?;
    eprintln!("{NAME}: wrote {}", path.display());
    Ok(())
}

/// Starts all servers and Envoys again, since each case has other servers.
async fn measure<'a>(
    case: &'a Case,
    setup: &Setup<'_>,
    requests: usize,
    rounds: usize,
) -> Result<Measured<'a>> {
    let mut upstreams = Vec::new();
    for server in 0..case.servers {
        upstreams.push(Upstream::start(servers::answers(case), case.delay(server)).await?);
    }
    let addresses: Vec<SocketAddr> = upstreams.iter().map(Upstream::address).collect();
    let message = servers::message(case)?;
    if let Some(cores) = setup.cores {
        cores.start_envoys()?;
    }
    let ours = start(
        setup,
        Variant::Ours,
        &envoys::ours(&addresses, case.rules, setup.filter)?,
    )
    .await?;
    let native = match start(setup, Variant::Native, &envoys::native(&addresses)).await {
        Ok(envoy) => Some(envoy),
        Err(error) if policy::is_unknown(&error.to_string()) => {
            eprintln!("{NAME}: this Envoy has no MCP router of its own; left out");
            None
        }
        Err(error) => return Err(error),
    };
    let (merged, our_session) = try_out(case, case.servers, &ours, &message).await?;
    let (slowest, plain_servers) = match case.lists {
        // A plain server that has the same bytes ready.
        Lists::Kept => {
            let same = upstream::fixed(merged.clone());
            let upstream = Upstream::start(same, Duration::ZERO).await?;
            let address = upstream.address();
            upstreams.push(upstream);
            (address, case.servers)
        }
        Lists::Private | Lists::Public => (*addresses.last().ok_or("a case without servers")?, 1),
    };
    let plain = config::bootstrap(slowest, Vec::new());
    let plain = start(setup, Variant::Plain, &plain).await?;
    let plain_session = if case.client == Era::Legacy && case.server == Era::Modern {
        // The server has no sessions, and accepts the call without one.
        None
    } else {
        try_out(case, plain_servers, &plain, &message).await?.1
    };
    let native = match native {
        None => None,
        Some(envoy) => match try_out(case, case.servers, &envoy, &message).await {
            Ok((_, session)) => Some((envoy, session)),
            // Envoy's gateway does not translate between the eras.
            Err(error) if case.client != case.server => {
                let error = error.to_string();
                let told = error.lines().next().unwrap_or_default();
                eprintln!("{NAME}: Envoy's own router cannot do that; left out: {told}");
                envoy.stop().await?;
                None
            }
            Err(error) => return Err(error),
        },
    };
    if let Some(cores) = setup.cores {
        cores.run_client()?;
    }

    let mut targets = Vec::new();
    let envoys = [
        (Variant::Plain, Some((plain, plain_session))),
        (Variant::Native, native),
        (Variant::Ours, Some((ours, our_session))),
    ];
    for (variant, envoy) in envoys {
        if let Some((envoy, session)) = envoy {
            let target = Target::connect(variant, envoy, setup.connections).await?;
            targets.push(target.within(session));
        }
    }
    // V8 compiles code that runs often a second time, with better optimization.
    let warm_up = requests;
    let rounds = rounds::measure(&mut targets, &message, warm_up, requests, rounds).await?;
    for target in targets {
        target.stop().await?;
    }
    Ok(Measured {
        case,
        answer_bytes: merged.len(),
        requests,
        rounds,
    })
}

async fn start(setup: &Setup<'_>, variant: Variant, bootstrap: &Value) -> Result<Envoy> {
    Envoy::start(setup.binary, variant.name(), bootstrap).await
}

/// Sends one request and checks the answer. Gives the answer, and the session that a legacy client
/// has begun for it.
async fn try_out(
    case: &Case,
    servers: usize,
    envoy: &Envoy,
    message: &Message,
) -> Result<(hyper::body::Bytes, Option<String>)> {
    let mut client = Client::connect(envoy.listener()).await?;
    let mut message = message.clone();
    let mut session = None;
    if case.client == Era::Legacy {
        let begun = requests::begin(&mut client).await;
        let id = begun.map_err(|error| envoy.failure(&error.to_string()))?;
        message = message.header(SESSION, &id)?;
        session = Some(id);
    }
    let (status, body) = client.post(message).await?;
    if status != StatusCode::OK {
        let text = String::from_utf8_lossy(&body);
        return Err(envoy.failure(&format!("answered {status} instead of 200: {text}")));
    }
    let checked = servers::check(case, servers, &body);
    checked.map_err(|error| envoy.failure(&error.to_string()))?;
    Ok((body, session))
}

fn document(options: &Options, setup: &Setup<'_>, machine: &Value, all: &[Measured<'_>]) -> Value {
    json!({
        "benchmark": NAME,
        "machine": machine,
        "envoy_on_its_own_core": setup.cores.is_some(),
        "connections": setup.connections,
        "rounds": options.rounds,
        "cases": all.iter().map(table::json).collect::<Vec<_>>(),
    })
}
