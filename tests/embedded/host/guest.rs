//! The guest's memory, as host calls read and write it.

use super::abi::Status;
use super::state::HostState;
use wasmi::{Caller, Error, Memory};

/// Why a host call does not return Ok.
pub(super) enum Stop {
    /// The status the guest gets.
    Answer(Status),
    /// The VM ends.
    Trap(Error),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Answer(status)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Trap(error)
    }
}

/// The result of a host call.
pub(super) type Answer = Result<(), Stop>;

fn memory(caller: &Caller<'_, HostState>) -> Result<Memory, Stop> {
    caller
        .get_export("memory")
        .and_then(wasmi::Extern::into_memory)
        .ok_or(Stop::Answer(Status::InvalidMemoryAccess))
}

/// Copies bytes out of the guest.
pub(super) fn read(
    caller: &Caller<'_, HostState>,
    address: u32,
    size: u32,
) -> Result<Vec<u8>, Stop> {
    let data = memory(caller)?.data(caller);
    let start = address as usize;
    start
        .checked_add(size as usize)
        .and_then(|end| data.get(start..end))
        .map(<[u8]>::to_vec)
        .ok_or(Stop::Answer(Status::InvalidMemoryAccess))
}

/// Copies text out of the guest, such as the name of a header or of a metric.
pub(super) fn read_text(
    caller: &Caller<'_, HostState>,
    address: u32,
    size: u32,
) -> Result<String, Stop> {
    let bytes = read(caller, address, size)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes to an address that the guest gave.
pub(super) fn write(caller: &mut Caller<'_, HostState>, address: u32, bytes: &[u8]) -> Answer {
    memory(caller)?
        .write(caller, address as usize, bytes)
        .map_err(|_| Stop::Answer(Status::InvalidMemoryAccess))
}

pub(super) fn write_number(
    caller: &mut Caller<'_, HostState>,
    address: u32,
    number: u32,
) -> Answer {
    write(caller, address, &number.to_le_bytes())
}

/// Copies bytes to memory that the guest allocates for them, and writes their address and size for
/// the guest (`copyToPointerSize`). If there are no bytes, the address is null.
pub(super) fn give(
    caller: &mut Caller<'_, HostState>,
    bytes: &[u8],
    return_data: u32,
    return_size: u32,
) -> Answer {
    let mut address = 0;
    let size = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
    if size > 0 {
        address = allocate(caller, size)?;
        write(caller, address, bytes)?;
    }
    write_number(caller, return_data, address)?;
    write_number(caller, return_size, size)
}

fn allocate(caller: &mut Caller<'_, HostState>, size: u32) -> Result<u32, Stop> {
    let function = caller
        .get_export("proxy_on_memory_allocate")
        .or_else(|| caller.get_export("malloc"))
        .and_then(wasmi::Extern::into_func)
        .ok_or(Status::InvalidMemoryAccess)?;
    let function = function.typed::<u32, u32>(&*caller)?;
    caller.data_mut().allocating = true;
    let address = function.call(&mut *caller, size);
    caller.data_mut().allocating = false;
    match address? {
        0 => Err(Status::InvalidMemoryAccess.into()),
        address => Ok(address),
    }
}
