//! Runs the scenarios with the core: the driver sends events, and checks the effects.

#![cfg(not(target_family = "wasm"))]

mod core;
mod format;

#[test]
fn every_scenario_holds_on_the_core() {
    format::run(core::Core::default);
}
