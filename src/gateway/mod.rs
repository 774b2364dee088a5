//! Many servers behind one endpoint: which server gets a message, what the gateway asks the
//! servers, and how it merges their answers.
//!
//! Each folder uses only the folders before it in this list: `routing`, `upstream`, `search`,
//! `session`, `worker`, `translate`, `fanout`. All of them may use `store`.

pub mod fanout;
pub mod routing;
pub mod search;
pub mod session;
pub mod store;
pub mod translate;
pub mod upstream;
pub mod worker;
