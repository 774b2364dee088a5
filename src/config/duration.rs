//! Durations in a configuration: `"5s"`, `"250ms"`, `"1.5s"`, `"2m"`, `"24h"`.

use std::time::Duration;

use serde_json::Value;

use super::ConfigError;
use super::fields::FromValue;

/// The longest duration. Envoy counts the timeouts of callouts in milliseconds, with 32 bits.
const LONGEST: Duration = Duration::from_millis(0xffff_ffff);

/// A duration from `1ms` to `1193h`: a number and a unit (`ms`, `s`, `m`, `h`),
/// such as `5s`, `250ms` or `1.5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(inline, title = "duration")
)]
pub(super) struct DurationSpec(
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = PATTERN)))] Duration,
);

/// A duration from `0s` to `1193h`: a number and a unit (`ms`, `s`, `m`, `h`),
/// such as `5s`, `250ms` or `1.5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(inline, title = "duration")
)]
pub(super) struct DurationOrZeroSpec(
    #[cfg_attr(feature = "schema", schemars(with = "String", regex(pattern = PATTERN)))] Duration,
);

impl DurationSpec {
    /// `secs` must be at least 1.
    pub(super) const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    pub(super) fn get(self) -> Duration {
        self.0
    }
}

impl DurationOrZeroSpec {
    pub(super) const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    pub(super) fn get(self) -> Duration {
        self.0
    }
}

impl FromValue for DurationSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        let text = String::from_value(path, value)?;
        let duration = parse(path, &text)?;
        if duration < Duration::from_millis(1) {
            return Err(refused(path, &text, "must be at least 1ms"));
        }
        Ok(Self(duration))
    }
}

impl FromValue for DurationOrZeroSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        parse(path, &String::from_value(path, value)?).map(Self)
    }
}

/// Reads the duration `text` of the field at `path`.
///
/// # Errors
/// It is not a number with a unit, or it is too long.
fn parse(path: &str, text: &str) -> Result<Duration, ConfigError> {
    let no_duration = || {
        let reason = "is not a duration such as \"5s\", \"250ms\" or \"1.5s\"";
        refused(path, text, reason)
    };
    let number_ends = text
        .find(|c: char| c != '.' && !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(number_ends).unwrap_or_default();
    let unit_in_seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(no_duration()),
    };
    let number: f64 = number.parse().map_err(|_| no_duration())?;
    Duration::try_from_secs_f64(number * unit_in_seconds)
        .ok()
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| refused(path, text, "must be at most 1193h"))
}

fn refused(path: &str, text: &str, reason: &str) -> ConfigError {
    ConfigError::new(path, format!("{text:?} {reason}"))
}

/// The durations that [`parse`] accepts, for the JSON Schema, without the limits.
#[cfg(feature = "schema")]
const PATTERN: &str = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ms|s|m|h)$";

#[cfg(feature = "schema")]
mod serialize {
    use std::time::Duration;

    use serde::{Serialize, Serializer};

    use super::{DurationOrZeroSpec, DurationSpec};

    impl Serialize for DurationSpec {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&text(self.0))
        }
    }

    impl Serialize for DurationOrZeroSpec {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&text(self.0))
        }
    }

    /// The duration in the largest unit that gives a whole number.
    fn text(duration: Duration) -> String {
        let milliseconds = duration.as_millis();
        for (unit, length) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
            if milliseconds.is_multiple_of(length) {
                return format!(
                    "{}{unit}",
                    milliseconds.checked_div(length).unwrap_or_default()
                );
            }
        }
        format!("{milliseconds}ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn read(text: &str) -> Result<Duration, ConfigError> {
        DurationSpec::from_value("servers[0].timeout", text.into()).map(DurationSpec::get)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn durations_are_numbers_with_a_unit() {
        for (text, ms) in [
            ("5s", 5000),
            ("250ms", 250),
            ("1.5s", 1500),
            ("1.s", 1000),
            (".5s", 500),
            ("2m", 120_000),
            ("24h", 86_400_000),
            ("1193h", 4_294_800_000),
        ] {
            assert_eq!(read(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "", "5", "s", "5 s", "-5s", "5S", "1e3s", "..s", ".s", "1.2.3s", "0s", "0.1ms",
            "1194h", "5d",
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(
                error.starts_with(&format!("servers[0].timeout: {text:?}")),
                "{error}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn some_durations_may_be_zero() {
        for text in ["0s", "0ms", "0.0h"] {
            let read = DurationOrZeroSpec::from_value("cors.maxAge", text.into());
            assert_eq!(read.map(DurationOrZeroSpec::get), Ok(Duration::ZERO));
        }
        let error = DurationOrZeroSpec::from_value("cors.maxAge", "soon".into());
        assert!(error.is_err());
    }
}
