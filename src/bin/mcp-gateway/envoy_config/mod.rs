//! A complete Envoy configuration: the shipped one, with other servers.

mod cluster;
mod template;

use serde::Serialize;
use serde_json::Value;

pub(crate) use self::cluster::Cluster;
use crate::syntax::yaml;

const SHIPPED: &str = include_str!("../../../../envoy/gateway.yaml");

/// The comment in the shipped configuration at which filters before the gateway's are inserted.
const BEFORE: &str = "          # Authentication, if any, belongs before this filter: lists and
          # discovery are answered here and never reach what comes after.
";

/// The differences from the shipped configuration.
pub(crate) struct EnvoySettings {
    /// The address and the port of the endpoint.
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
    /// The path of the filter on the machine of Envoy.
    pub(crate) wasm: String,
    /// The most bytes that Envoy buffers for one connection.
    pub(crate) buffer_limit: usize,
    /// The environment variables that the filter reads.
    pub(crate) variables: Vec<String>,
    /// The HTTP filters before the gateway's.
    pub(crate) before: Vec<Value>,
    /// The mappers for Envoy's own answers, which come before the existing ones.
    pub(crate) local_replies: Vec<Value>,
    /// The filter's configuration, as YAML.
    pub(crate) config: String,
    pub(crate) clusters: Vec<Cluster>,
}

/// The configuration, with the comments of the shipped one.
///
/// # Errors
/// The shipped configuration has an unexpected shape, which is a bug.
pub(crate) fn text(settings: &EnvoySettings) -> Result<String, String> {
    let address = flow(&settings.address)?;
    let mut text = ConfigText::shipped()?;
    text.replace(
        "port_value: 9901",
        &format!("port_value: {}", settings.admin_port),
    )?;
    text.replace(
        "address: 127.0.0.1, port_value: 10000",
        &format!("address: {address}, port_value: {}", settings.port),
    )?;
    text.replace(
        "per_connection_buffer_limit_bytes: 4194304",
        &format!(
            "per_connection_buffer_limit_bytes: {}",
            settings.buffer_limit
        ),
    )?;
    text.replace(
        "target/wasm32-wasip1/release/mcp_gateway.wasm",
        &flow(&settings.wasm)?,
    )?;
    if !settings.variables.is_empty() {
        let runtime = "                  runtime: envoy.wasm.runtime.v8\n";
        let names = flow(&settings.variables)?;
        text.replace(
            runtime,
            &format!(
                "{runtime}                  environment_variables: {{ host_env_keys: {names} }}\n"
            ),
        )?;
    }
    text.replace_block("  clusters:\n", &cluster::text(&settings.clusters)?)?;
    // This comes after the other replacements, since the user's fields may have the same names as
    // the lines above.
    text.replace_block(
        "                  value:\n",
        &indented(&settings.config, 20),
    )?;
    // This comes last, since these lines have the same form.
    if !settings.before.is_empty() {
        let filters = yaml::block(&settings.before).map_err(|error| error.to_string())?;
        text.replace(BEFORE, &indented(&filters, 10))?;
    }
    if !settings.local_replies.is_empty() {
        let mappers = yaml::block(&settings.local_replies).map_err(|error| error.to_string())?;
        let key = "            mappers:\n";
        text.replace(key, &format!("{key}{}", indented(&mappers, 12)))?;
    }
    Ok(text.0)
}

fn flow(value: &impl Serialize) -> Result<String, String> {
    yaml::flow(value).map_err(|error| error.to_string())
}

fn indented(text: &str, spaces: usize) -> String {
    let lines = text.lines();
    lines
        .map(|line| format!("{:spaces$}{line}\n", ""))
        .collect()
}

/// The text of a configuration. Each part that is replaced must be there exactly once.
struct ConfigText(String);

impl ConfigText {
    /// The shipped configuration with another heading.
    fn shipped() -> Result<Self, String> {
        let mut text = Self(SHIPPED.to_owned());
        let (_, after) = text.split("\nadmin:")?;
        let heading = "# Made by `mcp-gateway`: MCP servers behind one endpoint.";
        text.0 = format!("{heading}\nadmin:{after}");
        Ok(text)
    }

    fn replace(&mut self, from: &str, to: &str) -> Result<(), String> {
        let (before, after) = self.split(from)?;
        self.0 = format!("{before}{to}{after}");
        Ok(())
    }

    /// Replaces the lines that belong to the line `key`: the lines after it that are indented more,
    /// and the items of its list.
    fn replace_block(&mut self, key: &str, to: &str) -> Result<(), String> {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let belongs = |line: &&str| {
            indent(line) > indent(key)
                || indent(line) == indent(key) && line.trim_start().starts_with("- ")
        };
        let (before, after) = self.split(key)?;
        let lines = after.split_inclusive('\n');
        let after: String = lines.skip_while(belongs).collect();
        self.0 = format!("{before}{key}{to}{after}");
        Ok(())
    }

    /// The text before and after `part`.
    fn split(&self, part: &str) -> Result<(&str, &str), String> {
        match self.0.split_once(part) {
            Some((before, after)) if !after.contains(part) => Ok((before, after)),
            _ => Err(format!(
                "a bug: {part:?} must be in envoy/gateway.yaml exactly once"
            )),
        }
    }
}
