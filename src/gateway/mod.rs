//! Many servers behind one endpoint: which of them a message goes to, what
//! they are asked, and what their answers are together.

pub mod call;
pub mod discover;
pub mod failure;
pub mod fanout;
pub mod forwarding;
pub mod list;
pub mod names;
pub mod route;
