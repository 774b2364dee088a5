//! Variables in the values of files: their forms, and the sources of their values.

pub(crate) mod env_file;
pub(crate) mod environment;
pub(crate) mod inputs;
pub(crate) mod placeholder;
mod url;
