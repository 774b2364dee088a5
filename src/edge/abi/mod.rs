//! The bytes of the proxy-wasm ABI, read and written as plain data.

pub mod map;
pub mod value;
