//! How this plugin has its worker call it when no other callback runs: a
//! shared queue of the host, which only this plugin on this worker knows.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ptr::null_mut;

use super::host::{Refused, ok, owned};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_register_shared_queue(name: *const u8, name_size: usize, queue: *mut u32) -> u32;
    fn proxy_enqueue_shared_queue(queue: u32, value: *const u8, value_size: usize) -> u32;
    fn proxy_dequeue_shared_queue(queue: u32, value: *mut *mut u8, value_size: *mut usize) -> u32;
}

/// The queue, which exists from its first use.
#[derive(Default)]
pub(super) struct Queue(Cell<Option<u32>>);

impl Queue {
    /// Has the host call `on_queue_ready` of the root context from its event
    /// loop, outside of any other callback.
    pub(super) fn wake(&self) -> Result<(), Refused> {
        let queue = match self.0.get() {
            Some(queue) => queue,
            None => self.register()?,
        };
        // SAFETY: nothing is read from a value without a size.
        ok(unsafe { proxy_enqueue_shared_queue(queue, "".as_ptr(), 0) })
    }

    /// Takes what [`wake`](Self::wake) put there.
    pub(super) fn woken(&self) {
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

    fn register(&self) -> Result<u32, Refused> {
        // Workers share queues by name, and the last to register one has it. The
        // standard library seeds its hashes from the host's random numbers.
        let random = RandomState::new().build_hasher().finish();
        let name = format!("mcp-gateway {random:016x}");
        let mut queue = 0;
        // SAFETY: the pointer is valid for its size, the result for writes.
        ok(unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut queue) })?;
        self.0.set(Some(queue));
        Ok(queue)
    }
}
