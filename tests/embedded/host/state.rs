//! What the host knows while a VM runs. This is the data of the wasmi store.

use super::abi::{Direction, Level};
use super::env::Metrics;
use super::headers::Headers;
use super::message::{Call, Response};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// Values, each with the number of its last change.
type SharedData = BTreeMap<Vec<u8>, (Vec<u8>, u32)>;

/// What the VMs of one Envoy share.
pub(super) struct Process {
    pub(super) shared_data: RefCell<SharedData>,
    pub(super) next_cas: Cell<u32>,
    pub(super) random: Cell<u64>,
}

impl Process {
    pub(super) fn new() -> Self {
        Self {
            shared_data: RefCell::default(),
            next_cas: Cell::new(1),
            random: Cell::new(0x9e37_79b9_7f4a_7c15),
        }
    }
}

/// What a scenario has set before the VM starts.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) process: Rc<Process>,
    pub(super) clusters: BTreeSet<String>,
    /// Clusters without a healthy host. Calls to them fail at once.
    pub(super) clusters_without_hosts: BTreeSet<String>,
    pub(super) environment: Vec<(String, String)>,
    /// `allow_on_headers_stop_iteration`.
    pub(super) hold: bool,
    /// `per_connection_buffer_limit_bytes`.
    pub(super) buffer_limit: usize,
    pub(super) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) vm_configuration: Vec<u8>,
    pub(super) log_level: Level,
    pub(super) crash_expected: bool,
}

/// A line of `proxy_log`, or of the filter's standard output and error.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    pub(crate) level: Level,
    pub(crate) text: String,
}

/// What Envoy does after the VM has returned (`addAfterVmCallAction`).
pub(super) enum Deferred {
    Resume(u32, Direction),
    Reply(u32, LocalReply),
    Reset(u32),
    /// The filter has put something into this queue.
    Wake(u32),
}

/// The arguments of `proxy_send_local_response`.
pub(super) struct LocalReply {
    pub(super) status: u32,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
}

pub(super) struct HostState {
    pub(super) settings: Settings,
    pub(super) plugin_configuration: Vec<u8>,
    pub(super) configuring: bool,
    pub(super) log: Vec<LogLine>,
    pub(super) metrics: Metrics,
    /// How often the VM and the host called each other, by the names of the functions.
    pub(super) crossings: BTreeMap<String, u32>,
    /// Shared queues with their names, in the order of their ids.
    pub(super) queues: Vec<(Vec<u8>, VecDeque<Vec<u8>>)>,
    pub(super) declared: Vec<Vec<u8>>,
    /// The texts given to `expr_create`, in the order of their tokens.
    pub(super) expressions: Vec<String>,
    /// Nanoseconds since 1970. The clock stands still unless a scenario moves it.
    pub(super) clock: u64,
    pub(super) tick_period: u32,
    /// The contexts that exist in the VM.
    pub(super) contexts: BTreeSet<u32>,
    pub(super) current_context: u32,
    pub(super) effective_context: u32,
    pub(super) streams: BTreeMap<u32, StreamState>,
    pub(super) calls: Vec<Call>,
    /// The response to a call. It exists only in `proxy_on_http_call_response`, and not after a
    /// reset.
    pub(super) call_response: Option<Response>,
    pub(super) deferred: VecDeque<Deferred>,
    /// Whether `proxy_on_memory_allocate` runs. In it, Envoy allows almost no host calls.
    pub(super) allocating: bool,
    /// Rules that the filter broke and for which Envoy has no status: Envoy would lose the change,
    /// hang or crash. They fail the scenario.
    pub(super) violations: Vec<String>,
}

impl HostState {
    /// Counts a call of the function `name`, in either direction.
    pub(super) fn cross(&mut self, name: &str) {
        *self.crossings.entry(name.to_owned()).or_default() += 1;
    }

    pub(super) fn new(settings: Settings, plugin_configuration: Vec<u8>) -> Self {
        Self {
            settings,
            plugin_configuration,
            configuring: false,
            log: Vec::new(),
            metrics: Metrics::default(),
            crossings: BTreeMap::new(),
            queues: Vec::new(),
            declared: Vec::new(),
            expressions: Vec::new(),
            clock: 1_767_225_600_000_000_000,
            tick_period: 0,
            contexts: BTreeSet::new(),
            current_context: 0,
            effective_context: 0,
            streams: BTreeMap::new(),
            calls: Vec::new(),
            call_response: None,
            deferred: VecDeque::new(),
            allocating: false,
            violations: Vec::new(),
        }
    }

    /// The context that a host call is about: the effective one if it exists, otherwise the current
    /// one.
    pub(super) fn context(&self) -> u32 {
        if self.contexts.contains(&self.effective_context) {
            self.effective_context
        } else {
            self.current_context
        }
    }

    /// The stream that a host call is about; `None` in the root context.
    pub(super) fn stream(&self) -> Option<&StreamState> {
        self.streams.get(&self.context())
    }

    pub(super) fn stream_mut(&mut self) -> Option<&mut StreamState> {
        let context = self.context();
        self.streams.get_mut(&context)
    }

    pub(super) fn violation(&mut self, rule: impl Into<String>) {
        self.violations.push(rule.into());
    }

    /// The whole log, for the message of a failed scenario.
    pub(super) fn log_text(&self) -> String {
        self.log
            .iter()
            .map(|line| format!("  {:?}: {}\n", line.level, line.text))
            .collect()
    }
}

/// The callback of a stream that is running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Headers(Direction),
    Body(Direction),
    Trailers(Direction),
    Log,
}

/// One HTTP stream. It is a context of the VM.
#[derive(Default)]
pub(super) struct StreamState {
    pub(super) request: Half,
    pub(super) response: Half,
    pub(super) phase: Option<Phase>,
    /// Properties in addition to those of the settings.
    pub(super) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) filter_state: BTreeMap<String, Vec<u8>>,
    /// Whether Envoy refuses to write filter state.
    pub(super) refuses_state: bool,
    /// The values of the expressions, by their tokens.
    pub(super) expressions: Vec<Option<Vec<u8>>>,
    pub(super) request_headers_changed: bool,
    pub(super) clear_route_cache_calls: u32,
    pub(super) reply_asked: bool,
    /// Whether the response is a local reply.
    pub(super) local: bool,
    /// `%RESPONSE_CODE_DETAILS%` of Envoy's own reply.
    pub(super) details: Option<&'static str>,
    pub(super) reset: bool,
    pub(super) client_gone: bool,
    pub(super) ended: bool,
}

impl StreamState {
    pub(super) fn half(&self, direction: Direction) -> &Half {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    pub(super) fn half_mut(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    /// Whether this half still runs. A reply ends the request.
    pub(super) fn runs(&self, direction: Direction) -> bool {
        !self.ended && (direction == Direction::Response || !self.reply_asked)
    }
}

/// What the filter manager does with one half at this filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Flow {
    #[default]
    NotStarted,
    Flowing,
    /// `StopIteration`: the headers are held, and the body still arrives.
    Stopped,
    /// `StopAllIterationAndWatermark`: nothing more arrives until the filter continues.
    StoppedAll,
}

/// One direction of a stream.
#[derive(Default)]
pub(super) struct Half {
    pub(super) flow: Flow,
    pub(super) headers: Headers,
    /// Whether host calls reach the headers. Envoy drops its pointer to them when the headers
    /// callback returns Continue, and in `proxy_continue_stream`. It does not drop it when the body
    /// callback releases the request; for this case see [`Half::passed`].
    pub(super) headers_open: bool,
    pub(super) trailers: Option<Headers>,
    pub(super) trailers_open: bool,
    /// The piece that the running body callback is about.
    pub(super) piece: Option<Vec<u8>>,
    /// Whether the last body callback returned Pause. Then host calls reach `buffered`.
    pub(super) buffering: bool,
    /// What the filter manager keeps of the body for a stopped filter.
    pub(super) buffered: Vec<u8>,
    /// The pieces that arrived while everything was stopped.
    pub(super) waiting: Vec<(Vec<u8>, bool)>,
    pub(super) waiting_trailers: Option<Headers>,
    pub(super) end_of_stream: bool,
    /// Whether end_of_stream came with the headers.
    pub(super) headers_only: bool,
    /// What has gone on. `None` until the headers have gone on.
    pub(super) passed: Option<Passed>,
}

impl Half {
    /// The body that host calls reach; `None` outside its phase.
    pub(super) fn body(&self) -> Option<&Vec<u8>> {
        if self.buffering {
            Some(&self.buffered)
        } else {
            self.piece.as_ref()
        }
    }

    pub(super) fn body_mut(&mut self) -> Option<&mut Vec<u8>> {
        if self.buffering {
            Some(&mut self.buffered)
        } else {
            self.piece.as_mut()
        }
    }
}

/// What has gone on to the next filter.
#[derive(Clone, Default)]
pub(super) struct Passed {
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<Headers>,
    pub(super) complete: bool,
}
