//! A way to get a callback from Envoy's event loop, when no other callback of
//! this VM is running: a shared queue of the host that only this plugin on this
//! worker uses. It holds empty values; only the callback counts.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ptr::null_mut;

use super::host::{HostCallError, ok, owned};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_register_shared_queue(name: *const u8, name_size: usize, queue: *mut u32) -> u32;
    fn proxy_enqueue_shared_queue(queue: u32, value: *const u8, value_size: usize) -> u32;
    fn proxy_dequeue_shared_queue(queue: u32, value: *mut *mut u8, value_size: *mut usize) -> u32;
}

/// The queue; registered when it is first used.
#[derive(Default)]
pub(super) struct CallbackQueue(Cell<Option<u32>>);

impl CallbackQueue {
    /// Makes the host call `on_queue_ready` of the root context from its event
    /// loop.
    pub(super) fn schedule(&self) -> Result<(), HostCallError> {
        let queue = match self.0.get() {
            Some(queue) => queue,
            None => self.register()?,
        };
        // SAFETY: nothing is read from a value without a size.
        ok(unsafe { proxy_enqueue_shared_queue(queue, "".as_ptr(), 0) })
    }

    /// Removes one value from the queue; for the callback that it caused.
    pub(super) fn dequeue(&self) {
        let Some(queue) = self.0.get() else {
            return;
        };
        let (mut value, mut size) = (null_mut(), 0);
        // SAFETY: both pointers are valid for writes; the result is ours.
        unsafe {
            if ok(proxy_dequeue_shared_queue(
                queue,
                &raw mut value,
                &raw mut size,
            ))
            .is_ok()
            {
                drop(owned(value, size));
            }
        }
    }

    fn register(&self) -> Result<u32, HostCallError> {
        // Workers that register one name share the queue, and only the last of
        // them gets its callbacks. So the name is random: the standard library
        // seeds its hashes with the host's random numbers.
        let random = RandomState::new().build_hasher().finish();
        let name = format!("mcp-gateway {random:016x}");
        let mut queue = 0;
        // SAFETY: the pointer is valid for its size, the result for writes.
        ok(unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut queue) })?;
        self.0.set(Some(queue));
        Ok(queue)
    }
}
