//! The host's shared data: one key-value store for all workers of one VM id.

use std::ptr::null_mut;

use super::host::{ok, owned};
use crate::gateway::worker::page_cache::Store;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
}

/// The host's shared data.
#[derive(Debug)]
pub(super) struct SharedData;

impl Store for SharedData {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let (mut data, mut size, mut cas) = (null_mut(), 0, 0);
        // SAFETY: the pointer is valid for its size, all results for writes;
        // the result is ours.
        unsafe {
            ok(proxy_get_shared_data(
                key.as_ptr(),
                key.len(),
                &raw mut data,
                &raw mut size,
                &raw mut cas,
            ))
            .ok()?;
            Some(owned(data, size))
        }
    }

    fn set(&self, key: &str, value: &[u8]) {
        // 0 replaces the value whatever it is. SAFETY: the pointers are valid for
        // their sizes during the call.
        let _ = unsafe {
            proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), 0)
        };
    }
}
