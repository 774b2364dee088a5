//! Between the eras: what a message of one (modern: MCP 2026-07-28, legacy: up
//! to 2025-11-25) lacks or has too much for the other, and the names by which
//! messages refer to requests. All are edits of the text as it stands.

pub mod answer;
pub mod ids;
pub mod request;
