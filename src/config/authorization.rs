//! `authorization`: which callers may send which messages.

use std::collections::HashSet;

use serde_json::Value;

use super::fields::{Fields, FromValue, NonEmptyVec, OptionalFields, one_of};
use super::metadata_key::MetadataKeySpec;
use super::oauth::Scope;
use super::servers::filter::unmatched;
use super::text::NonEmptyText;
use super::{ConfigError, Endpoints, expression};
use crate::mcp::list::ListKind;
use crate::mcp::method::{self, Subject};
use crate::policy::authorization::{
    Action, Authorization, AuthorizationRule, Expression, RequiredScopes, ScopesSource,
};
use crate::policy::glob::Glob;

/// Which callers may send which messages. The first rule that matches a message
/// decides. Lists show a caller only what it may use. A denied message gets 403.
/// Authentication must come before this filter.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields, default)
)]
pub(super) struct AuthorizationSpec {
    /// What happens to a message that no rule matches. `initialize`,
    /// `server/discover`, `ping`, lists and notifications stay allowed: only a rule
    /// that names them in `methods` can deny them.
    default_action: Action,
    /// Where an earlier filter left the caller's scopes, for rules with
    /// `requiredScopes`: a text with blanks between the scopes, or a list of texts.
    ///
    /// Default: each rule with `requiredScopes` needs its own `scopesFrom`.
    scopes_from: Option<MetadataKeySpec>,
    /// The rules, in the order in which the filter tries them.
    #[cfg_attr(feature = "schema", schemars(extend("default" = [])))]
    rules: Vec<AuthorizationRuleSpec>,
}

impl Default for AuthorizationSpec {
    fn default() -> Self {
        Self {
            // An operator who forgets this field notices it.
            default_action: Action::Deny,
            scopes_from: None,
            rules: Vec::new(),
        }
    }
}

/// A rule. It matches a message if all of `methods`, the names and `when` match.
#[derive(Debug)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "camelCase", deny_unknown_fields)
)]
struct AuthorizationRuleSpec {
    /// A name for people who read the rules. No two rules may have the same name.
    name: Option<NonEmptyText>,
    /// What the rule does with a message that it matches.
    action: Action,
    /// The endpoints, by their names in `endpoints`, or by their paths in `paths`. A rule
    /// never matches at another endpoint.
    ///
    /// Default: the rule is about every endpoint.
    endpoints: Option<NonEmptyVec<NonEmptyText>>,
    /// The JSON-RPC methods; `*` in a pattern stands for any text.
    ///
    /// Default: the methods that are about the names of this rule (`tools`:
    /// `tools/call` and the `tasks/*` of such a call; `prompts`: `prompts/get`,
    /// `completion/complete`; `resources`: `resources/read`, `resources/subscribe`,
    /// `resources/unsubscribe`, `skills/get`, `completion/complete`,
    /// `subscriptions/listen`), or all methods if it has no names.
    methods: Option<NonEmptyVec<NonEmptyText>>,
    /// The tools, by the names that clients see (with prefix); `*` in a pattern
    /// stands for any text.
    ///
    /// Default: the rule is not about tools.
    tools: Option<NonEmptyVec<NonEmptyText>>,
    /// The prompts, by the names that clients see (with prefix); `*` in a pattern
    /// stands for any text.
    ///
    /// Default: the rule is not about prompts.
    prompts: Option<NonEmptyVec<NonEmptyText>>,
    /// The resources and resource templates, by the URIs that clients see (with the
    /// server's name); `*` in a pattern stands for any text.
    ///
    /// Default: the rule is not about resources.
    resources: Option<NonEmptyVec<NonEmptyText>>,
    /// An expression in CEL about the caller, such as
    /// `'admin' in metadata.filter_metadata['envoy.filters.http.jwt_authn']['jwt']['groups']`.
    /// Envoy evaluates it once for each request, with its own attributes. It must
    /// not name what the filter shows of the message (`filter_state['wasm.mcp…']`,
    /// `mcp_proxy`, `x-mcp-*`, `mcp-*`). If the evaluation fails, the rule matches
    /// if its action is `DENY`, and does not match if it is `ALLOW`.
    ///
    /// Default: the rule is about every caller.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"\S")))]
    when: Option<String>,
    /// The scopes that the caller must have, all of them. If one is missing, the
    /// message is denied with a challenge that names these scopes, and later rules
    /// are not tried. Only with the action `ALLOW`. Needs `scopesFrom`, here or in
    /// `authorization`.
    required_scopes: Option<NonEmptyVec<Scope>>,
    /// Where an earlier filter left the caller's scopes, in place of
    /// `authorization.scopesFrom`.
    scopes_from: Option<MetadataKeySpec>,
}

impl OptionalFields for AuthorizationSpec {
    fn read(&mut self, fields: &mut Fields<'_>) {
        fields.set("defaultAction", &mut self.default_action);
        fields.set("scopesFrom", &mut self.scopes_from);
        fields.set("rules", &mut self.rules);
    }
}

impl FromValue for AuthorizationRuleSpec {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        Fields::read(path, value, |fields| {
            let mut spec = Self {
                name: None,
                action: fields.required("action")?,
                endpoints: None,
                methods: None,
                tools: None,
                prompts: None,
                resources: None,
                when: None,
                required_scopes: None,
                scopes_from: None,
            };
            fields.set("name", &mut spec.name);
            fields.set("endpoints", &mut spec.endpoints);
            fields.set("methods", &mut spec.methods);
            fields.set("tools", &mut spec.tools);
            fields.set("prompts", &mut spec.prompts);
            fields.set("resources", &mut spec.resources);
            fields.set("when", &mut spec.when);
            fields.set("requiredScopes", &mut spec.required_scopes);
            fields.set("scopesFrom", &mut spec.scopes_from);
            Ok(spec)
        })
    }
}

impl FromValue for Action {
    fn from_value(path: &str, value: Value) -> Result<Self, ConfigError> {
        one_of(path, value, &[("ALLOW", Self::Allow), ("DENY", Self::Deny)])
    }
}

impl AuthorizationSpec {
    /// Compiles the rules. Adds a warning to `warnings` for each part that is allowed but has no
    /// effect.
    ///
    /// # Errors
    /// A rule has no possible meaning, names an endpoint that does not exist, or has the name of
    /// another rule.
    pub(super) fn check(
        &self,
        endpoints: &Endpoints,
        warnings: &mut Vec<String>,
    ) -> Result<Authorization, ConfigError> {
        let mut made = Authorization {
            default: self.default_action,
            rules: Vec::with_capacity(self.rules.len()),
            expressions: Vec::new(),
            sources: Vec::new(),
        };
        let mut names = HashSet::new();
        for (at, rule) in self.rules.iter().enumerate() {
            let at = format!("authorization.rules[{at}]");
            if let Some(name) = rule.name.as_ref().map(NonEmptyText::as_str)
                && !names.insert(name)
            {
                return Err(ConfigError::new(
                    format!("{at}.name"),
                    format!("{name:?} is used twice"),
                ));
            }
            let compiled = rule.compile(&at, endpoints, self.scopes_from.as_ref(), &mut made)?;
            warnings.extend(rule.without_effect(&at, &compiled));
            warnings.extend(rule.never_matches(&at, &compiled, &made.rules));
            made.rules.push(compiled);
        }
        Ok(made)
    }
}

impl AuthorizationRuleSpec {
    /// Compiles the rule, which is at the path `at`. `made` gets its expression and the source of
    /// its scopes.
    fn compile(
        &self,
        at: &str,
        endpoints: &Endpoints,
        scopes_from: Option<&MetadataKeySpec>,
        made: &mut Authorization,
    ) -> Result<AuthorizationRule, ConfigError> {
        let named = self.endpoints.as_ref();
        let named = named.map_or(&[][..], NonEmptyVec::as_slice).iter();
        Ok(AuthorizationRule {
            action: self.action,
            endpoints: endpoints
                .named(&format!("{at}.endpoints"), named.map(NonEmptyText::as_str))?,
            methods: globs(self.methods.as_ref()),
            tools: globs(self.tools.as_ref()),
            prompts: globs(self.prompts.as_ref()),
            resources: globs(self.resources.as_ref()),
            when: self.expression(at, &mut made.expressions)?,
            required: self.required(at, scopes_from, &mut made.sources)?,
        })
    }

    /// The index of `when` among the `expressions`. Equal expressions are stored once.
    fn expression(
        &self,
        at: &str,
        expressions: &mut Vec<Expression>,
    ) -> Result<Option<usize>, ConfigError> {
        let Some(text) = &self.when else {
            return Ok(None);
        };
        let field = format!("{at}.when");
        expression::check(&field, text)?;
        let place = expressions.iter().position(|have| have.text == *text);
        Ok(Some(place.unwrap_or_else(|| {
            let text = text.clone();
            added(expressions, Expression { text, field })
        })))
    }

    /// The scopes that a caller must have, and the index of their source among the `sources`. Equal
    /// sources are stored once.
    fn required(
        &self,
        at: &str,
        scopes_from: Option<&MetadataKeySpec>,
        sources: &mut Vec<ScopesSource>,
    ) -> Result<Option<RequiredScopes>, ConfigError> {
        let Some(scopes) = &self.required_scopes else {
            return Ok(None);
        };
        let refused = |why| Err(ConfigError::new(format!("{at}.requiredScopes"), why));
        if self.action == Action::Deny {
            return refused(
                "has no meaning with the action DENY: put it into an ALLOW rule, which denies callers without these scopes",
            );
        }
        let Some(key) = self.scopes_from.as_ref().or(scopes_from) else {
            return refused(
                "needs scopesFrom, in the rule or in authorization: it says where an earlier filter left the caller's scopes",
            );
        };
        let source = ScopesSource {
            namespace: key.namespace(),
            path: key.path(),
        };
        let place = sources.iter().position(|have| *have == source);
        let scopes = scopes.as_slice().iter();
        Ok(Some(RequiredScopes {
            scopes: scopes.map(|scope| scope.as_str().to_owned()).collect(),
            source: place.unwrap_or_else(|| added(sources, source)),
        }))
    }

    /// Warnings about the parts of this rule that have no effect. `rule` is the compiled rule.
    fn without_effect(&self, at: &str, rule: &AuthorizationRule) -> Vec<String> {
        let mut warnings = Vec::new();
        for (n, text) in self.methods().enumerate() {
            if !text.contains('*') && method::group(text) == "unknown" && text != method::RESPONSE {
                warnings.push(format!(
                    "{at}.methods[{n}]: {text:?} is not a method of MCP"
                ));
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
                    "{at}.{field}: no method of this rule is about {field}, so this never matches"
                ));
            }
        }
        let resources = self.resources.as_ref();
        let resources = resources.map_or(&[][..], NonEmptyVec::as_slice);
        warnings.extend(unmatched(&format!("{at}.resources"), resources));
        if self.scopes_from.is_some() && rule.required.is_none() {
            warnings.push(format!(
                "{at}.scopesFrom: is not used without requiredScopes"
            ));
        }
        warnings
    }

    /// A warning if a rule `before` this one matches everything that this one matches. `rule` is
    /// this rule, compiled.
    fn never_matches(
        &self,
        at: &str,
        rule: &AuthorizationRule,
        before: &[AuthorizationRule],
    ) -> Option<String> {
        let names_open = open_methods().iter().any(|method| rule.has_method(method))
            || self
                .methods()
                .any(|method| method.starts_with("notifications/"));
        let hides = |earlier: &AuthorizationRule| {
            let is_everywhere = earlier.endpoints.is_empty() || earlier.endpoints == rule.endpoints;
            let is_unconditional = is_everywhere
                && earlier.when.is_none()
                && earlier.required.is_none()
                && !earlier.has_names();
            // A DENY rule without methods does not match the open methods, so later rules that name
            // them can still match.
            let covers_all = earlier.methods.is_empty()
                && (earlier.action == Action::Allow || !names_open)
                || earlier.methods.contains(&Glob::new("*"));
            is_unconditional && covers_all
        };
        let earlier = before.iter().position(hides)?;
        Some(format!(
            "{at}: never matches, since rules[{earlier}] matches everything before it"
        ))
    }

    fn methods(&self) -> impl Iterator<Item = &str> {
        let methods = self.methods.as_ref().map_or(&[][..], NonEmptyVec::as_slice);
        methods.iter().map(NonEmptyText::as_str)
    }
}

fn globs(texts: Option<&NonEmptyVec<NonEmptyText>>) -> Vec<Glob> {
    let texts = texts.map_or(&[][..], NonEmptyVec::as_slice);
    texts.iter().map(|text| Glob::new(text.as_str())).collect()
}

/// Adds `item` to `list`, and gives its index.
fn added<T>(list: &mut Vec<T>, item: T) -> usize {
    list.push(item);
    list.len().saturating_sub(1)
}

/// The methods that every caller may send unless a rule names them. There is one notification for
/// all, since notifications cannot all be listed.
fn open_methods() -> Vec<&'static str> {
    let mut methods = vec![
        method::INITIALIZED,
        method::RESPONSE,
        method::INITIALIZE,
        method::SERVER_DISCOVER,
        method::PING,
    ];
    methods.extend(ListKind::ALL.iter().map(|list| list.method()));
    methods
}

/// The methods whose parameters name things of this kind.
fn methods_about(kind: Subject) -> Vec<&'static str> {
    let others: &[&str] = match kind {
        Subject::Tool => &["tasks/get", "tasks/update", "tasks/cancel", "tasks/result"],
        Subject::Prompt => &[method::COMPLETION],
        Subject::Resource => &[
            method::RESOURCES_SUBSCRIBE,
            method::RESOURCES_UNSUBSCRIBE,
            method::COMPLETION,
            method::LISTEN,
        ],
    };
    let mut methods = others.to_vec();
    let lists = ListKind::ALL.iter();
    let lists = lists.filter(|list| list.subject() == kind);
    methods.extend(lists.map(|list| list.getter()));
    methods
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
            endpoints: Vec::new(),
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
                "authorization.rules[0].tools: must have at least one entry",
            ),
            (
                r#"{"rules":[{"action":"DENY","name":""}]}"#,
                "authorization.rules[0].name: must not be empty",
            ),
            (
                r#"{"rules":[{"action":"DENY","name":"a"},{"action":"DENY","name":"a"}]}"#,
                "authorization.rules[1].name: \"a\" is used twice",
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
                "authorization.rules[0].requiredScopes: has no meaning with the action DENY",
            ),
            (
                r#"{"scopesFrom":{"namespace":"n","path":["p"]},"rules":[{"action":"ALLOW","requiredScopes":["a b"]}]}"#,
                "authorization.rules[0].requiredScopes[0]: \"a b\" must be visible ASCII",
            ),
            (
                r#"{"scopesFrom":{"namespace":"n","path":["p"]},"rules":[{"action":"ALLOW","requiredScopes":[]}]}"#,
                "authorization.rules[0].requiredScopes: must have at least one entry",
            ),
            (
                r#"{"scopesFrom":{"namespace":"n","path":[]}}"#,
                "authorization.scopesFrom.path: must have at least one entry",
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
                "attributeSource: HEADERS does not read the body, but authorization needs",
            ),
            (
                r#""trafficMode":"NOOP""#,
                "trafficMode: NOOP does not read the body, but authorization needs",
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
                Some("authorization.rules[0].methods[0]: \"tool/call\" is not a method of MCP"),
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
            (
                r#"{"action":"DENY","resources":["s+file:///etc/*","s+FILE:///etc/*"]}"#,
                Some(
                    "authorization.rules[0].resources[1]: \"s+FILE:///etc/*\" cannot match any resource: only URIs in normal form are accepted, and such a URI must have its scheme in lower case",
                ),
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
    fn nothing_passes_unread() {
        use crate::policy::traffic::TrafficMode;
        for (config, mode) in [
            (r#"{"authorization":{}}"#, TrafficMode::RejectNoMcp),
            (
                r#"{"authorization":{},"holdRequestHeaders":false}"#,
                TrafficMode::RejectNoMcp,
            ),
            (
                r#"{"authorization":{},"trafficMode":"REJECT_NO_MCP"}"#,
                TrafficMode::RejectNoMcp,
            ),
            (
                r#"{"authorization":{},"servers":[{"name":"a"}]}"#,
                TrafficMode::RejectNoMcp,
            ),
            (r#"{}"#, TrafficMode::PassThrough),
        ] {
            let parsed = Config::parse(config.as_bytes()).unwrap();
            assert_eq!(parsed.traffic_mode, mode, "{config}");
            assert_eq!(parsed.warnings, [""; 0], "{config}");
        }
    }
}
