//! Variables in the values of files: where they stand, and where their values come from.

pub(crate) mod env_file;
pub(crate) mod environment;
pub(crate) mod inputs;
pub(crate) mod placeholder;
