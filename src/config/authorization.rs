//! `authorization`: as it is written, and compiled.

use std::collections::HashSet;

use serde_json::Value;

use super::fields::{Fields, Read, one_of};
use super::oauth::is_scope;
use super::session::Metadata;
use super::{ConfigError, expression};
use crate::mcp::method::{self, Subject};
use crate::policy::authorization::{
    Action, Authorization, AuthorizationRule, Expression, RequiredScopes, ScopesSource, is_open,
};
use crate::policy::glob::Glob;

/// `authorization` as it is written.
pub(super) struct Wire {
    default_action: Action,
    scopes_from: Option<Metadata>,
    rules: Vec<WireRule>,
}

struct WireRule {
    name: Option<String>,
    action: Action,
    methods: Option<Vec<String>>,
    tools: Option<Vec<String>>,
    prompts: Option<Vec<String>>,
    resources: Option<Vec<String>>,
    when: Option<String>,
    required_scopes: Option<Vec<String>>,
    scopes_from: Option<Metadata>,
}

impl Read for Wire {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                // Who forgets it finds out.
                default_action: fields.or("defaultAction", Action::Deny)?,
                scopes_from: fields.take("scopesFrom")?,
                rules: fields.or("rules", Vec::new())?,
            })
        })
    }
}

impl Read for WireRule {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            Ok(Self {
                name: fields.take("name")?,
                action: fields.required("action")?,
                methods: fields.take("methods")?,
                tools: fields.take("tools")?,
                prompts: fields.take("prompts")?,
                resources: fields.take("resources")?,
                when: fields.take("when")?,
                required_scopes: fields.take("requiredScopes")?,
                scopes_from: fields.take("scopesFrom")?,
            })
        })
    }
}

impl Read for Action {
    fn read(path: &str, value: Value) -> Result<Self, ConfigError> {
        one_of(path, value, &[("ALLOW", Self::Allow), ("DENY", Self::Deny)])
    }
}

/// The rules, compiled; what is allowed but hardly meant is added to `warnings`.
pub(super) fn check(wire: &Wire, warnings: &mut Vec<String>) -> Result<Authorization, ConfigError> {
    let mut made = Authorization {
        default: wire.default_action,
        rules: Vec::with_capacity(wire.rules.len()),
        expressions: Vec::new(),
        sources: Vec::new(),
    };
    let mut names = HashSet::new();
    for (at, rule) in wire.rules.iter().enumerate() {
        let at = format!("authorization.rules[{at}]");
        if let Some(name) = &rule.name {
            let refused = |why: String| Err(ConfigError::new(format!("{at}.name"), why));
            if name.is_empty() {
                return refused("must not be empty: leave it out".to_owned());
            }
            if !names.insert(name.as_str()) {
                return refused(format!("{name:?} stands twice"));
            }
        }
        let compiled = compile(&at, rule, wire.scopes_from.as_ref(), &mut made)?;
        warn(&at, rule, &compiled, &made.rules, warnings);
        made.rules.push(compiled);
    }
    Ok(made)
}

fn compile(
    at: &str,
    wire: &WireRule,
    scopes_from: Option<&Metadata>,
    made: &mut Authorization,
) -> Result<AuthorizationRule, ConfigError> {
    let globs = |name: &str, texts: &Option<Vec<String>>| {
        let texts = listed(&format!("{at}.{name}"), texts.as_deref())?;
        Ok(texts.iter().map(|text| Glob::new(text)).collect())
    };
    let when = match &wire.when {
        Some(text) => {
            let field = format!("{at}.when");
            expression::check(&field, text)?;
            let text = text.clone();
            let same = |have: &Expression| have.text == text;
            let have = made.expressions.iter().position(same);
            Some(have.unwrap_or_else(|| added(&mut made.expressions, Expression { text, field })))
        }
        None => None,
    };
    let field = format!("{at}.requiredScopes");
    let scopes = listed(&field, wire.required_scopes.as_deref())?;
    if let Some((n, scope)) = scopes.iter().enumerate().find(|(_, it)| !is_scope(it)) {
        return Err(ConfigError::new(
            format!("{field}[{n}]"),
            format!("{scope:?} must be visible ASCII without blanks, quotes and backslashes"),
        ));
    }
    let required = match (scopes, wire.scopes_from.as_ref().or(scopes_from)) {
        ([], _) => None,
        (_, _) if wire.action == Action::Deny => {
            return Err(ConfigError::new(
                field,
                "has no meaning with action DENY: put it into an ALLOW rule, whose callers without these scopes are denied",
            ));
        }
        (_, None) => {
            return Err(ConfigError::new(
                field,
                "needs scopesFrom, in the rule or in authorization: where an earlier filter left the caller's scopes",
            ));
        }
        (scopes, Some(Metadata { namespace, path })) => {
            let source = ScopesSource {
                namespace: namespace.clone(),
                path: path.clone(),
            };
            let have = made.sources.iter().position(|have| *have == source);
            Some(RequiredScopes {
                scopes: scopes.to_vec(),
                source: have.unwrap_or_else(|| added(&mut made.sources, source)),
            })
        }
    };
    Ok(AuthorizationRule {
        action: wire.action,
        methods: globs("methods", &wire.methods)?,
        tools: globs("tools", &wire.tools)?,
        prompts: globs("prompts", &wire.prompts)?,
        resources: globs("resources", &wire.resources)?,
        when,
        required,
    })
}

/// Adds `item`, and tells its place.
fn added<T>(list: &mut Vec<T>, item: T) -> usize {
    list.push(item);
    list.len().saturating_sub(1)
}

/// The texts at `path`, where they are. A list of none is refused: a rule
/// without it covers more, not less.
fn listed<'t>(path: &str, texts: Option<&'t [String]>) -> Result<&'t [String], ConfigError> {
    let Some(texts) = texts else {
        return Ok(&[]);
    };
    if texts.is_empty() {
        let why = "must not be empty: leave it out, where the rule is not to be limited by it";
        return Err(ConfigError::new(path, why));
    }
    match texts.iter().position(String::is_empty) {
        Some(empty) => Err(ConfigError::new(
            format!("{path}[{empty}]"),
            "must not be empty",
        )),
        None => Ok(texts),
    }
}

/// What in this rule can have no effect.
fn warn(
    at: &str,
    wire: &WireRule,
    rule: &AuthorizationRule,
    before: &[AuthorizationRule],
    warnings: &mut Vec<String>,
) {
    let methods = wire.methods.as_deref().unwrap_or_default();
    for (n, text) in methods.iter().enumerate() {
        if !text.contains('*') && method::group(text) == "unknown" && text != method::RESPONSE {
            warnings.push(format!("{at}.methods[{n}]: {text:?} is no method of MCP"));
        }
    }
    for (field, kind) in [
        ("tools", Subject::Tool),
        ("prompts", Subject::Prompt),
        ("resources", Subject::Resource),
    ] {
        let is_about = methods_about(kind).iter().any(|it| rule.has_method(it));
        if !rule.names(kind).is_empty() && !rule.methods.is_empty() && !is_about {
            warnings.push(format!(
                "{at}.{field}: no method of this rule is about {field}, so they never match"
            ));
        }
    }
    if wire.scopes_from.is_some() && rule.required.is_none() {
        warnings.push(format!(
            "{at}.scopesFrom: is not used without requiredScopes"
        ));
    }
    let names_open = rule.has_method("*") || OPEN.iter().any(|it| rule.has_method(it));
    let names_open = names_open
        || methods
            .iter()
            .any(|it| is_open(it) || it.starts_with("notifications/"));
    let hides = |earlier: &AuthorizationRule| {
        let is_unconditional =
            earlier.when.is_none() && earlier.required.is_none() && !earlier.has_names();
        // What denies by no name leaves some methods to later rules that name them.
        let covers_all = earlier.methods.is_empty()
            && (earlier.action == Action::Allow || !names_open)
            || earlier.methods.contains(&Glob::new("*"));
        is_unconditional && covers_all
    };
    if let Some(earlier) = before.iter().position(hides) {
        warnings.push(format!(
            "{at}: never matches, since rules[{earlier}] matches everything before it"
        ));
    }
}

/// The methods of [`is_open`] that can be listed.
const OPEN: &[&str] = &[
    method::INITIALIZE,
    method::SERVER_DISCOVER,
    method::PING,
    method::TOOLS_LIST,
    method::PROMPTS_LIST,
    method::RESOURCES_LIST,
    method::TEMPLATES_LIST,
];

/// The methods that name things of this kind.
fn methods_about(kind: Subject) -> &'static [&'static str] {
    match kind {
        Subject::Tool => &[
            method::TOOLS_CALL,
            "tasks/get",
            "tasks/update",
            "tasks/cancel",
            "tasks/result",
        ],
        Subject::Prompt => &[method::PROMPTS_GET, method::COMPLETION],
        Subject::Resource => &[
            method::RESOURCES_READ,
            method::RESOURCES_SUBSCRIBE,
            method::RESOURCES_UNSUBSCRIBE,
            method::COMPLETION,
            method::LISTEN,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn parse(authorization: &str) -> Result<Config, ConfigError> {
        let config =
            format!(r#"{{"trafficMode":"REJECT_NO_MCP","authorization":{authorization}}}"#);
        Config::parse(config.as_bytes())
    }

    const SCOPED: &str = r#""scopesFrom":{"namespace":"jwt","path":["scope"]}"#;

    #[wasm_bindgen_test(unsupported = test)]
    fn authorization_is_off_unless_it_is_there() {
        assert!(Config::parse(b"{}").unwrap().authorization.is_none());
        let empty = parse("{}").unwrap().authorization.unwrap();
        assert_eq!(empty.default, Action::Deny);
        assert!(empty.rules.is_empty());
        let allowing = parse(r#"{"default_action":"ALLOW"}"#).unwrap();
        assert_eq!(allowing.authorization.unwrap().default, Action::Allow);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_rule_is_read_with_all_its_fields() {
        let config = parse(
            r#"{"scopes_from":{"namespace":"n","path":["a","b"]},"rules":[{"name":"r","action":"ALLOW","methods":["tools/call"],"tools":["x*"],"prompts":["p"],"resources":["f:*"],"when":"a","required_scopes":["s:1","t"]}]}"#,
        )
        .unwrap();
        let globs = |text: &str| vec![Glob::new(text)];
        let expected = AuthorizationRule {
            action: Action::Allow,
            methods: globs("tools/call"),
            tools: globs("x*"),
            prompts: globs("p"),
            resources: globs("f:*"),
            when: Some(0),
            required: Some(RequiredScopes {
                scopes: vec!["s:1".into(), "t".into()],
                source: 0,
            }),
        };
        assert_eq!(config.authorization.unwrap().rules, [expected]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_refused_is_named_with_its_path_and_its_reason() {
        for (authorization, expected) in [
            (r#"[]"#, "authorization: must be an object"),
            (r#"{"rule":[]}"#, "authorization.rule: unknown field"),
            (
                r#"{"defaultAction":"allow"}"#,
                "authorization.defaultAction: \"allow\" must be one of ALLOW, DENY",
            ),
            (
                r#"{"rules":[{}]}"#,
                "authorization.rules[0]: missing field `action`",
            ),
            (
                r#"{"rules":[{"action":"LOG"}]}"#,
                "authorization.rules[0].action: \"LOG\" must be one of",
            ),
            (
                r#"{"rules":[{"action":"DENY","tool":["x"]}]}"#,
                "authorization.rules[0].tool: unknown field",
            ),
            (
                r#"{"rules":[{"action":"DENY","tools":"x"}]}"#,
                "authorization.rules[0].tools: must be a list",
            ),
            (
                r#"{"rules":[{"action":"DENY","tools":["x",""]}]}"#,
                "authorization.rules[0].tools[1]: must not be empty",
            ),
            (
                r#"{"rules":[{"action":"DENY","prompts":[""]}]}"#,
                "authorization.rules[0].prompts[0]: must not",
            ),
            (
                r#"{"rules":[{"action":"DENY","resources":[""]}]}"#,
                "authorization.rules[0].resources[0]: must not",
            ),
            (
                r#"{"rules":[{"action":"DENY","methods":[""]}]}"#,
                "authorization.rules[0].methods[0]: must not",
            ),
            (
                r#"{"rules":[{"action":"ALLOW","tools":[]}]}"#,
                "authorization.rules[0].tools: must not be empty: leave it out",
            ),
            (
                r#"{"rules":[{"action":"DENY","name":""}]}"#,
                "authorization.rules[0].name: must not be empty",
            ),
            (
                r#"{"rules":[{"action":"DENY","name":"a"},{"action":"DENY","name":"a"}]}"#,
                "authorization.rules[1].name: \"a\" stands twice",
            ),
            (
                r#"{"rules":[{"action":"DENY","when":" "}]}"#,
                "authorization.rules[0].when: must not be empty",
            ),
            (
                r#"{"rules":[{"action":"DENY"},{"action":"DENY","when":"filter_state['wasm.mcp.tool'] == 'x'"}]}"#,
                "authorization.rules[1].when: \"wasm.mcp.tool\" is about the message",
            ),
            (
                r#"{"rules":[{"action":"ALLOW"},{"action":"ALLOW"},{"action":"ALLOW","requiredScopes":["a"]}]}"#,
                "authorization.rules[2].requiredScopes: needs scopesFrom",
            ),
            (
                r#"{"rules":[{"action":"DENY","requiredScopes":["a"],"scopesFrom":{"namespace":"n","path":["p"]}}]}"#,
                "authorization.rules[0].requiredScopes: has no meaning with action DENY",
            ),
            (
                r#"{"scopesFrom":{"namespace":"n","path":["p"]},"rules":[{"action":"ALLOW","requiredScopes":["a b"]}]}"#,
                "authorization.rules[0].requiredScopes[0]: \"a b\" must be visible ASCII",
            ),
            (
                r#"{"scopesFrom":{"namespace":"n","path":["p"]},"rules":[{"action":"ALLOW","requiredScopes":[]}]}"#,
                "authorization.rules[0].requiredScopes: must not be empty",
            ),
            (
                r#"{"scopesFrom":{"namespace":"n","path":[]}}"#,
                "authorization.scopesFrom.path: must not be empty",
            ),
            (
                r#"{"scopesFrom":{"namespace":"","path":["p"]}}"#,
                "authorization.scopesFrom.namespace: must not be empty",
            ),
            (
                r#"{"rules":[{"action":"ALLOW","scopesFrom":{"namespace":"n","path":["p",""]}}]}"#,
                "authorization.rules[0].scopesFrom.path[1]: must not be empty",
            ),
        ] {
            let error = parse(authorization).expect_err(authorization).to_string();
            assert!(error.starts_with(expected), "{authorization}: {error}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn authorization_needs_the_body_read() {
        for (with, expected) in [
            (
                r#""attributeSource":"HEADERS""#,
                "attributeSource: HEADERS reads no body, which authorization needs",
            ),
            (
                r#""trafficMode":"NOOP""#,
                "trafficMode: NOOP reads no body, which authorization needs",
            ),
        ] {
            let config = format!(r#"{{{with},"authorization":{{}}}}"#);
            let error = Config::parse(config.as_bytes())
                .expect_err(with)
                .to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_has_no_effect_is_warned_of() {
        const DEAD: &str =
            "authorization.rules[1]: never matches, since rules[0] matches everything";
        for (rules, expected) in [
            (
                r#"{"action":"ALLOW"},{"action":"DENY","tools":["x"]}"#,
                Some(DEAD),
            ),
            (
                r#"{"action":"ALLOW"},{"action":"DENY","methods":["ping"]}"#,
                Some(DEAD),
            ),
            (
                r#"{"action":"DENY"},{"action":"ALLOW","tools":["x"],"when":"a"}"#,
                Some(DEAD),
            ),
            (
                r#"{"action":"DENY","methods":["*"]},{"action":"ALLOW","methods":["ping"]}"#,
                Some(DEAD),
            ),
            (
                r#"{"action":"DENY"},{"action":"DENY","methods":["tools/list"]}"#,
                None,
            ),
            (
                r#"{"action":"DENY"},{"action":"DENY","methods":["tools/*"]}"#,
                None,
            ),
            (
                r#"{"action":"DENY"},{"action":"DENY","methods":["notifications/*"]}"#,
                None,
            ),
            (r#"{"action":"DENY","when":"a"},{"action":"ALLOW"}"#, None),
            (
                r#"{"action":"ALLOW","requiredScopes":["a"]},{"action":"ALLOW","methods":["ping"]}"#,
                None,
            ),
            (
                r#"{"action":"DENY","tools":["*"]},{"action":"ALLOW"}"#,
                None,
            ),
            (r#"{"action":"ALLOW"}"#, None),
            (
                r#"{"action":"DENY","methods":["tool/call"]}"#,
                Some("authorization.rules[0].methods[0]: \"tool/call\" is no method of MCP"),
            ),
            (
                r#"{"action":"DENY","methods":["tools/list"],"tools":["x"]}"#,
                Some("authorization.rules[0].tools: no method of this rule is about tools"),
            ),
            (
                r#"{"action":"DENY","methods":["tools/*","acme/*","__jsonrpc_response"],"tools":["x"]}"#,
                None,
            ),
            (
                r#"{"action":"ALLOW","scopesFrom":{"namespace":"n","path":["p"]}}"#,
                Some("authorization.rules[0].scopesFrom: is not used"),
            ),
        ] {
            let config = parse(&format!(r#"{{{SCOPED},"rules":[{rules}]}}"#)).unwrap();
            match (config.warnings.as_slice(), expected) {
                ([], None) => {}
                ([warning], Some(expected)) => {
                    assert!(warning.starts_with(expected), "{rules}: {warning}");
                }
                (warnings, _) => panic!("{rules}: {warnings:?}"),
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_passes_unread_is_warned_of() {
        for (config, warned) in [
            (r#"{"authorization":{}}"#, true),
            (
                r#"{"authorization":{},"trafficMode":"REJECT_NO_MCP"}"#,
                false,
            ),
            (r#"{"authorization":{},"servers":[{"name":"a"}]}"#, false),
            (r#"{}"#, false),
        ] {
            let warnings = Config::parse(config.as_bytes()).unwrap().warnings;
            assert_eq!(!warnings.is_empty(), warned, "{config}: {warnings:?}");
        }
    }
}
