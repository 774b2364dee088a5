//! Scenarios on the core: events in, effects out.

#![cfg(not(target_family = "wasm"))]

mod core;
mod format;

#[test]
fn every_scenario_holds_on_the_core() {
    format::run(core::Core::default);
}
