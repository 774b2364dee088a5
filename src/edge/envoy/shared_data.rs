//! The host's shared data: one key-value store for all workers of one VM id.

use std::ptr::null_mut;

use super::host::{HostCallError, ok, owned};
use crate::gateway::store::{Store, number};

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

/// How often [`Store::increment`] tries again when other workers write the same key.
const TRIES: usize = 16;

impl SharedData {
    /// The value of `key`, and the number of its version.
    fn read(key: &str) -> Option<(Vec<u8>, u32)> {
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
            Some((owned(data, size), cas))
        }
    }

    /// Sets the value of `key` if its version is still `cas`; 0 stands for any version.
    fn write(key: &str, value: &[u8], cas: u32) -> Result<(), HostCallError> {
        // SAFETY: the pointers are valid for their sizes during the call.
        ok(unsafe {
            proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
        })
    }
}

impl Store for SharedData {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        Self::read(key).map(|(value, _)| value)
    }

    fn set(&self, key: &str, value: &[u8]) {
        let _ = Self::write(key, value, 0);
    }

    fn increment(&self, key: &str) -> u64 {
        let mut before = 0;
        for _ in 0..TRIES {
            let (value, cas) = Self::read(key).unzip();
            before = number(value);
            let after = before.wrapping_add(1).to_be_bytes();
            if Self::write(key, &after, cas.unwrap_or_default()).is_ok() {
                break;
            }
        }
        before
    }
}
