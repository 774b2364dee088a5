//! The imports of module `env`: the host calls of proxy-wasm ABI 0.2.1.

mod buffers;
mod calls;
mod data;
mod maps;
mod metrics;
mod stream;
mod system;
mod too_large;

pub(super) use metrics::Metrics;

use super::abi::Status;
use super::guest::{Answer, Stop};
use super::state::HostState;
use wasmi::{Caller, Error, Linker, Module};

/// Defines host calls. Each one is a function of the caller and its numeric arguments.
macro_rules! host_calls {
    ($linker:ident: $($name:literal = $function:path, ($($argument:ident: $type:ty),*);)*) => {
        $(
            $linker.func_wrap(
                "env",
                $name,
                |mut caller: wasmi::Caller<'_, $crate::host::state::HostState>, $($argument: $type),*| {
                    $crate::host::env::enter(&mut caller, $name)?;
                    let answer = $function(&mut caller, $($argument),*);
                    $crate::host::env::leave(answer)
                },
            )?;
        )*
    };
}
use host_calls;

/// Defines all host calls. Those that this host does not implement fail when the filter calls them.
pub(super) fn link(linker: &mut Linker<HostState>, module: &Module) -> Result<(), Error> {
    buffers::link(linker)?;
    calls::link(linker)?;
    data::link(linker)?;
    maps::link(linker)?;
    metrics::link(linker)?;
    stream::link(linker)?;
    system::link(linker)?;
    refuse_unplayed(linker, module)
}

/// Host calls of Envoy that this host does not implement. The filter may import them, but must not
/// call them.
const UNPLAYED: [&str; 6] = [
    "proxy_grpc_call",
    "proxy_grpc_stream",
    "proxy_grpc_send",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_get_status",
];

fn refuse_unplayed(linker: &mut Linker<HostState>, module: &Module) -> Result<(), Error> {
    for import in module.imports().filter(|import| import.module() == "env") {
        let Some(&name) = UNPLAYED.iter().find(|name| **name == import.name()) else {
            continue;
        };
        if let Some(signature) = import.ty().func() {
            linker.func_new("env", name, signature.clone(), move |_, _, _| {
                Err(Error::new(format!(
                    "{name}: this host does not implement it"
                )))
            })?;
        }
    }
    Ok(())
}

/// Envoy allows the guest's allocator to log and to read the clock, and nothing else
/// (`setRestrictedCallback`).
fn enter(caller: &mut Caller<'_, HostState>, name: &str) -> Result<(), Error> {
    caller.data_mut().cross(name);
    if caller.data().allocating && name != "proxy_log" {
        return Err(Error::new(format!(
            "{name} called inside proxy_on_memory_allocate"
        )));
    }
    Ok(())
}

fn leave(answer: Answer) -> Result<u32, Error> {
    match answer {
        Ok(()) => Ok(Status::Ok as u32),
        Err(Stop::Answer(status)) => Ok(status as u32),
        Err(Stop::Trap(error)) => Err(error),
    }
}
