//! The example servers as processes.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::process::Process;
use super::setup;

const LISTENING_WITHIN: Duration = Duration::from_secs(60);

/// A running example server. Dropping it ends the process.
pub(crate) struct Server {
    _process: Process,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts the example `name` on any free port.
    pub(crate) fn start(name: &str) -> Self {
        Self::start_on(name, 0)
    }

    /// Starts the example `name` on this port.
    pub(crate) fn start_on(name: &str, port: u16) -> Self {
        let args = ["--port".to_owned(), port.to_string()];
        Self::program(name, &setup::example(name), &args)
    }

    /// Starts a program that prints in its first line where it listens.
    pub(crate) fn program<A: AsRef<OsStr>>(name: &str, program: &Path, args: &[A]) -> Self {
        let mut process = Process::start(program, args, Stdio::piped(), Stdio::inherit());
        let line = first_line(process.stdout());
        let address = line.split_once("http://").and_then(|(_, url)| {
            let (address, _) = url.split_once('/')?;
            address.parse().ok()
        });
        Self {
            _process: process,
            address: address
                .unwrap_or_else(|| panic!("{name} printed {line:?}, which has no address")),
        }
    }
}

fn first_line(from: impl Read + Send + 'static) -> String {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(from).read_line(&mut line);
        let _ = sender.send(line);
    });
    receiver
        .recv_timeout(LISTENING_WITHIN)
        .expect("a server that says where it listens")
}
