//! Benchmarks of the filter in real Envoy: `./scripts/bench [NAME…]`.
//!
//! A benchmark is a module with a `run`, a name in [`args::BENCHMARKS`] and an arm in [`run`]. The
//! benchmarks share Envoy as a process ([`envoy`]), its CPU time ([`cpu`]), a closed-loop client
//! ([`load`]) and a server behind Envoy ([`upstream`]).

mod args;
mod client;
mod config;
mod cores;
mod cpu;
mod envoy;
mod gateway;
mod load;
mod mappings;
mod mcp;
mod memory;
mod message;
mod peers;
mod policy;
mod process;
mod report;
mod rounds;
mod setup;
mod soak;
mod stats;
mod upstream;

use std::process::ExitCode;

use args::{Command, Options};
use tokio::signal::unix::{SignalKind, signal};

/// An error, with a text for the person who runs the benchmark.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<()> {
    let options = match args::parse(std::env::args().skip(1))? {
        Command::Run(options) => options,
        Command::Help => {
            println!("{}", args::usage());
            return Ok(());
        }
        // `cargo test --all-targets` starts this program, too.
        Command::Skip => return Ok(()),
    };
    // The client and the upstream use one thread, so that Envoy's worker has its own core even on a
    // machine with two.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            tokio::select! {
                done = run(&options) => done,
                // When this function returns, the Envoys are dropped, which kills them.
                stopped = interrupted() => stopped,
            }
        })
}

async fn run(options: &Options) -> Result<()> {
    for name in &options.benchmarks {
        match *name {
            policy::NAME => policy::run(options).await?,
            peers::NAME => peers::run(options).await?,
            gateway::NAME => gateway::run(options).await?,
            memory::NAME => memory::run().await?,
            soak::NAME => soak::run(options).await?,
            other => return Err(format!("benchmark {other} is listed but not wired up").into()),
        }
    }
    Ok(())
}

async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = terminate.recv() => {}
    }
    Err("interrupted; nothing was written".into())
}
