//! Many servers behind one endpoint: which of them a message goes to, what
//! they are asked, and what their answers are together.

pub mod alias;
pub mod answer;
pub mod bridge;
mod bridged;
pub mod call;
pub mod caller;
pub mod calls;
pub mod discover;
pub mod exchange;
pub mod failure;
pub mod fanout;
pub mod forwarding;
pub mod freshness;
mod initialized;
pub mod kind;
mod leg;
pub mod list;
mod listed;
pub mod names;
pub mod offers;
pub mod outcome;
pub mod page;
pub mod pages;
pub mod pool;
pub mod requests;
pub mod rewrite;
pub mod route;
pub mod routed;
pub mod session;
pub mod subscriptions;
pub mod voice;
pub mod worker;

pub use crate::mcp::edit;
