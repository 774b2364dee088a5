//! The root context of one plugin on one worker: it reads the configuration and
//! creates the HTTP contexts.

use std::cell::RefCell;
use std::rc::Rc;

use prost::Message as _;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use super::host::{self, Buffer};
use super::http_context::StreamHandle;
use super::memory_gauge::MemoryGauge;
use super::plugin::Plugin;
use super::shared_data::SharedData;
use super::{clock, metric, property, reload};
use crate::config::Config;
use crate::gateway::worker::Worker;
use crate::metrics::MetricKind;
use crate::policy::export;

/// The root context.
pub(super) struct Root {
    id: u32,
    /// `None` until a configuration was accepted.
    plugin: Option<Rc<Plugin>>,
    worker: Rc<RefCell<Worker>>,
    /// The last field, so that it is dropped last.
    gauge: Option<MemoryGauge>,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        let worker = Worker::new(clock::now, host::random, Box::new(SharedData));
        Self {
            id,
            plugin: None,
            worker: Rc::new(RefCell::new(worker)),
            gauge: None,
        }
    }
}

const OWN_KEY: &str = "session.keys is not set: this process uses a random key; sessions of legacy clients end with this process, and other replicas do not know them";

/// Envoy's `DeclarePropertyArguments`.
#[derive(Clone, PartialEq, prost::Message)]
struct DeclarePropertyArguments {
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
    fn on_done(&mut self) -> bool {
        clock::begin_callback();
        if let Some(plugin) = &self.plugin {
            reload::close(self.id, plugin);
        }
        true
    }

    fn on_http_call_response(&mut self, token: u32, headers: usize, body_size: usize, _: usize) {
        clock::begin_callback();
        if let Some(plugin) = &self.plugin {
            plugin.deliver(token, headers, body_size);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        clock::begin_callback();
        let config = host::buffer(Buffer::PluginConfiguration, size)
            .map_err(|error| format!("cannot be read: host status {}", error.0))
            .and_then(|bytes| {
                // The VM sees those of `vm_config.environment_variables` only.
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
                let named = |name: &str| property::text(&[name]).unwrap_or_default();
                let name = format!("{}\n{}", named("plugin_name"), named("plugin_root_id"));
                if let Ok(mut worker) = self.worker.try_borrow_mut() {
                    worker.plugin.clone_from(&name);
                    if let Some(gateway) = &config.gateway
                        && worker.configure(gateway, config.held_bytes)
                    {
                        log::warn!("{OWN_KEY}");
                    }
                }
                let metrics = define_metrics(&config);
                let worker = Rc::clone(&self.worker);
                let host = (metrics, expressions);
                self.gauge = Some(MemoryGauge::new(&config, &host.0));
                let plugin = Rc::new(Plugin::new(self.id, config, host, worker));
                plugin.start_ticks();
                reload::replace(&name, self.id, &plugin);
                self.plugin = Some(plugin);
                true
            }
            Err(error) => {
                log::error!("mcp-gateway configuration refused: {error}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        clock::begin_callback();
        if let Some(plugin) = &self.plugin {
            plugin.on_tick();
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        match &self.plugin {
            Some(plugin) if queue == host::CALL_ROOT => plugin.send_callout(),
            Some(plugin) => {
                clock::begin_callback();
                plugin.work_later();
            }
            None => {}
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        // Envoy creates no stream on a plugin whose configuration was refused.
        let plugin = self.plugin.as_ref()?;
        Some(Box::new(StreamHandle::new(id, plugin)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Compiles the expressions of `authorization` in Envoy; returns their tokens.
///
/// # Errors
/// Envoy cannot compile one of them.
fn compiled(config: &Config) -> Result<Vec<u32>, String> {
    let authorization = config.authorization.iter();
    let expressions = authorization.flat_map(|it| &it.expressions);
    let compiled = expressions.map(|expression| {
        property::compile(&expression.text).map_err(|_| {
            format!(
                "{}: {:?} is not a CEL expression that Envoy can compile",
                expression.field, expression.text
            )
        })
    });
    compiled.collect()
}

/// Defines all metrics; returns their kinds and numbers. A metric that the host
/// does not define is not counted.
fn define_metrics(config: &Config) -> Vec<(MetricKind, u32)> {
    let define =
        |(kind, name): &(MetricKind, String)| (*kind, metric::define(*kind, name).unwrap_or(0));
    config.metrics.names().iter().map(define).collect()
}

/// Declares filter state as strings, so that CEL compares it with strings instead
/// of bytes. If Envoy does not accept that, the state is still written.
fn declare_state() {
    for key in export::STATE {
        let arguments = DeclarePropertyArguments {
            name: (*key).to_owned(),
            kind: 1,
            span: 1,
        };
        let declared = host::call_foreign_function("declare_property", &arguments.encode_to_vec());
        if let Err(error) = declared {
            log::debug!("declare_property {key}: host status {}", error.0);
        }
    }
}
