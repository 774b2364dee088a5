//! The imports of module `wasi_snapshot_preview1` that Envoy has.

use super::abi::Level;
use super::guest::{self, Answer, Stop};
use super::state::{HostState, LogLine};
use wasmi::{Caller, Error, Linker, Module, Val};

const MODULE: &str = "wasi_snapshot_preview1";

/// Errno numbers.
const EBADF: u32 = 8;
const EFAULT: u32 = 21;
const ENOSYS: u32 = 52;
const ENOTSUP: u32 = 58;

/// WASI calls that exist in Envoy but do nothing.
const EMPTY: [&str; 10] = [
    "args_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_read",
    "fd_seek",
    "path_open",
    "poll_oneoff",
    "sched_yield",
];

pub(super) fn link(linker: &mut Linker<HostState>, module: &Module) -> Result<(), Error> {
    linker.func_wrap(
        MODULE,
        "fd_write",
        |mut caller: Caller<'_, HostState>, fd: u32, iovs: u32, count: u32, return_written: u32| {
            let level = match fd {
                1 => Level::Info,
                2 => Level::Error,
                _ => return Ok(EBADF),
            };
            errno(fd_write(&mut caller, level, iovs, count, return_written))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "random_get",
        |mut caller: Caller<'_, HostState>, data: u32, size: u32| {
            caller.data_mut().cross("random_get");
            errno(random_get(&mut caller, data, size))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "clock_time_get",
        |mut caller: Caller<'_, HostState>, clock: u32, _precision: u64, return_time: u32| {
            // 0 is the realtime clock and 1 the monotonic clock. There is no CPU clock.
            if clock > 1 {
                return Ok(ENOTSUP);
            }
            caller.data_mut().cross("clock_time_get");
            let now = caller.data().clock;
            errno(guest::write(&mut caller, return_time, &now.to_le_bytes()))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "environ_sizes_get",
        |mut caller: Caller<'_, HostState>, return_count: u32, return_size: u32| {
            errno(environ_sizes_get(&mut caller, return_count, return_size))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "environ_get",
        |mut caller: Caller<'_, HostState>, environ: u32, data: u32| {
            errno(environ_get(&mut caller, environ, data))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "args_sizes_get",
        |mut caller: Caller<'_, HostState>, return_count: u32, return_size: u32| {
            let answer = guest::write_number(&mut caller, return_count, 0)
                .and_then(|()| guest::write_number(&mut caller, return_size, 0));
            errno(answer)
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proc_exit",
        |_: Caller<'_, HostState>, code: u32| -> Result<(), Error> {
            Err(Error::new(format!("proc_exit({code})")))
        },
    )?;
    link_empty(linker, module)
}

fn link_empty(linker: &mut Linker<HostState>, module: &Module) -> Result<(), Error> {
    for import in module.imports().filter(|import| import.module() == MODULE) {
        if !EMPTY.contains(&import.name()) {
            continue;
        }
        if let Some(signature) = import.ty().func() {
            linker.func_new(MODULE, import.name(), signature.clone(), |_, _, results| {
                for result in results {
                    *result = Val::I32(ENOSYS.cast_signed());
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

fn errno(answer: Answer) -> Result<u32, Error> {
    match answer {
        Ok(()) => Ok(0),
        Err(Stop::Answer(_)) => Ok(EFAULT),
        Err(Stop::Trap(error)) => Err(error),
    }
}

/// What the filter writes to its standard output and error becomes lines of Envoy's log.
fn fd_write(
    caller: &mut Caller<'_, HostState>,
    level: Level,
    iovs: u32,
    count: u32,
    return_written: u32,
) -> Answer {
    let mut bytes = Vec::new();
    for index in 0..count {
        let iov = guest::read(caller, iovs + index * 8, 8)?;
        let (address, size) = iov.split_at(4);
        let number = |four: &[u8]| u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        bytes.extend(guest::read(caller, number(address), number(size))?);
    }
    let written = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
    if written > 0 {
        caller.data_mut().log.push(LogLine { level, text });
    }
    guest::write_number(caller, return_written, written)
}

/// Returns the same bytes in every run, so that a failure can be repeated.
fn random_get(caller: &mut Caller<'_, HostState>, data: u32, size: u32) -> Answer {
    let mut bytes = vec![0; size as usize];
    for byte in &mut bytes {
        let random = &caller.data().settings.process.random;
        let mut state = random.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        random.set(state);
        *byte = state.to_le_bytes()[0];
    }
    guest::write(caller, data, &bytes)
}

fn environment(caller: &Caller<'_, HostState>) -> Vec<Vec<u8>> {
    caller
        .data()
        .settings
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}\0").into_bytes())
        .collect()
}

fn environ_sizes_get(
    caller: &mut Caller<'_, HostState>,
    return_count: u32,
    return_size: u32,
) -> Answer {
    let lines = environment(caller);
    let size: usize = lines.iter().map(Vec::len).sum();
    guest::write_number(caller, return_count, lines.len() as u32)?;
    guest::write_number(caller, return_size, size as u32)
}

fn environ_get(caller: &mut Caller<'_, HostState>, mut environ: u32, mut data: u32) -> Answer {
    for line in environment(caller) {
        guest::write_number(caller, environ, data)?;
        guest::write(caller, data, &line)?;
        environ += 4;
        data += line.len() as u32;
    }
    Ok(())
}
