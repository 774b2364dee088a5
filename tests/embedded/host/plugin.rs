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

/// The environment of the filter. [`Host::configure`] starts a plugin in it. All plugins of one
/// host share data, as the workers of one Envoy do.
#[derive(Clone)]
pub(crate) struct Host {
    settings: Settings,
    guest: Option<Rc<(Engine, Module)>>,
}

impl Host {
    /// An Envoy without clusters. It holds requests (`allow_on_headers_stop_iteration`), and has
    /// Envoy's default limit for buffers.
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

    /// Adds a cluster that the filter may call.
    pub(crate) fn cluster(mut self, name: &str) -> Self {
        self.settings.clusters.insert(name.to_owned());
        self
    }

    /// Adds a cluster without a healthy host. Calls to it fail at once, with InternalFailure.
    pub(crate) fn cluster_without_hosts(mut self, name: &str) -> Self {
        self.settings.clusters_without_hosts.insert(name.to_owned());
        self
    }

    /// Sets the start of the random numbers. No two processes of Envoy have the same start.
    pub(crate) fn random_from(&self, seed: u64) {
        self.settings.process.random.set(seed);
    }

    /// Adds a variable of `environment_variables`.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        let line = (name.to_owned(), value.to_owned());
        self.settings.environment.push(line);
        self
    }

    /// Sets `allow_on_headers_stop_iteration`.
    pub(crate) fn hold(mut self, hold: bool) -> Self {
        self.settings.hold = hold;
        self
    }

    /// Sets `per_connection_buffer_limit_bytes`.
    pub(crate) fn buffer_limit(mut self, bytes: usize) -> Self {
        self.settings.buffer_limit = bytes;
        self
    }

    /// Sets the property with this path.
    pub(crate) fn property(mut self, path: &[&str], value: impl AsRef<[u8]>) -> Self {
        self.settings
            .properties
            .insert(path.join("\0").into_bytes(), value.as_ref().to_vec());
        self
    }

    /// Sets the level that `proxy_get_log_level` returns. The host keeps the lines of all levels.
    pub(crate) fn log_level(mut self, level: Level) -> Self {
        self.settings.log_level = level;
        self
    }

    /// A crash does not fail the test. The outcome of the stream is then
    /// [`super::Outcome::Crashed`].
    pub(crate) fn expect_crash(mut self) -> Self {
        self.settings.crash_expected = true;
        self
    }

    /// Uses another module in place of the filter: WebAssembly, in binary or text form.
    pub(crate) fn guest(mut self, wasm: impl AsRef<[u8]>) -> Self {
        self.guest = Some(Rc::new(module::compile(wasm.as_ref())));
        self
    }

    /// Starts the VM and configures the plugin.
    pub(crate) fn configure(&self, configuration: &str) -> Result<Plugin, Refused> {
        self.configure_bytes(configuration.as_bytes())
    }

    /// The same with a configuration that need not be UTF-8.
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

/// A configuration that the filter refused. Envoy then rejects the listener.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) log: Vec<LogLine>,
}

impl Refused {
    /// The whole log, one line for each entry.
    pub(crate) fn log_text(&self) -> String {
        lines(&self.log)
    }
}

/// A configured plugin. Its streams share one VM, as on a worker.
pub(crate) struct Plugin {
    vm: Rc<RefCell<Vm>>,
}

impl Plugin {
    /// Opens a stream for a client's next request. Streams may overlap.
    pub(crate) fn stream(&self) -> Stream {
        Stream::new(&self.vm)
    }

    /// All calls that the filter has made so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.vm.borrow().state().calls.clone()
    }

    /// What the filter has logged so far, in order.
    pub(crate) fn log(&self) -> Vec<LogLine> {
        self.vm.borrow().state().log.clone()
    }

    /// The whole log, one line for each entry.
    pub(crate) fn log_text(&self) -> String {
        lines(&self.vm.borrow().state().log)
    }

    /// Counters and gauges by name. One that is only defined has the value 0.
    pub(crate) fn metrics(&self) -> BTreeMap<String, u64> {
        self.vm.borrow().state().metrics.values()
    }

    /// The value of a counter or gauge. `None` if it was never defined.
    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        self.metrics().get(name).copied()
    }

    /// The values that were recorded in a histogram.
    pub(crate) fn histogram(&self, name: &str) -> Vec<u64> {
        self.vm.borrow().state().metrics.samples(name)
    }

    /// How often the filter and the host have called each other since the last call of this
    /// function, by the names of the functions.
    pub(crate) fn take_crossings(&self) -> BTreeMap<String, u32> {
        std::mem::take(&mut self.vm.borrow_mut().state_mut().crossings)
    }

    /// How often the filter has made each host call, by its name.
    pub(crate) fn called(&self) -> BTreeMap<String, u32> {
        let mut called = self.vm.borrow().state().crossings.clone();
        called.retain(|name, _| !name.starts_with("proxy_on_"));
        called
    }

    /// The arguments of each `declare_property`, as the filter gave them.
    pub(crate) fn declared_properties(&self) -> Vec<Vec<u8>> {
        self.vm.borrow().state().declared.clone()
    }

    /// The period of the timer that the filter has set, in milliseconds. 0 means that there is no
    /// timer.
    pub(crate) fn tick_period(&self) -> u32 {
        self.vm.borrow().state().tick_period
    }

    /// Fires the timer.
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

    /// The number of streams that still have a context in the VM.
    pub(crate) fn open_streams(&self) -> usize {
        self.vm.borrow().state().contexts.len() - 1
    }

    /// The size of the VM's memory in bytes.
    pub(crate) fn memory_size(&self) -> usize {
        self.vm.borrow().memory_size()
    }

    /// Why the VM ended. Only with [`Host::expect_crash`].
    pub(crate) fn crash(&self) -> Option<String> {
        self.vm.borrow().crash.clone()
    }
}

fn lines(log: &[LogLine]) -> String {
    log.iter().map(|line| format!("{}\n", line.text)).collect()
}
