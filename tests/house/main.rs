//! Checks the rules of ARCHITECTURE.md for which there is no lint.
//!
//! Each of these files has one rule, or a few that belong together:
//!
//! - `debug`: which types must not have a `Debug` output.
//! - `host`: which code may use `proxy_wasm` and `unsafe`.
//! - `layers`: which module may name which other modules.
//! - `lengths`: how long a file and a function may be.
//! - `linked_crates`: which crates the .wasm links.
//! - `lints`: which lints must be on.
//! - `methods`: how many methods a type may have, and in how many files.
//! - `pages`: what README and the other pages must not have.
//! - `type_names`: no two types have the same name.
//!
//! The other files help them: `source` reads the Rust files, `functions` finds the functions in
//! their text, and `paths` finds the modules that the text names. They search the text and do not
//! parse it, so they need code that rustfmt has formatted.

#![cfg(not(target_family = "wasm"))]

mod debug;
mod functions;
mod host;
mod layers;
mod lengths;
mod linked_crates;
mod lints;
mod methods;
mod pages;
mod paths;
mod source;
mod type_names;
