//! May this message pass, and what do later filters get to see of it.

pub mod attributes;
pub mod claim;
pub mod era;
pub mod export;
pub mod extract;
pub mod glob;
pub mod refusal;
pub mod rules;
pub mod status;
pub mod trace;
pub mod traffic;

pub use refusal::Refusal;
pub use status::Status;
