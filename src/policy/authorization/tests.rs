//! Tests what each rule does with each kind of message.

use super::*;
use crate::config::Config;
use crate::mcp::Message;
use crate::mcp::method::Subject;
use wasm_bindgen_test::wasm_bindgen_test;

const SCOPED: &str = r#""scopesFrom":{"namespace":"jwt","path":["scope"]},"#;

fn parse(authorization: &str) -> Authorization {
    let config = format!(r#"{{"authorization":{{{authorization}}}}}"#);
    let config = Config::parse(config.as_bytes());
    config
        .unwrap_or_else(|error| panic!("{authorization}: {error}"))
        .authorization
        .unwrap()
}

fn rules(default: &str, rules: &str) -> Authorization {
    parse(&format!(
        r#"{SCOPED}"defaultAction":"{default}","rules":[{rules}]"#
    ))
}

fn caller(verdicts: &[Verdict], scopes: &[&str]) -> Principal {
    Principal {
        verdicts: verdicts.to_vec(),
        scopes: vec![scopes.iter().map(|&scope| scope.to_owned()).collect()],
        endpoint: None,
    }
}

/// `tools/call x` as an access; the kind is the method's.
fn access(text: &str) -> Access<'_> {
    let (method, name) = match text.split_once(' ') {
        Some((method, name)) => (method, Some(name)),
        None => (text, None),
    };
    let (kind, name) = match (method, name.and_then(|name| name.split_once('='))) {
        (_, Some(("prompt", name))) => (Some(Subject::Prompt), Some(name)),
        (_, Some(("uri", name))) => (Some(Subject::Resource), Some(name)),
        (_, Some(("tool", name))) => (Some(Subject::Tool), Some(name)),
        (method, _) => (method::subject(method), name),
    };
    Access {
        method,
        about: kind.zip(name.map(Cow::Borrowed)),
    }
}

fn allows(authorization: &Authorization, text: &str) -> bool {
    let decision = authorization.decide(&Principal::default(), &access(text));
    assert_ne!(decision, Decision::Denied { scopes: Some(&[]) });
    decision == Decision::Allowed
}

#[wasm_bindgen_test(unsupported = test)]
fn the_first_rule_that_matches_decides_and_else_the_default() {
    let both = r#"{"action":"DENY","tools":["a_x"]},{"action":"ALLOW","tools":["a_*"]},{"action":"DENY","tools":["*"]}"#;
    for (default, call, expected) in [
        ("ALLOW", "tools/call a_x", false),
        ("ALLOW", "tools/call a_y", true),
        ("ALLOW", "tools/call b", false),
        ("ALLOW", "prompts/get a_x", true),
        ("DENY", "tools/call a_y", true),
        ("DENY", "prompts/get a_y", false),
        ("DENY", "acme/run", false),
        ("DENY", "logging/setLevel", false),
    ] {
        let authorization = rules(default, both);
        assert_eq!(allows(&authorization, call), expected, "{default} {call}");
    }
    // Without `defaultAction`, the safe action is the default.
    assert!(!allows(&parse(""), "tools/call x"));
    assert!(allows(&parse(r#""defaultAction":"ALLOW""#), "tools/call x"));
}

/// For each: a rule that allows, what it covers, what it does not.
#[wasm_bindgen_test(unsupported = test)]
fn a_rule_covers_the_methods_that_name_one_of_its_kinds() {
    for (rule, covered, others) in [
        (
            r#""tools":["x"]"#,
            &["tools/call x"][..],
            &[
                "tools/call y",
                "tools/call",
                "prompts/get x",
                "resources/read x",
                "completion/complete prompt=x",
            ][..],
        ),
        (
            r#""prompts":["x"]"#,
            &["prompts/get x", "completion/complete prompt=x"],
            &[
                "tools/call x",
                "completion/complete uri=x",
                "completion/complete",
                "resources/read x",
            ],
        ),
        (
            r#""resources":["w+f:*"]"#,
            &[
                "resources/read w+f:x",
                "resources/subscribe w+f:x",
                "resources/unsubscribe w+f:x",
                "completion/complete uri=w+f:{x}",
                "subscriptions/listen uri=w+f:x",
            ],
            &[
                "resources/read x",
                "subscriptions/listen",
                "tools/call w+f:x",
                "subscriptions/listen uri=x",
            ],
        ),
        (
            r#""tools":["x"],"prompts":["y"]"#,
            &["tools/call x", "prompts/get y"],
            &["tools/call y", "prompts/get x", "resources/read x"],
        ),
        (
            r#""name":"everything""#,
            &[
                "tools/call x",
                "prompts/get x",
                "tools/call",
                "acme/run",
                "tasks/get",
                "subscriptions/listen",
                "logging/setLevel",
            ],
            &[],
        ),
        (
            r#""methods":["prompts/get","acme/*"]"#,
            &["prompts/get x", "prompts/get", "acme/run"],
            &["tools/call x", "acme", "completion/complete prompt=x"],
        ),
        (
            r#""methods":["resources/read"],"resources":["x"]"#,
            &["resources/read x"],
            &["resources/read y", "resources/subscribe x"],
        ),
        (
            r#""methods":["tools/*"],"tools":["x"]"#,
            &["tools/call x"],
            &["tools/call y", "tools/call"],
        ),
    ] {
        let allowing = rules("DENY", &format!(r#"{{"action":"ALLOW",{rule}}}"#));
        let denying = rules("ALLOW", &format!(r#"{{"action":"DENY",{rule}}}"#));
        for (calls, expected) in [(covered, true), (others, false)] {
            for call in calls {
                assert_eq!(allows(&allowing, call), expected, "{rule} {call}");
                assert_eq!(allows(&denying, call), !expected, "{rule} {call}");
            }
        }
    }
}

const OPEN: &[&str] = &[
    "initialize",
    "server/discover",
    "ping",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "notifications/initialized",
    "notifications/cancelled",
    "__jsonrpc_response",
];

#[wasm_bindgen_test(unsupported = test)]
fn what_is_open_is_denied_only_by_a_rule_that_names_it() {
    let closed = [
        rules("DENY", ""),
        rules("ALLOW", r#"{"action":"DENY"}"#),
        rules(
            "DENY",
            r#"{"action":"DENY"},{"action":"DENY","tools":["*"]}"#,
        ),
        rules("DENY", r#"{"action":"ALLOW","requiredScopes":["a"]}"#),
        rules(
            "DENY",
            r#"{"action":"DENY","methods":["tools/list"],"tools":["*"]}"#,
        ),
    ];
    for method in OPEN {
        for authorization in &closed {
            assert!(allows(authorization, method), "{method}");
            assert!(!allows(authorization, "tools/call x"));
        }
        let named = format!(r#"{{"action":"DENY"}},{{"action":"DENY","methods":["{method}"]}}"#);
        let named = rules("ALLOW", &named);
        for other in OPEN {
            assert_eq!(allows(&named, other), other != method, "{method} {other}");
        }
    }
    let lists = rules(
        "ALLOW",
        r#"{"action":"ALLOW","methods":["tools/list"]},{"action":"DENY","methods":["*"]}"#,
    );
    for method in OPEN {
        assert_eq!(allows(&lists, method), *method == "tools/list", "{method}");
    }
    // The first matching rule decides here, too.
    let first = rules(
        "DENY",
        r#"{"action":"ALLOW"},{"action":"DENY","methods":["ping"]}"#,
    );
    assert!(allows(&first, "ping"));
    let scoped = r#"{"action":"ALLOW","methods":["tools/list"],"requiredScopes":["a"]}"#;
    assert!(!allows(&rules("ALLOW", scoped), "tools/list"));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_failed_expression_denies_and_never_allows() {
    for (action, default, verdict, expected) in [
        ("ALLOW", "DENY", Verdict::True, true),
        ("ALLOW", "DENY", Verdict::False, false),
        ("ALLOW", "DENY", Verdict::Failed, false),
        ("DENY", "ALLOW", Verdict::True, false),
        ("DENY", "ALLOW", Verdict::False, true),
        ("DENY", "ALLOW", Verdict::Failed, false),
        // A rule whose expression fails is skipped.
        ("ALLOW", "ALLOW", Verdict::Failed, true),
        ("DENY", "DENY", Verdict::False, false),
    ] {
        let rule = format!(r#"{{"action":"{action}","tools":["*"],"when":"a == b"}}"#);
        let authorization = rules(default, &rule);
        let caller = caller(&[verdict], &[]);
        let decision = authorization.decide(&caller, &access("tools/call x"));
        assert_eq!(
            decision == Decision::Allowed,
            expected,
            "{action} {verdict:?}"
        );
        // The call and the list must agree.
        let shown = authorization.shows(&caller, ListKind::Tools, "x");
        assert_eq!(shown, expected, "{action} {verdict:?}");
    }
    // A missing verdict counts as failed.
    let denying = rules("ALLOW", r#"{"action":"DENY","when":"a"}"#);
    assert!(!allows(&denying, "tools/call x"));
}

#[wasm_bindgen_test(unsupported = test)]
fn an_expression_is_asked_once_however_many_rules_have_it() {
    let authorization = rules(
        "DENY",
        r#"{"action":"ALLOW","when":"a","requiredScopes":["x"]},{"action":"DENY","when":"b"},{"action":"ALLOW","when":"a","requiredScopes":["y"],"scopesFrom":{"namespace":"other","path":["p","q"]}},{"action":"ALLOW","requiredScopes":["z"]}"#,
    );
    let asked: Vec<_> = authorization
        .expressions
        .iter()
        .map(|it| (it.text.as_str(), it.field.as_str()))
        .collect();
    let expected = [
        ("a", "authorization.rules[0].when"),
        ("b", "authorization.rules[1].when"),
    ];
    assert_eq!(asked, expected);
    let places: Vec<_> = authorization.rules.iter().map(|rule| rule.when).collect();
    assert_eq!(places, [Some(0), Some(1), Some(0), None]);
    let source = |namespace: &str, path: &[&str]| ScopesSource {
        namespace: namespace.into(),
        path: path.iter().map(|&key| key.into()).collect(),
    };
    let expected = [source("jwt", &["scope"]), source("other", &["p", "q"])];
    assert_eq!(authorization.sources, expected);
}

#[wasm_bindgen_test(unsupported = test)]
fn missing_scopes_end_the_search_with_all_that_are_required() {
    let authorization = rules(
        "ALLOW",
        r#"{"action":"ALLOW","tools":["admin_*"],"requiredScopes":["a","b"]},{"action":"ALLOW","tools":["*"]}"#,
    );
    let required = ["a".to_owned(), "b".to_owned()];
    for (scopes, call, expected) in [
        (&["a", "b"][..], "tools/call admin_x", Decision::Allowed),
        (&["c", "b", "a"], "tools/call admin_x", Decision::Allowed),
        (
            &["a"],
            "tools/call admin_x",
            Decision::Denied {
                scopes: Some(&required),
            },
        ),
        (
            &[],
            "tools/call admin_x",
            Decision::Denied {
                scopes: Some(&required),
            },
        ),
        (
            &["a b"],
            "tools/call admin_x",
            Decision::Denied {
                scopes: Some(&required),
            },
        ),
        (
            &["A", "b"],
            "tools/call admin_x",
            Decision::Denied {
                scopes: Some(&required),
            },
        ),
        (&[], "tools/call x", Decision::Allowed),
    ] {
        let caller = caller(&[], scopes);
        let decision = authorization.decide(&caller, &access(call));
        assert_eq!(decision, expected, "{scopes:?} {call}");
        let name = call.strip_prefix("tools/call ").unwrap();
        let shown = authorization.shows(&caller, ListKind::Tools, name);
        assert_eq!(shown, expected == Decision::Allowed, "{scopes:?} {call}");
    }
    // No place of scopes was read.
    let unread = authorization.decide(&Principal::default(), &access("tools/call admin_x"));
    assert_eq!(
        unread,
        Decision::Denied {
            scopes: Some(&required)
        }
    );
    // A rule that does not match requires no scopes.
    let other = rules(
        "DENY",
        r#"{"action":"ALLOW","when":"a","requiredScopes":["x"]}"#,
    );
    let decision = other.decide(&caller(&[Verdict::False], &[]), &access("tools/call x"));
    assert_eq!(decision, Decision::Denied { scopes: None });
}

#[wasm_bindgen_test(unsupported = test)]
fn what_may_not_be_called_is_not_shown() {
    for (rule, kind, name, expected) in [
        (r#""tools":["x"]"#, ListKind::Tools, "x", false),
        (r#""tools":["x"]"#, ListKind::Tools, "y", true),
        (r#""tools":["x"]"#, ListKind::Prompts, "x", true),
        (r#""methods":["tools/call"]"#, ListKind::Tools, "x", false),
        (r#""methods":["tools/list"]"#, ListKind::Tools, "x", true),
        (r#""prompts":["x"]"#, ListKind::Prompts, "x", false),
        (
            r#""methods":["prompts/get"]"#,
            ListKind::Prompts,
            "x",
            false,
        ),
        (
            r#""methods":["completion/complete"]"#,
            ListKind::Prompts,
            "x",
            true,
        ),
        (r#""resources":["f:*"]"#, ListKind::Resources, "f:a", false),
        (
            r#""resources":["f:*"]"#,
            ListKind::Templates,
            "f:{a}",
            false,
        ),
        (r#""resources":["f:a"]"#, ListKind::Templates, "f:{a}", true),
        (
            r#""methods":["resources/read"]"#,
            ListKind::Templates,
            "f:{a}",
            false,
        ),
        (
            r#""methods":["resources/subscribe"]"#,
            ListKind::Resources,
            "f:a",
            true,
        ),
        (r#""resources":["f:*"]"#, ListKind::Skills, "f:a", false),
        (r#""resources":["f:*"]"#, ListKind::Skills, "f:%61", false),
        (r#""resources":["g:*"]"#, ListKind::Skills, "f:a", true),
        (
            r#""methods":["skills/get"]"#,
            ListKind::Skills,
            "f:a",
            false,
        ),
        (
            r#""methods":["skills/get"]"#,
            ListKind::Resources,
            "f:a",
            true,
        ),
        (
            r#""methods":["resources/read"]"#,
            ListKind::Skills,
            "f:a",
            true,
        ),
        (r#""tools":["f:*"]"#, ListKind::Skills, "f:a", true),
        (r#""name":"all""#, ListKind::Tools, "x", false),
    ] {
        let authorization = rules("ALLOW", &format!(r#"{{"action":"DENY",{rule}}}"#));
        let shown = authorization.shows(&Principal::default(), kind, name);
        assert_eq!(shown, expected, "{rule} {kind:?} {name}");
    }
    let nothing = rules("DENY", "");
    assert!(!nothing.shows(&Principal::default(), ListKind::Tools, "x"));
}

#[wasm_bindgen_test(unsupported = test)]
fn a_list_has_what_its_caller_may_call() {
    let authorization = rules("DENY", r#"{"action":"ALLOW","tools":["a*"],"when":"x"}"#);
    let text = r#"{"id":1,"result":{"tools":[{"name":"a1"},{"name":"b"}],"cacheScope":"public"}}"#;
    for (verdict, tools) in [
        (Verdict::True, r#"[{"name":"a1"}]"#),
        (Verdict::Failed, "[]"),
    ] {
        let filtered = authorization.filtered(&caller(&[verdict], &[]), ListKind::Tools, text);
        let expected = format!(r#"{{"id":1,"result":{{"tools":{tools},"cacheScope":"private"}}}}"#);
        assert_eq!(filtered, Ok(Some(expected.into_bytes())), "{verdict:?}");
    }
    assert!(!rules("DENY", r#"{"action":"ALLOW","tools":["a*"]}"#).is_personal());
    assert!(rules("DENY", r#"{"action":"ALLOW","requiredScopes":["a"]}"#).is_personal());
}

#[wasm_bindgen_test(unsupported = test)]
fn a_task_needs_the_right_of_its_tool() {
    for (default, rule, task, expected) in [
        (
            "DENY",
            r#"{"action":"ALLOW","tools":["x"]}"#,
            "tasks/get tool=x",
            true,
        ),
        (
            "DENY",
            r#"{"action":"ALLOW","tools":["x"]}"#,
            "tasks/get tool=y",
            false,
        ),
        (
            "DENY",
            r#"{"action":"ALLOW","tools":["x"]}"#,
            "tasks/get",
            false,
        ),
        (
            "DENY",
            r#"{"action":"ALLOW","methods":["tools/call"],"tools":["x"]}"#,
            "tasks/cancel tool=x",
            true,
        ),
        (
            "DENY",
            r#"{"action":"ALLOW","methods":["tools/call"]}"#,
            "tasks/get",
            false,
        ),
        (
            "DENY",
            r#"{"action":"ALLOW","methods":["tasks/*"]}"#,
            "tasks/get",
            true,
        ),
        (
            "DENY",
            r#"{"action":"ALLOW","methods":["tasks/get"]}"#,
            "tasks/cancel",
            false,
        ),
        (
            "ALLOW",
            r#"{"action":"DENY","tools":["x"]}"#,
            "tasks/get tool=x",
            false,
        ),
        (
            "ALLOW",
            r#"{"action":"DENY","methods":["tools/call"]}"#,
            "tasks/get tool=x",
            false,
        ),
        (
            "ALLOW",
            r#"{"action":"DENY","methods":["tasks/cancel"]}"#,
            "tasks/get tool=x",
            true,
        ),
        (
            "ALLOW",
            r#"{"action":"DENY","methods":["tasks/cancel"]}"#,
            "tasks/cancel",
            false,
        ),
    ] {
        assert_eq!(
            allows(&rules(default, rule), task),
            expected,
            "{rule} {task}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_message_needs_a_right_for_all_that_it_wants() {
    let authorization = rules(
        "DENY",
        r#"{"action":"ALLOW","resources":["a","b"]},{"action":"ALLOW","resources":["c"],"requiredScopes":["s"]}"#,
    );
    let denied = |what: &str, scopes: Option<&[&str]>| {
        let scopes = scopes.map(|it| it.iter().map(|&scope| scope.to_owned()).collect());
        Err(Refusal::Denied {
            what: what.to_owned(),
            scopes,
        })
    };
    for (method, params, expected) in [
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":["a","b"]}}"#,
            Ok(()),
        ),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":["a","x","y"]}}"#,
            denied("subscriptions/listen x", None),
        ),
        (
            "subscriptions/listen",
            r#"{"notifications":{"resourceSubscriptions":["a","c"]}}"#,
            denied("subscriptions/listen c", Some(&["s"])),
        ),
        (
            "subscriptions/listen",
            "{}",
            denied("subscriptions/listen", None),
        ),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/resource","uri":"b"}}"#,
            Ok(()),
        ),
        (
            "tools/call",
            r#"{"name":"nowhere__x"}"#,
            denied("tools/call nowhere__x", None),
        ),
        ("tools/list", "{}", Ok(())),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let message = Message::parse(body.as_bytes()).unwrap();
        let accesses = Access::of(&message, true).unwrap();
        let permitted = authorization.permit(&caller(&[], &[]), &accesses);
        assert_eq!(permitted, expected, "{method} {params}");
    }
}
