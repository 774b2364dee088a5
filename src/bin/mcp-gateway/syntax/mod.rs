//! Texts as trees of values: YAML, JSON with comments, TOML. And values as YAML.

mod json_text;
mod toml_text;
pub(crate) mod tree;
pub(crate) mod yaml;
