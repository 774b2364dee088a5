//! The choices of the fields at the top: `trafficMode`, `attributeSource`,
//! `requestStorageMode`, and the switches of `propagateTraceContext` and
//! `propagateBaggage`.

use serde_json::Value;

use super::ConfigError;
use super::fields::{FromValue, one_of};
use crate::policy::export::Storage;
use crate::policy::traffic::TrafficMode;

/// What happens to requests that are not MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(inline),
    serde(rename_all = "SCREAMING_SNAKE_CASE")
)]
pub(super) enum TrafficModeSpec {
    /// They pass unread. `wasm.mcp.status` says what they were. Not together with
    /// `servers` or `authorization`.
    PassThrough,
    /// They are refused.
    RejectNoMcp,
    /// The filter reads no message. It removes forged `x-mcp-*` headers, and does what
    /// `cors` and `oauth` say. Not together with `servers` or `authorization`.
    Noop,
}

impl TrafficModeSpec {
    /// The mode.
    pub(super) fn mode(self) -> TrafficMode {
        match self {
            Self::PassThrough => TrafficMode::PassThrough,
            Self::RejectNoMcp => TrafficMode::RejectNoMcp,
            Self::Noop => TrafficMode::Noop,
        }
    }
}

impl FromValue for TrafficModeSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let choices = [
            ("PASS_THROUGH", Self::PassThrough),
            ("REJECT_NO_MCP", Self::RejectNoMcp),
            ("NOOP", Self::Noop),
        ];
        one_of(path, value, &choices)
    }
}

/// `attributeSource`: how the filter uses the `Mcp-*` headers of a modern request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(inline),
    serde(rename_all = "SCREAMING_SNAKE_CASE")
)]
pub enum AttributeSource {
    /// It ignores them. Only the body counts.
    Body,
    /// It compares them with the body. If they differ, the request gets 400.
    Verify,
    /// It trusts them, and does not read the body. Not together with `servers` or
    /// `authorization`.
    Headers,
}

impl FromValue for AttributeSource {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let choices = [
            ("BODY", Self::Body),
            ("VERIFY", Self::Verify),
            ("HEADERS", Self::Headers),
        ];
        one_of(path, value, &choices)
    }
}

/// Where later filters see the method and the parameters of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(inline),
    serde(rename_all = "SCREAMING_SNAKE_CASE")
)]
pub(super) enum StorageModeSpec {
    /// Both in dynamic metadata and in filter state.
    DynamicMetadataAndFilterState,
    /// In the headers `x-mcp-method` and `x-mcp-params`. Envoy's `header_to_metadata`
    /// filter makes dynamic metadata of them.
    DynamicMetadata,
    /// In filter state: `wasm.mcp` and `wasm.mcp.*`.
    FilterState,
    /// The same as `DYNAMIC_METADATA_AND_FILTER_STATE`.
    ModeUnspecified,
}

impl StorageModeSpec {
    pub(super) fn storage(self) -> Storage {
        Storage {
            dynamic_metadata: self != Self::FilterState,
            filter_state: self != Self::DynamicMetadata,
        }
    }
}

impl FromValue for StorageModeSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let choices = [
            (
                "DYNAMIC_METADATA_AND_FILTER_STATE",
                Self::DynamicMetadataAndFilterState,
            ),
            ("DYNAMIC_METADATA", Self::DynamicMetadata),
            ("FILTER_STATE", Self::FilterState),
            ("MODE_UNSPECIFIED", Self::ModeUnspecified),
        ];
        one_of(path, value, &choices)
    }
}

/// `true`, or the empty message that Envoy's own filter has here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema, serde::Serialize),
    schemars(
        inline,
        with = "serde_json::Value",
        extend("type" = ["boolean", "object"], "maxProperties" = 0)
    )
)]
pub(super) struct SwitchSpec(pub(super) bool);

impl FromValue for SwitchSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        match value {
            Value::Bool(on) => Ok(Self(on)),
            Value::Object(members) if members.is_empty() => Ok(Self(true)),
            _ => Err(ConfigError::new(path, "must be true, false or {}")),
        }
    }
}
