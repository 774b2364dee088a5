//! `memory`: the memory limit of the filter.

use std::num::NonZeroUsize;

use super::fields::{Fields, OptionalFields};

/// The memory of the filter.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub(super) struct MemorySpec {
    /// How much one worker may hold at a time, in bytes: request bodies that wait,
    /// answers that have arrived in part, pages of lists, what is remembered of
    /// servers, and the gateway's own sessions. While a worker holds this much, it
    /// refuses new requests with 503, `retry-after` and the JSON-RPC error -32603; the
    /// requests that it has accepted go on. Envoy gives the filter at most 1 GiB for
    /// each worker.
    #[cfg_attr(feature = "schema", schemars(range(max = 4_294_967_295u64)))]
    pub(super) held_bytes: NonZeroUsize,
}

impl Default for MemorySpec {
    fn default() -> Self {
        const QUARTER_OF_A_VM: NonZeroUsize = NonZeroUsize::new(268_435_456).unwrap();
        Self {
            held_bytes: QUARTER_OF_A_VM,
        }
    }
}

impl OptionalFields for MemorySpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("heldBytes", &mut self.held_bytes);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_held_has_a_default_and_may_not_be_nothing() {
        let held = |config: &str| Config::parse(config.as_bytes()).map(|config| config.held_bytes);
        assert_eq!(held("{}"), Ok(268_435_456));
        assert_eq!(held(r#"{"memory":{}}"#), Ok(268_435_456));
        assert_eq!(held(r#"{"memory":{"held_bytes":1}}"#), Ok(1));
        for (value, said) in [
            ("0", "memory.heldBytes: must be a whole number from 1"),
            ("\"1GiB\"", "memory.heldBytes: must be a whole number"),
        ] {
            let error = held(&format!(r#"{{"memory":{{"heldBytes":{value}}}}}"#)).unwrap_err();
            assert!(error.to_string().starts_with(said), "{error}");
        }
    }
}
