//! Reads YAML, JSON with comments, and TOML as trees of values. Writes values as YAML, and pieces of each.

pub(crate) mod fragment;
mod json_text;
mod toml_text;
pub(crate) mod tree;
pub(crate) mod yaml;
