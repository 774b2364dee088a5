//! One worker's plugin: its configuration, and what its streams share.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use prost::Message as _;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use super::host::{self, Buffer};
use super::http::Handle;
use super::property;
use super::shared::Shared;
use super::shared_data::SharedData;
use crate::config::Config;
use crate::gateway::worker::Worker;
use crate::metrics::MetricKind;
use crate::policy::export;

/// The root context.
pub(super) struct Root {
    id: u32,
    shared: Option<Rc<Shared>>,
    worker: Rc<RefCell<Worker>>,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        let clock = || SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
        let worker = Worker::new(clock, host::random, Box::new(SharedData));
        Self {
            id,
            shared: None,
            worker: Rc::new(RefCell::new(worker)),
        }
    }
}

/// How often idle sessions are looked for, in milliseconds.
const TICK: u32 = 30_000;

const OWN_KEY: &str = "session.keys is not set: this process has made a key of its own; sessions of legacy clients end with it, and no other replica knows them";

/// Envoy's `DeclarePropertyArguments`.
#[derive(Clone, PartialEq, prost::Message)]
struct DeclareProperty {
    #[prost(string, tag = "1")]
    name: String,
    /// `WasmType`: 1 is `String`.
    #[prost(int32, tag = "3")]
    kind: i32,
    /// `LifeSpan`: 1 is `DownstreamRequest`.
    #[prost(int32, tag = "5")]
    span: i32,
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_size: usize, _: usize) {
        if let Some(shared) = &self.shared {
            shared.answered(token, headers, body_size);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let config = host::buffer(Buffer::PluginConfiguration, size)
            .map_err(|refused| format!("cannot be read: host status {}", refused.0))
            .and_then(|bytes| {
                // Those of `vm_config.environment_variables`.
                let variable = |name: &str| std::env::var(name).ok();
                Config::parse_with(&bytes, &variable).map_err(|error| error.to_string())
            })
            .and_then(|config| Ok((compiled(&config)?, config)));
        match config {
            Ok((expressions, config)) => {
                declare_state();
                for warning in &config.warnings {
                    log::warn!("{warning}");
                }
                if let Ok(mut worker) = self.worker.try_borrow_mut() {
                    let named = |name: &str| property::text(&[name]).unwrap_or_default();
                    worker.plugin =
                        format!("{}\n{}", named("plugin_name"), named("plugin_root_id"));
                    if let Some(gateway) = &config.gateway
                        && worker.configure(gateway)
                    {
                        log::warn!("{OWN_KEY}");
                    }
                }
                let metrics = define_metrics(&config);
                if config.gateway.is_some() {
                    // Without it idle sessions wait for the next request to end.
                    let _ = host::tick_every(TICK);
                }
                let worker = Rc::clone(&self.worker);
                let host = (metrics, expressions);
                self.shared = Some(Rc::new(Shared::new(self.id, config, host, worker)));
                true
            }
            Err(error) => {
                log::error!("mcp-gateway configuration refused: {error}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(shared) = &self.shared {
            shared.tidy();
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        match &self.shared {
            Some(shared) if queue == host::IN_ROOT => shared.dispatch(),
            Some(shared) => shared.write(),
            None => {}
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        // Envoy creates no stream on a plugin whose configuration was refused.
        let shared = self.shared.as_ref()?;
        Some(Box::new(Handle::new(id, shared)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Has Envoy compile the expressions of `authorization`.
///
/// # Errors
/// The first that it refuses.
fn compiled(config: &Config) -> Result<Vec<u32>, String> {
    let authorization = config.authorization.iter();
    let expressions = authorization.flat_map(|it| &it.expressions);
    let compiled = expressions.map(|expression| {
        property::compile(&expression.text).map_err(|_| {
            format!(
                "{}: {:?} is no expression of CEL that Envoy knows",
                expression.field, expression.text
            )
        })
    });
    compiled.collect()
}

/// Defines all metrics. One that the host refuses is not counted.
fn define_metrics(config: &Config) -> Vec<(MetricKind, u32)> {
    let define = |(kind, name): &(MetricKind, String)| {
        (*kind, host::define_metric(*kind, name).unwrap_or(0))
    };
    config.metrics.names().iter().map(define).collect()
}

/// Makes CEL compare filter state with strings instead of bytes. Where Envoy
/// refuses, the state is still written.
fn declare_state() {
    for key in export::STATE {
        let arguments = DeclareProperty {
            name: (*key).to_owned(),
            kind: 1,
            span: 1,
        };
        if let Err(refused) = host::foreign("declare_property", &arguments.encode_to_vec()) {
            log::debug!("declare_property {key}: host status {}", refused.0);
        }
    }
}
