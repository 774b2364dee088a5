//! What a message does, as `authorization` sees it: its method, and the tool,
//! prompt or resource by the name that the client uses.

use std::borrow::Cow;

use super::Refusal;
use super::attributes::name;
use super::extract;
use crate::mcp::json::{self, Shape};
use crate::mcp::lookalike::is_lookalike;
use crate::mcp::message::Params;
use crate::mcp::method::{self, Subject};
use crate::mcp::{Invalid, Message, resource_uri};

/// The most resources to which a client may subscribe in one request. Each of them is compared with
/// each rule.
pub const MOST_SUBSCRIPTIONS: usize = 1000;

/// The refusal of a request with more resources.
pub const TOO_MANY_SUBSCRIPTIONS: Refusal = Refusal::TooMany(
    "params.notifications.resourceSubscriptions",
    MOST_SUBSCRIPTIONS,
);

/// One access of a message.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Access<'a> {
    /// The JSON-RPC method, [`method::RESPONSE`] for a response.
    pub method: &'a str,
    /// The kind and the name of the thing that the method is about, if it has one. A
    /// message of `tasks/*` does not say which tool made the task: the caller of
    /// `decide` sets it if it is known.
    pub about: Option<(Subject, Cow<'a, str>)>,
}

impl<'a> Access<'a> {
    /// All accesses of `message`: at least one. The caller needs the right to each.
    ///
    /// With `strict`, a name must be a string or `null`, in the object or list in which MCP has it.
    /// Some servers convert other values: the name `["x"]` or `1` to `"x"` or `"1"`, and a string to
    /// a list of one string. No rule can match such a name. Otherwise it is left out.
    ///
    /// # Errors
    /// Two readers could see different names in it, or it subscribes to too many resources. Or, with
    /// `strict`, a name has another type.
    pub fn of(message: &'a Message<'a>, strict: bool) -> Result<Vec<Self>, Refusal> {
        let method = message.method();
        let abouts = match (method, message.params()) {
            (method::COMPLETION, Some(params)) => references(params, strict)?,
            (method::LISTEN, Some(params)) => subscriptions(params, strict)?,
            (_, params) => return Ok(vec![Self::single(method, params, strict)?]),
        };
        if abouts.is_empty() {
            let about = None;
            return Ok(vec![Self { method, about }]);
        }
        let accesses = abouts.into_iter();
        Ok(accesses.map(|about| Self { method, about }).collect())
    }

    /// The access of a message that is about one thing at most.
    fn single(
        method: &'a str,
        params: Option<&'a Params<'a>>,
        strict: bool,
    ) -> Result<Self, Refusal> {
        let subject = method::subject(method).zip(method::subject_param(method));
        let mut about = None;
        if let (Some((subject, param)), Some(params)) = (subject, params) {
            let name = name(params, param)?;
            if name.is_none() && params.get(param).is_some_and(is_set) {
                refuse_if(strict, Refusal::NameMissing(param))?;
            }
            about = name.map(|name| (subject, name));
        }
        Ok(Self { method, about })
    }
}

/// # Errors
/// `refusal`, if `strict`.
fn refuse_if(strict: bool, refusal: Refusal) -> Result<(), Refusal> {
    if strict { Err(refusal) } else { Ok(()) }
}

/// Whether the JSON text `value` is not `null`, which counts as absent.
fn is_set(value: &str) -> bool {
    value != "null"
}

/// Checks that the URIs of resources in `accesses` are in normal form: policies cannot know which
/// resource another form names.
///
/// # Errors
/// [`Refusal::ResourceUri`] for the first URI that is not in normal form.
pub fn check_uris(accesses: &[Access<'_>]) -> Result<(), Refusal> {
    let uris = accesses.iter().filter_map(|access| match &access.about {
        Some((Subject::Resource, uri)) => Some((access.method, uri)),
        _ => None,
    });
    for (method, uri) in uris {
        check_uri(method, uri)?;
    }
    Ok(())
}

/// Checks that `uri`, which a message of this `method` names, is in normal form. A
/// completion may name a URI template (RFC 6570).
///
/// # Errors
/// [`Refusal::ResourceUri`].
pub fn check_uri(method: &str, uri: &str) -> Result<(), Refusal> {
    let checked = match method {
        method::COMPLETION => resource_uri::check_normal_template(uri),
        _ => resource_uri::check_normal(uri),
    };
    checked.map_err(Refusal::ResourceUri)
}

type AccessTarget<'a> = Option<(Subject, Cow<'a, str>)>;

/// The prompt and the resource template that a completion names. Both count,
/// whatever its `ref.type` says.
fn references<'a>(params: &Params<'a>, strict: bool) -> Result<Vec<AccessTarget<'a>>, Refusal> {
    let [prompt, template] = below(params, "ref", "params.ref", ["name", "uri"], strict)?;
    let named = [
        (Subject::Prompt, prompt, Refusal::NameMissing("ref.name")),
        (Subject::Resource, template, Refusal::NameMissing("ref.uri")),
    ];
    let named = named
        .into_iter()
        .filter_map(|(kind, raw, wrong)| Some((kind, raw.filter(|raw| is_set(raw))?, wrong)));
    named
        .map(|(kind, raw, wrong)| about(kind, raw, wrong, strict))
        .collect()
}

/// The resources that a client subscribes to.
fn subscriptions<'a>(params: &Params<'a>, strict: bool) -> Result<Vec<AccessTarget<'a>>, Refusal> {
    const NO_URIS: Refusal =
        Refusal::Argument("params.notifications.resourceSubscriptions must be an array of strings");
    const NO_TASKS: Refusal =
        Refusal::Argument("params.notifications.taskIds must be an array of strings");
    let known = ["resourceSubscriptions", "taskIds"];
    let [list, tasks] = below(
        params,
        "notifications",
        "params.notifications",
        known,
        strict,
    )?;
    if tasks.is_some_and(|tasks| is_set(tasks) && !tasks.starts_with('[')) {
        refuse_if(strict, NO_TASKS)?;
    }
    let Some(list) = list.filter(|list| is_set(list)) else {
        return Ok(Vec::new());
    };
    let (mut uris, mut count) = (Vec::new(), 0_usize);
    let read = json::elements(list, |uri| {
        count = count.saturating_add(1);
        if count <= MOST_SUBSCRIPTIONS {
            uris.push(uri);
        }
    });
    if read.is_err() {
        refuse_if(strict, NO_URIS)?;
    }
    if count > MOST_SUBSCRIPTIONS {
        return Err(TOO_MANY_SUBSCRIPTIONS);
    }
    let uris = uris.into_iter();
    uris.map(|raw| about(Subject::Resource, raw, NO_URIS, strict))
        .collect()
}

/// The thing with the name `raw`, a JSON text; `None` if it is no string.
///
/// # Errors
/// Readers may read different strings. Or, with `strict`, it is no string, which `wrong` says.
fn about<'a>(
    kind: Subject,
    raw: &'a str,
    wrong: Refusal,
    strict: bool,
) -> Result<AccessTarget<'a>, Refusal> {
    match extract::text(raw) {
        Some(name) => Ok(Some((kind, name))),
        // Policies cannot read the name, but a server could still act on it.
        None if raw.starts_with('"') => Err(Refusal::NotExportable("params")),
        None => refuse_if(strict, wrong).map(|()| None),
    }
}

/// The `known` members of the object `params.<name>`; none if it is absent or no object. An error
/// names the object as `place`. With `strict`, it must be an object or `null`.
fn below<'a, const N: usize>(
    params: &Params<'a>,
    name: &str,
    place: &'static str,
    known: [&str; N],
    strict: bool,
) -> Result<[Option<&'a str>; N], Refusal> {
    let differs = |place| Err(Refusal::Body(Invalid::DuplicateKey(place)));
    let mut found = [None; N];
    if params.has_lookalike(name) {
        return differs("params");
    }
    let Some(object) = params.get(name).filter(|object| is_set(object)) else {
        return Ok(found);
    };
    if !object.starts_with('{') {
        return refuse_if(strict, Refusal::NotAnObject(place)).map(|()| found);
    }
    let mut has_lookalike = false;
    let shape = json::members(object, |member, value| {
        has_lookalike |= is_lookalike(&member, &known);
        for (known, found) in known.iter().zip(&mut found) {
            if *known == member {
                *found = Some(value);
            }
        }
    });
    if shape == Ok(Shape::Object { unique: false }) || has_lookalike {
        return differs(place);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn of(method: &str, params: &str) -> Result<Vec<Option<(Subject, String)>>, Refusal> {
        read(method, params, true)
    }

    fn read(
        method: &str,
        params: &str,
        strict: bool,
    ) -> Result<Vec<Option<(Subject, String)>>, Refusal> {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let message = Message::parse(body.as_bytes()).unwrap();
        let accesses = Access::of(&message, strict)?;
        assert!(accesses.iter().all(|access| access.method == method));
        let abouts = accesses.into_iter().map(|access| access.about);
        Ok(abouts
            .map(|about| about.map(|(kind, name)| (kind, name.into_owned())))
            .collect())
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_request_that_subscribes_to_too_many_resources_is_refused() {
        let params = |count: usize| {
            let uris = vec![r#""f:x""#; count].join(",");
            format!(r#"{{"notifications":{{"resourceSubscriptions":[{uris}]}}}}"#)
        };
        let most = of("subscriptions/listen", &params(MOST_SUBSCRIPTIONS));
        assert_eq!(most.map(|all| all.len()), Ok(MOST_SUBSCRIPTIONS));
        let more = of("subscriptions/listen", &params(MOST_SUBSCRIPTIONS + 1));
        assert_eq!(more, Err(TOO_MANY_SUBSCRIPTIONS));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_message_says_what_it_is_about_by_the_clients_name() {
        use Subject::{Prompt, Resource, Tool};
        for (method, params, expected) in [
            (
                "tools/call",
                r#"{"name":"w__\u0078"}"#,
                &[(Tool, "w__x")][..],
            ),
            ("prompts/get", r#"{"name":"p"}"#, &[(Prompt, "p")]),
            ("resources/read", r#"{"uri":"a+f"}"#, &[(Resource, "a+f")]),
            ("skills/get", r#"{"uri":"a+f"}"#, &[(Resource, "a+f")]),
            ("resources/subscribe", r#"{"uri":"f"}"#, &[(Resource, "f")]),
            (
                "resources/unsubscribe",
                r#"{"uri":"f"}"#,
                &[(Resource, "f")],
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"p"}}"#,
                &[(Prompt, "p")],
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/resource","uri":"f:{x}"}}"#,
                &[(Resource, "f:{x}")],
            ),
            (
                "completion/complete",
                r#"{"ref":{"uri":"f","name":"p"}}"#,
                &[(Prompt, "p"), (Resource, "f")],
            ),
            (
                "subscriptions/listen",
                r#"{"notifications":{"resourceSubscriptions":["a","b"]}}"#,
                &[(Resource, "a"), (Resource, "b")],
            ),
        ] {
            let expected = expected
                .iter()
                .map(|(kind, name)| Some((*kind, (*name).to_owned())));
            assert_eq!(
                of(method, params),
                Ok(expected.collect()),
                "{method} {params}"
            );
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_has_no_name_is_about_nothing() {
        for (method, params) in [
            ("tools/call", "{}"),
            ("tools/call", r#"{"name":null}"#),
            ("tools/call", r#"{"uri":"x"}"#),
            ("tools/list", r#"{"name":"x"}"#),
            ("tasks/get", r#"{"taskId":"x"}"#),
            ("acme/run", r#"{"name":"x"}"#),
            ("completion/complete", "{}"),
            ("completion/complete", r#"{"ref":null}"#),
            ("completion/complete", r#"{"ref":{"name":null,"uri":null}}"#),
            ("subscriptions/listen", "{}"),
            ("subscriptions/listen", r#"{"notifications":null}"#),
            (
                "subscriptions/listen",
                r#"{"notifications":{"resourceSubscriptions":null,"taskIds":null}}"#,
            ),
            (
                "subscriptions/listen",
                r#"{"notifications":{"resourceSubscriptions":[],"taskIds":["x",1]}}"#,
            ),
        ] {
            assert_eq!(of(method, params), Ok(vec![None]), "{method} {params}");
        }
        let response = br#"{"jsonrpc":"2.0","id":1,"result":{"name":"x"}}"#;
        let message = Message::parse(response).unwrap();
        let access = Access {
            method: method::RESPONSE,
            about: None,
        };
        assert_eq!(Access::of(&message, true), Ok(vec![access]));
    }

    /// Some servers convert such a value to a name, which no rule has seen then.
    #[wasm_bindgen_test(unsupported = test)]
    fn a_name_of_another_type_is_refused() {
        let uris = "params.notifications.resourceSubscriptions must be an array of strings";
        let tasks = "params.notifications.taskIds must be an array of strings";
        let names = [
            ("tools/call", r#"{"name":@}"#, Refusal::NameMissing("name")),
            ("prompts/get", r#"{"name":@}"#, Refusal::NameMissing("name")),
            (
                "resources/read",
                r#"{"uri":@}"#,
                Refusal::NameMissing("uri"),
            ),
            (
                "resources/subscribe",
                r#"{"uri":@}"#,
                Refusal::NameMissing("uri"),
            ),
            ("skills/get", r#"{"uri":@}"#, Refusal::NameMissing("uri")),
            (
                "completion/complete",
                r#"{"ref":{"name":@}}"#,
                Refusal::NameMissing("ref.name"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"name":"x","uri":@}}"#,
                Refusal::NameMissing("ref.uri"),
            ),
            (
                "subscriptions/listen",
                r#"{"notifications":{"resourceSubscriptions":["x",@]}}"#,
                Refusal::Argument(uris),
            ),
        ];
        for (method, params, refusal) in names {
            for name in [r#"["x"]"#, r#"{"x":"x"}"#, "1", "true", "[]"] {
                let params = params.replace('@', name);
                let found = of(method, &params);
                assert_eq!(found, Err(refusal.clone()), "{method} {params}");
                assert!(read(method, &params, false).is_ok(), "{method} {params}");
            }
        }
        let object = Refusal::NotAnObject;
        for (method, params, refusal) in [
            (
                "completion/complete",
                r#"{"ref":"x"}"#,
                object("params.ref"),
            ),
            (
                "completion/complete",
                r#"{"ref":[{"name":"x"}]}"#,
                object("params.ref"),
            ),
            (
                "subscriptions/listen",
                r#"{"notifications":[{"taskIds":["x"]}]}"#,
                object("params.notifications"),
            ),
            (
                "subscriptions/listen",
                r#"{"notifications":{"resourceSubscriptions":"f:x"}}"#,
                Refusal::Argument(uris),
            ),
            (
                "subscriptions/listen",
                r#"{"notifications":{"resourceSubscriptions":{"0":"f:x"}}}"#,
                Refusal::Argument(uris),
            ),
            (
                "subscriptions/listen",
                r#"{"notifications":{"taskIds":"x"}}"#,
                Refusal::Argument(tasks),
            ),
        ] {
            assert_eq!(of(method, params), Err(refusal), "{method} {params}");
            assert_eq!(read(method, params, false), Ok(vec![None]), "{params}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn beside_a_name_of_another_type_the_others_count() {
        let uri = Some((Subject::Resource, "f:x".to_owned()));
        for (method, params, found) in [
            (
                "completion/complete",
                r#"{"ref":{"name":1,"uri":"f:x"}}"#,
                vec![None, uri.clone()],
            ),
            (
                "subscriptions/listen",
                r#"{"notifications":{"taskIds":"x","resourceSubscriptions":[7,"f:x"]}}"#,
                vec![None, uri],
            ),
        ] {
            assert_eq!(read(method, params, false), Ok(found), "{params}");
            assert!(of(method, params).is_err(), "{params}");
        }
        let twice = r#"{"ref":{"name":1,"uri":"a","Uri":"b"}}"#;
        assert!(read("completion/complete", twice, false).is_err());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_readers_may_differ_in_is_refused() {
        let differs = |place| Err(Refusal::Body(Invalid::DuplicateKey(place)));
        for (method, params, expected) in [
            (
                "tools/call",
                r#"{"name":"x","Name":"y"}"#,
                differs("params"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"name":"x"},"Ref":{"name":"y"}}"#,
                differs("params"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"name":"x","name":"y"}}"#,
                differs("params.ref"),
            ),
            (
                "completion/complete",
                r#"{"ref":{"name":"x","URI":"y"}}"#,
                differs("params.ref"),
            ),
            (
                "subscriptions/listen",
                r#"{"notifications":{"resourceSubscriptions":[],"ResourceSubscriptions":["x"]}}"#,
                differs("params.notifications"),
            ),
            (
                "subscriptions/listen",
                r#"{"notifications":{"TaskIds":["x"]}}"#,
                differs("params.notifications"),
            ),
            (
                "resources/read",
                r#"{"uri":"\ud800"}"#,
                Err(Refusal::NotExportable("params")),
            ),
            (
                "tools/call",
                r#"{"name":"x\u0000"}"#,
                Err(Refusal::NotExportable("params")),
            ),
            (
                "completion/complete",
                r#"{"ref":{"name":"x\u0000y"}}"#,
                Err(Refusal::NotExportable("params")),
            ),
            (
                "subscriptions/listen",
                r#"{"notifications":{"resourceSubscriptions":["a","\ud800"]}}"#,
                Err(Refusal::NotExportable("params")),
            ),
        ] {
            assert_eq!(of(method, params), expected, "{method} {params}");
        }
    }
}
