//! What the example servers have in common: the command line, the listener and a
//! clean end.

use std::{
    io::{Write, stdout},
    net::Ipv4Addr,
    process::ExitCode,
};

use axum::{Router, serve::ListenerExt};
use rmcp::{
    ServerHandler, ServiceExt as _,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// Serves `server` at `/mcp` until ctrl-c or SIGTERM, on 127.0.0.1 only; with
/// `--stdio` over stdin and stdout instead, until stdin ends.
/// It decides itself which hosts `config` allows: this machine, its own name, and
/// each `--host`.
pub(crate) async fn serve<S>(
    name: &str,
    default_port: u16,
    args: impl Iterator<Item = String>,
    config: StreamableHttpServerConfig,
    server: S,
) -> ExitCode
where
    S: ServerHandler + Clone,
{
    match run(name, default_port, args, config, server).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{name}: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run<S>(
    name: &str,
    default_port: u16,
    args: impl Iterator<Item = String>,
    config: StreamableHttpServerConfig,
    server: S,
) -> Result<(), String>
where
    S: ServerHandler + Clone,
{
    let mut args = args.peekable();
    if args.next_if(|arg| arg == "--stdio").is_some() {
        let failed = |error: &dyn std::fmt::Display| error.to_string();
        let running = server.serve(rmcp::transport::stdio()).await;
        let running = running.map_err(|error| failed(&error))?;
        return running
            .waiting()
            .await
            .map(drop)
            .map_err(|error| failed(&error));
    }
    let options = Options::read(args).map_err(|error| format!("{error}; usage: {USAGE}"))?;
    let port = options.port.unwrap_or(default_port);

    // Behind a gateway the Host is the gateway's own, or the name of this server.
    // Any other one may be a web page that rebound its domain to us.
    let own = ["localhost", "127.0.0.1", "::1", name].map(String::from);
    let config = config.with_allowed_hosts(own.into_iter().chain(options.hosts));
    let stop = config.cancellation_token.clone();
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        LocalSessionManager::default().into(),
        config,
    );

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    // Without this, Nagle's algorithm and delayed ACKs hold a small answer for 40 ms.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            eprintln!("cannot set TCP_NODELAY: {error}");
        }
    });

    // Before the ready line, so that whoever waits for it can stop us at once.
    let cannot_listen = |error| format!("cannot listen for signals: {error}");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot_listen)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot_listen)?;

    let mut out = stdout();
    writeln!(out, "{name} listening on http://{address}/mcp")
        .and_then(|()| out.flush())
        .map_err(|error| format!("cannot write to stdout: {error}"))?;

    axum::serve(listener, Router::new().route_service("/mcp", service))
        .with_graceful_shutdown(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            // Ends the open event streams of sessions, which would hold us for ever.
            stop.cancel();
        })
        .await
        .map_err(|error| error.to_string())
}

const USAGE: &str = "[--stdio | [--port N] [--host NAME]...]";

/// What the command line says; `hosts` are names that clients reach the server by.
#[derive(Default)]
struct Options {
    port: Option<u16>,
    hosts: Vec<String>,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(arg) = args.next() {
            let mut value = |what| args.next().ok_or(format!("`{arg}` needs {what}"));
            match arg.as_str() {
                "--port" => {
                    let value = value("a number")?;
                    let number = value.parse();
                    let number = number.map_err(|_| format!("`{value}` is not a port"))?;
                    options.port = Some(number);
                }
                "--host" => options.hosts.push(value("a name")?),
                _ => return Err(format!("unknown argument `{arg}`")),
            }
        }
        Ok(options)
    }
}
