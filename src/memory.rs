//! Counts the memory of requests, servers' answers, and data that the workers remember.
//!
//! Envoy gives each worker thread a VM of its own, and all plugins with the same VM id share it.
//! When the memory of a VM is used up, the VM ends, and all requests on it end without an answer.
//! So there is one number for the whole VM, whichever plugin uses the bytes. A VM has one thread.
//!
//! The number is an estimate: small values with a short life are not counted.

use std::cell::Cell;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    /// The value that the gauge shows.
    static SHOWN: Cell<usize> = const { Cell::new(0) };
}

/// The additional memory that the allocator and the collections use for each small value, in bytes.
pub const OVERHEAD: usize = 64;

/// If the VM holds more than this many bytes, nothing may grow any more. The VM has 1 GiB. A
/// request that needs more memory fails, so that the VM does not end with all its other requests.
const MOST_IN_VM: usize = 671_088_640;

/// Values that are shorter than this many bytes may still grow then, since they stay small.
const SMALL: usize = 65_536;

/// The gauge changes in steps of this many bytes, since each change is a host call.
const STEP: usize = 65_536;

/// A number of bytes that a value holds. They are released when this is dropped, so it belongs into
/// the value that holds the bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HeldBytes(usize);

impl HeldBytes {
    /// Counts `bytes` as held.
    pub fn new(bytes: usize) -> Self {
        let mut held = Self::default();
        held.set(bytes);
        held
    }

    /// Changes the number of held bytes to `bytes`.
    #[inline(never)]
    pub fn set(&mut self, bytes: usize) {
        let others = held().saturating_sub(self.0);
        HELD.set(others.saturating_add(bytes));
        self.0 = bytes;
    }

    /// The number of bytes.
    pub fn bytes(&self) -> usize {
        self.0
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// How many bytes this VM holds.
pub fn held() -> usize {
    HELD.get()
}

/// Whether the VM has so little memory left that a value with `bytes` bytes must not become longer.
pub fn is_short_for(bytes: usize) -> bool {
    bytes > SMALL && held() > MOST_IN_VM
}

/// The change of the gauge, if the difference is worth a host call. With `exactly`, also a small
/// difference. The caller must change the gauge.
pub fn change(exactly: bool) -> Option<i64> {
    let (held, shown) = (held(), SHOWN.get());
    let is_due = exactly || held == 0 || held.abs_diff(shown) >= STEP;
    if held == shown || !is_due {
        return None;
    }
    SHOWN.set(held);
    let difference = i64::try_from(held.abs_diff(shown)).ok()?;
    Some(if held > shown {
        difference
    } else {
        difference.saturating_neg()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// Numbers that look random (xorshift), but are the same in each run.
    struct Schedule(u64);

    impl Schedule {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn whatever_happens_the_sum_is_what_is_held_and_nothing_is_left_in_the_end() {
        let before = held();
        for seed in 1..=50 {
            let mut schedule = Schedule(seed);
            let mut all: Vec<HeldBytes> = Vec::new();
            for _ in 0..500 {
                match (schedule.below(4), all.len()) {
                    (0 | 1, _) | (_, 0) => all.push(HeldBytes::new(schedule.below(10_000_000))),
                    (2, count) => {
                        let at = schedule.below(count);
                        all[at].set(schedule.below(10_000_000));
                    }
                    (_, count) => drop(all.swap_remove(schedule.below(count))),
                }
                let sum: usize = all.iter().map(HeldBytes::bytes).sum();
                assert_eq!(held(), before + sum, "seed {seed}");
            }
            drop(all);
            assert_eq!(held(), before, "seed {seed}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_gauge_follows_in_steps_and_shows_nothing_when_nothing_is_held() {
        assert_eq!(change(true), None);
        let mut one = HeldBytes::new(STEP - 1);
        assert_eq!(change(false), None);
        one.set(STEP);
        assert_eq!(change(false), Some(65_536));
        assert_eq!(change(false), None);
        one.set(STEP + 1);
        assert_eq!(change(false), None);
        assert_eq!(change(true), Some(1));
        one.set(1);
        assert_eq!(change(false), Some(-65_536));
        drop(one);
        assert_eq!(change(false), Some(-1));
        assert_eq!(held(), 0);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_what_is_long_must_not_grow_and_only_when_the_vm_is_nearly_full() {
        assert!(!is_short_for(usize::MAX));
        let full = HeldBytes::new(MOST_IN_VM + 1);
        assert!(is_short_for(SMALL + 1));
        assert!(!is_short_for(SMALL));
        drop(full);
        assert!(!is_short_for(SMALL + 1));
    }
}
