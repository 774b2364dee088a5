//! The numbers of proxy-wasm ABI 0.2.1, as Envoy's C++ host names them.

/// The status of a host call (`WasmResult`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    InvalidMemoryAccess = 6,
    Empty = 7,
    CasMismatch = 8,
    InternalFailure = 10,
    Unimplemented = 12,
}

/// What a stream callback returns. Any other value is a fault of the filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Continue,
    Pause,
}

/// `WasmHeaderMapType`.
pub(crate) mod map {
    pub(crate) const REQUEST_HEADERS: u32 = 0;
    pub(crate) const REQUEST_TRAILERS: u32 = 1;
    pub(crate) const RESPONSE_HEADERS: u32 = 2;
    pub(crate) const RESPONSE_TRAILERS: u32 = 3;
    pub(crate) const CALL_RESPONSE_HEADERS: u32 = 6;
    pub(crate) const CALL_RESPONSE_TRAILERS: u32 = 7;
}

/// `WasmBufferType`.
pub(crate) mod buffer {
    pub(crate) const REQUEST_BODY: u32 = 0;
    pub(crate) const RESPONSE_BODY: u32 = 1;
    pub(crate) const CALL_RESPONSE_BODY: u32 = 4;
    pub(crate) const VM_CONFIGURATION: u32 = 6;
    pub(crate) const PLUGIN_CONFIGURATION: u32 = 7;
}

/// The two halves of an HTTP stream. As `WasmStreamType`, they are 0 and 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// The level of a `proxy_log` line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

impl Level {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return None,
        })
    }
}
