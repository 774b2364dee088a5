//! `parserConfig`: checked, and its paths taken apart.

use super::{ConfigError, wire};
use crate::policy::rules::{MethodRule, Rules};

pub(super) fn check(wire: &wire::ParserConfig) -> Result<Rules, ConfigError> {
    let mut methods = Vec::with_capacity(wire.methods.len());
    for (at, method) in wire.methods.iter().enumerate() {
        methods.push(rule(&format!("parserConfig.methods[{at}]"), method)?);
    }
    if wire.group_metadata_key.as_deref() == Some("") {
        return Err(ConfigError::new(
            "parserConfig.groupMetadataKey",
            "must not be empty",
        ));
    }
    Ok(Rules {
        methods,
        group_key: wire.group_metadata_key.clone(),
    })
}

fn rule(at: &str, wire: &wire::Method) -> Result<MethodRule, ConfigError> {
    if wire.method.is_empty() {
        return Err(ConfigError::new(
            format!("{at}.method"),
            "must not be empty",
        ));
    }
    if let Some(group) = &wire.group {
        let fits = !group.is_empty()
            && group
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        if !fits {
            // It becomes a part of a metric's name.
            return Err(ConfigError::new(
                format!("{at}.group"),
                format!("{group:?} must be letters, digits, \"_\" or \"-\""),
            ));
        }
    }
    let mut paths = Vec::with_capacity(wire.extraction_rules.len());
    for (n, rule) in wire.extraction_rules.iter().enumerate() {
        let parts: Vec<String> = rule.path.split('.').map(str::to_owned).collect();
        match parts.split_first() {
            Some((first, rest))
                if first == "params"
                    && !rest.is_empty()
                    && rest.iter().all(|part| !part.is_empty()) =>
            {
                paths.push(rest.to_vec());
            }
            _ => {
                let path = format!("{at}.extractionRules[{n}].path");
                return Err(ConfigError::new(
                    path,
                    format!(
                        "{:?} must be \"params.\" and names with dots between",
                        rule.path
                    ),
                ));
            }
        }
    }
    Ok(MethodRule {
        method: wire.method.clone(),
        group: wire.group.clone(),
        paths,
    })
}
