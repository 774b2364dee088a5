//! Tests of `mcp-gateway controller` with a real API server, and without a control plane
//! for Envoy.
//!
//! `KUBECONFIG` must be the path of an administrator's kubeconfig, with the name
//! `admin.kubeconfig`. The cluster must exist for these tests only, with the CRDs of the
//! Gateway API and of Envoy Gateway. The API server must write all writes to `audit.log` in
//! the same folder. `./scripts/cluster --shell api --run COMMAND` starts such a cluster.

// A Wasm program cannot start processes.
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
