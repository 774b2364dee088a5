//! Tests of `mcp-gateway controller` with a real API server, and without a control plane.
//!
//! `KUBECONFIG` must name the configuration of an administrator of a cluster that is there
//! for these tests only, with the definitions of the Gateway API and of Envoy Gateway.
//! Beside it, as `admin.kubeconfig`, stands `audit.log` with all writes. `./scripts/cluster --shell api --run COMMAND` starts such a cluster.

// A program for Wasm cannot start processes.
#![cfg(not(target_family = "wasm"))]

mod cluster;
mod definitions;
mod faults;
mod many;
mod objects;
mod program;
mod proxies;
mod replicas;
mod rest;
mod rights;
mod server;
mod standalone;
