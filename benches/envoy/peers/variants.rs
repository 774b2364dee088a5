//! The gateways of this benchmark, and how each is started.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::process::Command;

use super::config;
use super::options::PeerOptions;
use super::parts::Part;
use super::program::{self, Program, Start};
use super::running::Running;
use crate::Result;
use crate::envoy::{self, Envoy};
use crate::gateway::envoys;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// A plain route to one server that has all tools.
    Plain,
    /// Envoy's own `mcp` and `mcp_router`.
    Native,
    /// This filter in a small configuration.
    Small {
        keeps_lists: bool,
    },
    /// This filter as `mcp-gateway render` writes it, but without a part.
    Rendered {
        keeps_lists: bool,
        without: Option<Part>,
    },
    Aigw,
    Kuadrant,
    Agentgateway,
}

impl Variant {
    pub(crate) const RENDERED: Self = Self::Rendered {
        keeps_lists: true,
        without: None,
    };

    pub(crate) fn all(options: &PeerOptions) -> Vec<Self> {
        let mut all = vec![Self::Plain, Self::Native];
        for keeps_lists in [false, true] {
            let without = None;
            all.push(Self::Small { keeps_lists });
            all.push(Self::Rendered {
                keeps_lists,
                without,
            });
        }
        all.extend(options.without.iter().map(|part| Self::Rendered {
            keeps_lists: true,
            without: Some(*part),
        }));
        let peers = [
            (Self::Aigw, &options.aigw),
            (Self::Kuadrant, &options.kuadrant_broker),
            (Self::Agentgateway, &options.agentgateway),
        ];
        all.extend(
            peers
                .iter()
                .filter_map(|(peer, path)| path.as_ref().and(Some(*peer))),
        );
        all
    }

    pub(crate) fn is_peer(self) -> bool {
        matches!(self, Self::Aigw | Self::Kuadrant | Self::Agentgateway)
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Plain => "plain route".to_owned(),
            Self::Native => "native".to_owned(),
            Self::Small { keeps_lists } => format!("ours, small{}", kept(keeps_lists)),
            Self::Rendered {
                keeps_lists,
                without,
            } => {
                let without = without.map(|part| format!(" without {}", part.name()));
                format!(
                    "ours, rendered{}{}",
                    without.unwrap_or_default(),
                    kept(keeps_lists)
                )
            }
            Self::Aigw => "Envoy AI Gateway".to_owned(),
            Self::Kuadrant => "Kuadrant".to_owned(),
            Self::Agentgateway => "agentgateway".to_owned(),
        }
    }
}

fn kept(keeps_lists: bool) -> &'static str {
    if keeps_lists { ", lists kept" } else { "" }
}

/// The programs and the servers.
pub(crate) struct Setup<'a> {
    pub(crate) envoy: &'a Path,
    pub(crate) filter: &'a Path,
    pub(crate) program: &'a Path,
    pub(crate) options: &'a PeerOptions,
    /// The servers behind the gateways.
    pub(crate) servers: Vec<SocketAddr>,
    /// One server with the tools of all others.
    pub(crate) one_server: SocketAddr,
}

impl Setup<'_> {
    pub(crate) async fn start(&self, variant: Variant) -> Result<Running> {
        let servers = envoys::clusters(&self.servers);
        let bootstrap = match variant {
            Variant::Plain => crate::config::bootstrap(self.one_server, Vec::new()),
            Variant::Native => envoys::native(&self.servers),
            Variant::Small { keeps_lists } => self.small(keeps_lists)?,
            Variant::Rendered {
                keeps_lists,
                without,
            } => {
                let mut bootstrap = self.rendered(&servers, keeps_lists).await?;
                if let Some(part) = without {
                    part.remove(&mut bootstrap)?;
                }
                bootstrap
            }
            Variant::Aigw => return self.aigw(&servers),
            Variant::Kuadrant => return self.kuadrant(&servers).await,
            Variant::Agentgateway => return self.agentgateway(&servers),
        };
        let since = Instant::now();
        let envoy = Envoy::start(self.envoy, &variant.name(), &bootstrap).await?;
        Ok(Running::envoy(envoy, since))
    }

    fn small(&self, keeps_lists: bool) -> Result<Value> {
        let settings = config::small(self.servers.len(), keeps_lists);
        envoys::ours_with(&self.servers, settings, self.filter)
    }

    /// What `mcp-gateway render` writes, on free ports.
    async fn rendered(&self, servers: &[(String, SocketAddr)], keeps_lists: bool) -> Result<Value> {
        let file = config::ours(servers, keeps_lists).to_string();
        let (_folder, path) = program::folder_with("servers.json", &file)?;
        let output = Command::new(self.program)
            .args(["render", "--target", "envoy", "--wasm"])
            .arg(self.filter)
            .arg(path)
            .output()
            .await?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} render: {error}", self.program.display()).into());
        }
        let mut bootstrap: Value = serde_saphyr::from_slice(&output.stdout)?;
        let free = json!(0);
        for at in ["/admin", "/static_resources/listeners/0"] {
            let port = bootstrap.pointer_mut(&format!("{at}/address/socket_address/port_value"));
            *port.ok_or("what `render` writes has other addresses")? = free.clone();
        }
        Ok(bootstrap)
    }

    fn aigw(&self, servers: &[(String, SocketAddr)]) -> Result<Running> {
        let (folder, path) =
            program::folder_with("servers.json", &config::aigw(servers).to_string())?;
        let mut arguments: Vec<OsString> = vec!["run".into(), "--mcp-config".into(), path.into()];
        if let Some(iterations) = self.options.aigw_iterations {
            let option = format!("--mcp-session-encryption-iterations={iterations}");
            arguments.push(option.into());
        }
        // Envoy, which it has downloaded, stays in the usual place.
        let environment = vec![
            ("AIGW_STATE_HOME", folder.path().join("state").into()),
            ("AIGW_RUNTIME_DIR", folder.path().join("run").into()),
        ];
        let start = Start {
            name: "aigw",
            path: wanted(self.options.aigw.as_deref())?,
            arguments,
            environment,
        };
        let address = local(config::AIGW_PORT);
        let since = Instant::now();
        Ok(Running::program(
            Program::start(start, folder)?,
            address,
            since,
        ))
    }

    fn agentgateway(&self, servers: &[(String, SocketAddr)]) -> Result<Running> {
        let address = free()?;
        let text = config::agentgateway(servers, address.port()).to_string();
        let (folder, path) = program::folder_with("config.yaml", &text)?;
        let start = Start {
            name: "agentgateway",
            path: wanted(self.options.agentgateway.as_deref())?,
            arguments: vec!["-f".into(), path.into()],
            environment: Vec::new(),
        };
        let since = Instant::now();
        Ok(Running::program(
            Program::start(start, folder)?,
            address,
            since,
        ))
    }

    async fn kuadrant(&self, servers: &[(String, SocketAddr)]) -> Result<Running> {
        let (endpoint, broker, router) = (free()?, free()?, free()?);
        let (folder, path) =
            program::folder_with("config.yaml", &config::kuadrant(servers).to_string())?;
        let start = Start {
            name: "mcp-broker-router",
            path: wanted(self.options.kuadrant_broker.as_deref())?,
            arguments: vec![
                option("--mcp-gateway-config", path.display()),
                option("--mcp-broker-public-address", broker),
                option("--mcp-router-address", router),
                option("--mcp-gateway-public-host", config::KUADRANT_HOST),
                option("--mcp-gateway-private-host", endpoint),
            ],
            // Newer versions do not start without a key.
            environment: vec![("JWT_SESSION_SIGNING_KEY", "a key of the benchmark".into())],
        };
        let bootstrap = config::kuadrant_envoy(servers, (broker, router), endpoint.port())?;
        let since = Instant::now();
        let program = Program::start(start, folder)?;
        let envoy = Envoy::start(self.envoy, "in front of Kuadrant", &bootstrap).await?;
        Ok(Running::envoy(envoy, since).with(program))
    }

    /// The version of the program that does the work.
    pub(crate) async fn version(&self, variant: Variant) -> Result<String> {
        let peer = |path: &Option<PathBuf>| path.clone().unwrap_or_default();
        let said = match variant {
            Variant::Plain | Variant::Native => {
                let version = envoy::version(self.envoy).await?;
                // "COMMIT/1.40.0/Clean/RELEASE/BoringSSL"
                return Ok(version.split('/').nth(1).unwrap_or(&version).to_owned());
            }
            Variant::Small { .. } | Variant::Rendered { .. } => {
                return Ok(env!("CARGO_PKG_VERSION").to_owned());
            }
            Variant::Aigw => program::first_line(&peer(&self.options.aigw), &["version"]).await,
            Variant::Agentgateway => {
                program::first_line(&peer(&self.options.agentgateway), &["--version"]).await
            }
            // It has no option for it. Go writes the version of the module into the program.
            Variant::Kuadrant => {
                let path = peer(&self.options.kuadrant_broker);
                program::go_module_version(&path).await
            }
        };
        Ok(said.unwrap_or_else(|| "unknown".to_owned()))
    }

    /// Ends the benchmark early if a gateway cannot be started at all.
    pub(crate) fn check(&self) -> Result<()> {
        for path in [
            &self.options.aigw,
            &self.options.kuadrant_broker,
            &self.options.agentgateway,
        ]
        .into_iter()
        .flatten()
        {
            if !path.is_file() {
                return Err(format!("no program at {}", path.display()).into());
            }
        }
        Ok(())
    }
}

/// The paths as they are for programs that run in another folder.
pub(crate) fn absolute(options: &PeerOptions) -> Result<PeerOptions> {
    let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
    Ok(PeerOptions {
        aigw: absolute(&options.aigw)?,
        aigw_iterations: options.aigw_iterations,
        kuadrant_broker: absolute(&options.kuadrant_broker)?,
        agentgateway: absolute(&options.agentgateway)?,
        without: options.without.clone(),
    })
}

fn wanted(path: Option<&Path>) -> Result<&Path> {
    path.ok_or_else(|| "a gateway without a path is left out".into())
}

fn option(name: &str, value: impl std::fmt::Display) -> OsString {
    format!("{name}={value}").into()
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// An address that is free now, for programs that do not say which one they have chosen.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind(local(0))?.local_addr()?)
}
