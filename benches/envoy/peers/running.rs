//! A gateway that runs: Envoy, another program, or both.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::program::Program;
use super::tree;
use crate::envoy::Envoy;
use crate::{Error, Result, cpu, process};

/// The processes of one gateway, and the address of its endpoint.
pub(crate) struct Running {
    address: SocketAddr,
    envoy: Option<Envoy>,
    program: Option<Program>,
    /// When the first process was started.
    since: Instant,
}

impl Running {
    pub(crate) fn envoy(envoy: Envoy, since: Instant) -> Self {
        Self {
            address: envoy.listener(),
            envoy: Some(envoy),
            program: None,
            since,
        }
    }

    pub(crate) fn program(program: Program, address: SocketAddr, since: Instant) -> Self {
        Self {
            address,
            envoy: None,
            program: Some(program),
            since,
        }
    }

    /// The same gateway, to which this program belongs, too.
    pub(crate) fn with(self, program: Program) -> Self {
        Self {
            program: Some(program),
            ..self
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// The CPU time of all processes so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut total = Duration::ZERO;
        for pid in self.processes()? {
            total += cpu::used(pid)?;
        }
        Ok(total)
    }

    /// The memory of all processes that is in RAM, in bytes. What two processes share counts twice.
    pub(crate) fn memory(&self) -> Result<u64> {
        self.processes()?.into_iter().map(process::memory).sum()
    }

    /// Envoy starts no processes. Other programs may have Envoy as a child.
    fn processes(&self) -> Result<Vec<u32>> {
        let mut all: Vec<u32> = self.envoy.iter().map(Envoy::pid).collect();
        if let Some(program) = &self.program {
            all.extend(tree::of(program.pid())?);
        }
        Ok(all)
    }

    /// The error with which a program of the gateway has ended, if one has.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.program.as_mut().map_or(Ok(()), Program::check)
    }

    /// The error, with the last lines of a log.
    pub(crate) fn failure(&self, what: &str) -> Error {
        match (&self.program, &self.envoy) {
            (Some(program), _) => program.failure(what),
            (None, Some(envoy)) => envoy.failure(what),
            (None, None) => what.to_owned().into(),
        }
    }

    pub(crate) async fn stop(self) -> Result<()> {
        if let Some(envoy) = self.envoy {
            envoy.stop().await?;
        }
        match self.program {
            Some(program) => program.stop().await,
            None => Ok(()),
        }
    }
}
