//! A plugin: a filter with a configuration, in one worker's VM.

use super::abi::Level;
use super::message::Call;
use super::module;
use super::state::{LogLine, Process, Settings};
use super::stream::Stream;
use super::vm::Vm;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;
use wasmi::{Engine, Module};

/// What surrounds the filter; ends in [`Host::configure`]. What is configured
/// in one host shares data, as the workers of one Envoy do.
#[derive(Clone)]
pub(crate) struct Host {
    settings: Settings,
    guest: Option<Rc<(Engine, Module)>>,
}

impl Host {
    /// An Envoy without clusters that holds requests
    /// (`allow_on_headers_stop_iteration`), with Envoy's own buffer limit.
    pub(crate) fn new() -> Self {
        let mut properties = BTreeMap::new();
        properties.insert(b"plugin_name".to_vec(), b"mcp_gateway".to_vec());
        properties.insert(b"plugin_root_id".to_vec(), b"mcp_gateway".to_vec());
        Self {
            settings: Settings {
                process: Rc::new(Process::new()),
                clusters: BTreeSet::new(),
                clusters_without_hosts: BTreeSet::new(),
                environment: Vec::new(),
                hold: true,
                buffer_limit: 1024 * 1024,
                properties,
                vm_configuration: Vec::new(),
                log_level: Level::Info,
                crash_expected: false,
            },
            guest: None,
        }
    }

    /// A cluster the filter may call.
    pub(crate) fn cluster(mut self, name: &str) -> Self {
        self.settings.clusters.insert(name.to_owned());
        self
    }

    /// A cluster without a healthy host: calls fail on the spot, with
    /// InternalFailure.
    pub(crate) fn cluster_without_hosts(mut self, name: &str) -> Self {
        self.settings.clusters_without_hosts.insert(name.to_owned());
        self
    }

    /// Where its random numbers start, which no two processes share.
    pub(crate) fn random_from(&self, seed: u64) {
        self.settings.process.random.set(seed);
    }

    /// A variable of `environment_variables`.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        let line = (name.to_owned(), value.to_owned());
        self.settings.environment.push(line);
        self
    }

    /// `allow_on_headers_stop_iteration`.
    pub(crate) fn hold(mut self, hold: bool) -> Self {
        self.settings.hold = hold;
        self
    }

    /// `per_connection_buffer_limit_bytes`.
    pub(crate) fn buffer_limit(mut self, bytes: usize) -> Self {
        self.settings.buffer_limit = bytes;
        self
    }

    /// A property, by its path.
    pub(crate) fn property(mut self, path: &[&str], value: impl AsRef<[u8]>) -> Self {
        self.settings
            .properties
            .insert(path.join("\0").into_bytes(), value.as_ref().to_vec());
        self
    }

    /// The level that `proxy_get_log_level` tells. All lines are captured.
    pub(crate) fn log_level(mut self, level: Level) -> Self {
        self.settings.log_level = level;
        self
    }

    /// A crash ends a stream as [`super::Outcome::Crashed`], not the test.
    pub(crate) fn expect_crash(mut self) -> Self {
        self.settings.crash_expected = true;
        self
    }

    /// Another module instead of the filter: WebAssembly, binary or text.
    pub(crate) fn guest(mut self, wasm: impl AsRef<[u8]>) -> Self {
        self.guest = Some(Rc::new(module::compile(wasm.as_ref())));
        self
    }

    /// Starts the VM and configures the plugin.
    pub(crate) fn configure(&self, configuration: &str) -> Result<Plugin, Refused> {
        self.configure_bytes(configuration.as_bytes())
    }

    /// The same with a configuration that need not be text.
    pub(crate) fn configure_bytes(&self, configuration: &[u8]) -> Result<Plugin, Refused> {
        let module = match &self.guest {
            Some(guest) => guest,
            None => module::filter(),
        };
        let vm = Vm::start(module, self.settings.clone(), configuration.to_vec())?;
        Ok(Plugin {
            vm: Rc::new(RefCell::new(vm)),
        })
    }
}

/// A configuration that the filter did not take: Envoy rejects the listener.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) log: Vec<LogLine>,
}

impl Refused {
    /// All that was logged, a line each.
    pub(crate) fn log_text(&self) -> String {
        lines(&self.log)
    }
}

/// A configured plugin. Its streams share one VM, as on a worker.
pub(crate) struct Plugin {
    vm: Rc<RefCell<Vm>>,
}

impl Plugin {
    /// A client's next request. Streams may overlap.
    pub(crate) fn stream(&self) -> Stream {
        Stream::new(&self.vm)
    }

    /// All calls that were made so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.vm.borrow().state().calls.clone()
    }

    /// What the filter logged so far, in the order of time.
    pub(crate) fn log(&self) -> Vec<LogLine> {
        self.vm.borrow().state().log.clone()
    }

    /// All that was logged, a line each.
    pub(crate) fn log_text(&self) -> String {
        lines(&self.vm.borrow().state().log)
    }

    /// Counters and gauges by name; those only defined are 0.
    pub(crate) fn metrics(&self) -> BTreeMap<String, u64> {
        self.vm.borrow().state().metrics.values()
    }

    /// One of them; `None` if it was never defined.
    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        self.metrics().get(name).copied()
    }

    /// What was recorded in a histogram.
    pub(crate) fn histogram(&self, name: &str) -> Vec<u64> {
        self.vm.borrow().state().metrics.samples(name)
    }

    /// How often the filter and the host called each other since this was last asked, by
    /// the names of the functions.
    pub(crate) fn take_crossings(&self) -> BTreeMap<String, u32> {
        std::mem::take(&mut self.vm.borrow_mut().state_mut().crossings)
    }

    /// How often the filter made each host call, by their names.
    pub(crate) fn called(&self) -> BTreeMap<String, u32> {
        let mut called = self.vm.borrow().state().crossings.clone();
        called.retain(|name, _| !name.starts_with("proxy_on_"));
        called
    }

    /// The arguments of each `declare_property`, as they came.
    pub(crate) fn declared_properties(&self) -> Vec<Vec<u8>> {
        self.vm.borrow().state().declared.clone()
    }

    /// The period the filter asked for, in milliseconds; 0 is none.
    pub(crate) fn tick_period(&self) -> u32 {
        self.vm.borrow().state().tick_period
    }

    /// The timer fires.
    pub(crate) fn tick(&self) {
        let mut vm = self.vm.borrow_mut();
        let root = vm.root;
        vm.call(root, None, "proxy_on_tick", &[root]);
    }

    /// Moves the clock, which otherwise stands still.
    pub(crate) fn advance(&self, by: Duration) {
        let nanoseconds = u64::try_from(by.as_nanos()).expect("a short time");
        self.vm.borrow_mut().state_mut().clock += nanoseconds;
    }

    /// Streams that the VM still has a context for.
    pub(crate) fn open_streams(&self) -> usize {
        self.vm.borrow().state().contexts.len() - 1
    }

    /// Bytes of the VM's memory.
    pub(crate) fn memory_size(&self) -> usize {
        self.vm.borrow().memory_size()
    }

    /// Why the VM ended, under [`Host::expect_crash`].
    pub(crate) fn crash(&self) -> Option<String> {
        self.vm.borrow().crash.clone()
    }
}

fn lines(log: &[LogLine]) -> String {
    log.iter().map(|line| format!("{}\n", line.text)).collect()
}
