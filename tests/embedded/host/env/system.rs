//! Log, clock, timer and contexts.

use super::host_calls;
use crate::host::abi::{Level, Status};
use crate::host::guest::{self, Answer};
use crate::host::state::{HostState, LogLine};
use wasmi::{Caller, Error, Linker};

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<(), Error> {
    host_calls! { linker:
        "proxy_log" = log, (level: u32, data: u32, size: u32);
        "proxy_get_log_level" = get_log_level, (return_level: u32);
        "proxy_get_current_time_nanoseconds" = get_current_time, (return_time: u32);
        "proxy_set_tick_period_milliseconds" = set_tick_period, (period: u32);
        "proxy_set_effective_context" = set_effective_context, (context: u32);
        "proxy_done" = done, ();
    }
    Ok(())
}

fn log(caller: &mut Caller<'_, HostState>, level: u32, data: u32, size: u32) -> Answer {
    let level = Level::from_number(level).ok_or(Status::BadArgument)?;
    let text = guest::read_text(caller, data, size)?;
    caller.data_mut().log.push(LogLine { level, text });
    Ok(())
}

fn get_log_level(caller: &mut Caller<'_, HostState>, return_level: u32) -> Answer {
    let level = caller.data().settings.log_level as u32;
    guest::write_number(caller, return_level, level)
}

fn get_current_time(caller: &mut Caller<'_, HostState>, return_time: u32) -> Answer {
    let now = caller.data().clock;
    guest::write(caller, return_time, &now.to_le_bytes())
}

fn set_tick_period(caller: &mut Caller<'_, HostState>, period: u32) -> Answer {
    caller.data_mut().tick_period = period;
    Ok(())
}

fn set_effective_context(caller: &mut Caller<'_, HostState>, context: u32) -> Answer {
    if !caller.data().contexts.contains(&context) {
        return Err(Status::BadArgument.into());
    }
    caller.data_mut().effective_context = context;
    Ok(())
}

/// Answers NotFound unless a context waits for `proxy_done`. No context waits here: streams never
/// wait in Envoy, and the root context lives as long as the plugin.
fn done(_: &mut Caller<'_, HostState>) -> Answer {
    Err(Status::NotFound.into())
}
