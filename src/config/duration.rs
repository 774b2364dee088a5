//! Durations in a configuration: `"5s"`, `"250ms"`, `"1.5s"`, and `m`, `h`.

use std::time::Duration;

use super::ConfigError;

/// Envoy counts timeouts of callouts in 32 bits of milliseconds.
const LONGEST: Duration = Duration::from_millis(0xffff_ffff);

/// Reads the duration `text` of the field at `path`; more than zero.
///
/// # Errors
/// Not a number with a unit, zero, or over 49 days.
pub(super) fn parse(path: &str, text: &str) -> Result<Duration, ConfigError> {
    let refused = |reason: &str| ConfigError::new(path, format!("{text:?} {reason}"));
    let number_ends = text
        .find(|c: char| c != '.' && !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(number_ends).unwrap_or_default();
    let unit_in_seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => {
            return Err(refused(
                "is not a duration such as \"5s\", \"250ms\" or \"1.5s\"",
            ));
        }
    };
    let number: f64 = number
        .parse()
        .map_err(|_| refused("is not a duration such as \"5s\", \"250ms\" or \"1.5s\""))?;
    let duration = Duration::try_from_secs_f64(number * unit_in_seconds)
        .ok()
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| refused("is too long"))?;
    if duration < Duration::from_millis(1) {
        return Err(refused("must be at least 1ms"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn durations_are_numbers_with_a_unit() {
        for (text, ms) in [
            ("5s", 5000),
            ("250ms", 250),
            ("1.5s", 1500),
            ("2m", 120_000),
            ("24h", 86_400_000),
        ] {
            assert_eq!(parse("t", text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "", "5", "s", "5 s", "-5s", "5S", "1e3s", "..s", "1.2.3s", "0s", "0.1ms", "9999h", "5d",
        ] {
            let error = parse("servers[0].timeout", text)
                .expect_err(text)
                .to_string();
            assert!(
                error.starts_with(&format!("servers[0].timeout: {text:?}")),
                "{error}"
            );
        }
    }
}
