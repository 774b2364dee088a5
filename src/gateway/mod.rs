//! Many servers behind one endpoint: which of them a message goes to, what
//! they are asked, and how their answers become one.
//!
//! Each folder names only the folders before it in this list: `routing`,
//! `upstream`, `search`, `session`, `worker`, `translate`, `fanout`. All may name `store`.

pub mod fanout;
pub mod routing;
pub mod search;
pub mod session;
pub mod store;
pub mod translate;
pub mod upstream;
pub mod worker;
