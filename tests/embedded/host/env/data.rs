//! Properties, filter state, shared data and shared queues.

use super::host_calls;
use crate::host::abi::Status;
use crate::host::guest::{self, Answer};
use crate::host::state::{Deferred, HostState};
use std::collections::VecDeque;
use std::rc::Rc;
use wasmi::{Caller, Error, Linker};

pub(super) fn link(linker: &mut Linker<HostState>) -> Result<(), Error> {
    host_calls! { linker:
        "proxy_get_property" = get_property,
            (path: u32, path_size: u32, return_data: u32, return_size: u32);
        "proxy_set_property" = set_property,
            (path: u32, path_size: u32, value: u32, value_size: u32);
        "proxy_get_shared_data" = get_shared_data,
            (key: u32, key_size: u32, return_data: u32, return_size: u32, return_cas: u32);
        "proxy_set_shared_data" = set_shared_data,
            (key: u32, key_size: u32, value: u32, value_size: u32, cas: u32);
        "proxy_register_shared_queue" = register_queue,
            (name: u32, name_size: u32, return_id: u32);
        "proxy_resolve_shared_queue" = resolve_queue,
            (vm: u32, vm_size: u32, name: u32, name_size: u32, return_id: u32);
        "proxy_dequeue_shared_queue" = dequeue,
            (queue: u32, return_data: u32, return_size: u32);
        "proxy_enqueue_shared_queue" = enqueue, (queue: u32, data: u32, size: u32);
    }
    Ok(())
}

fn get_property(
    caller: &mut Caller<'_, HostState>,
    path: u32,
    path_size: u32,
    return_data: u32,
    return_size: u32,
) -> Answer {
    let path = guest::read(caller, path, path_size)?;
    let state = caller.data();
    let details = state.stream().and_then(|stream| stream.details);
    let own = state
        .stream()
        .and_then(|stream| stream.properties.get(&path));
    let value = match (own.or(state.settings.properties.get(&path)), details) {
        (_, Some(details)) if path == b"response\0code_details" => details.into(),
        (Some(value), _) => value.clone(),
        // If Envoy does not know a name, it looks for it in the filter state.
        (None, _) => state
            .stream()
            .and_then(|stream| stream.filter_state.get(&state_key(&path)))
            .cloned()
            .ok_or(Status::NotFound)?,
    };
    guest::give(caller, &value, return_data, return_size)
}

fn set_property(
    caller: &mut Caller<'_, HostState>,
    path: u32,
    path_size: u32,
    value: u32,
    value_size: u32,
) -> Answer {
    let path = guest::read(caller, path, path_size)?;
    let value = guest::read(caller, value, value_size)?;
    let stream = caller.data_mut().stream_mut().ok_or(Status::NotFound)?;
    if stream.refuses_state {
        return Err(Status::BadArgument.into());
    }
    stream.filter_state.insert(state_key(&path), value);
    Ok(())
}

/// Envoy's key of a property: the path as the filter gave it, with its NULs.
fn state_key(path: &[u8]) -> String {
    format!("wasm.{}", String::from_utf8_lossy(path))
}

fn get_shared_data(
    caller: &mut Caller<'_, HostState>,
    key: u32,
    key_size: u32,
    return_data: u32,
    return_size: u32,
    return_cas: u32,
) -> Answer {
    let key = guest::read(caller, key, key_size)?;
    let process = Rc::clone(&caller.data().settings.process);
    let held = process.shared_data.borrow().get(&key).cloned();
    let (value, cas) = held.ok_or(Status::NotFound)?;
    guest::give(caller, &value, return_data, return_size)?;
    guest::write_number(caller, return_cas, cas)
}

fn set_shared_data(
    caller: &mut Caller<'_, HostState>,
    key: u32,
    key_size: u32,
    value: u32,
    value_size: u32,
    cas: u32,
) -> Answer {
    let key = guest::read(caller, key, key_size)?;
    let value = guest::read(caller, value, value_size)?;
    let process = &caller.data().settings.process;
    let mut data = process.shared_data.borrow_mut();
    let held = data.get(&key).map(|(_, cas)| *cas);
    if cas != 0 && held.is_some_and(|held| held != cas) {
        return Err(Status::CasMismatch.into());
    }
    let next = process.next_cas.get();
    process.next_cas.set(next + 1);
    data.insert(key, (value, next));
    Ok(())
}

/// The queue with this name. The first use of a name creates the queue.
fn register_queue(
    caller: &mut Caller<'_, HostState>,
    name: u32,
    name_size: u32,
    return_id: u32,
) -> Answer {
    let name = guest::read(caller, name, name_size)?;
    let queues = &mut caller.data_mut().queues;
    let at = queues.iter().position(|(known, _)| *known == name);
    let at = at.unwrap_or_else(|| {
        queues.push((name, VecDeque::new()));
        queues.len() - 1
    });
    // 0 is not the id of a queue.
    guest::write_number(caller, return_id, at as u32 + 1)
}

fn resolve_queue(
    _: &mut Caller<'_, HostState>,
    _vm: u32,
    _vm_size: u32,
    _name: u32,
    _name_size: u32,
    _return_id: u32,
) -> Answer {
    Err(Status::NotFound.into())
}

fn dequeue(
    caller: &mut Caller<'_, HostState>,
    queue: u32,
    return_data: u32,
    return_size: u32,
) -> Answer {
    let value = queue_of(caller, queue)?.pop_front();
    guest::give(
        caller,
        &value.ok_or(Status::Empty)?,
        return_data,
        return_size,
    )
}

/// Adds a value to a queue. The worker that registered the queue is told from its event loop.
fn enqueue(caller: &mut Caller<'_, HostState>, queue: u32, data: u32, size: u32) -> Answer {
    let value = guest::read(caller, data, size)?;
    queue_of(caller, queue)?.push_back(value);
    let deferred = &mut caller.data_mut().deferred;
    deferred.push_back(Deferred::Wake(queue));
    Ok(())
}

fn queue_of<'a>(
    caller: &'a mut Caller<'_, HostState>,
    queue: u32,
) -> Result<&'a mut VecDeque<Vec<u8>>, Status> {
    let at = (queue as usize).checked_sub(1).ok_or(Status::NotFound)?;
    let queue = caller.data_mut().queues.get_mut(at);
    queue.map(|(_, values)| values).ok_or(Status::NotFound)
}
