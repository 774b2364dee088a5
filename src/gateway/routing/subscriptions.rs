//! A client's subscriptions to resources (`subscriptions/listen`, MCP 2026-07-28):
//! the server's prefix is removed from each URI, in the text of the request.

use crate::config::Server;
use crate::mcp::Message;
use crate::mcp::json::edit::Edit;
use crate::mcp::json::{self, Shape};
use crate::mcp::lookalike::is_lookalike;
use crate::policy::access::MOST_SUBSCRIPTIONS;
use crate::policy::glob::Filter;

/// Why a client's subscriptions cannot go to a server.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum UnusableSubscriptions {
    /// The request has no readable list of URIs, or two readers could read different ones.
    Malformed,
    /// This URI does not have the server's prefix, or the configuration excludes it.
    Foreign(String),
    /// There are more than [`MOST_SUBSCRIPTIONS`].
    TooMany,
}

/// The edits that replace the URIs in the `subscriptions/listen` request `message` with those that
/// `server` itself uses. There are none where there is no prefix to remove and no URI is excluded.
///
/// # Errors
/// The request has a URI that does not belong to the server, or no readable list.
pub fn edits(message: &Message<'_>, server: &Server) -> Result<Vec<Edit>, UnusableSubscriptions> {
    const FILTER: &str = "notifications";
    const LIST: &str = "resourceSubscriptions";
    if server.uri_prefix.is_empty() && server.resources == Filter::default() {
        return Ok(Vec::new());
    }
    let Some(params) = message.params() else {
        return Ok(Vec::new());
    };
    if params.has_lookalike(FILTER) {
        return Err(UnusableSubscriptions::Malformed);
    }
    let Some(filter) = params.get(FILTER) else {
        return Ok(Vec::new());
    };
    let (mut list, mut has_lookalike) = (None, false);
    let shape = json::members(filter, |name, value| {
        has_lookalike |= is_lookalike(&name, &[LIST]);
        if name == LIST {
            list = Some(value);
        }
    });
    if shape != Ok(Shape::Object { unique: true }) || has_lookalike {
        return Err(UnusableSubscriptions::Malformed);
    }
    let Some(list) = list.filter(|list| *list != "null") else {
        return Ok(Vec::new());
    };
    let (mut edits, mut refused, mut count) = (Vec::new(), None, 0_usize);
    json::elements(list, |uri| {
        count = count.saturating_add(1);
        if count > MOST_SUBSCRIPTIONS {
            refused = Some(UnusableSubscriptions::TooMany);
            return;
        }
        match upstream_uri(uri, server) {
            Ok(upstream) => edits.extend(Edit::replace(message.text, uri, upstream)),
            Err(why) => {
                refused.get_or_insert(why);
            }
        }
    })
    .map_err(|_| UnusableSubscriptions::Malformed)?;
    match refused {
        Some(why) => Err(why),
        None => Ok(edits),
    }
}

/// The server's own URI for the client's `uri`. Both are JSON strings.
fn upstream_uri(uri: &str, server: &Server) -> Result<String, UnusableSubscriptions> {
    let uri = json::string(uri).ok_or(UnusableSubscriptions::Malformed)?;
    let upstream = server.uri_prefix.to_server(&uri);
    match upstream.filter(|upstream| server.resources.allows(upstream)) {
        Some(upstream) => Ok(json::quoted(&upstream)),
        None => Err(UnusableSubscriptions::Foreign(uri.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mcp::json::edit;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn listen(params: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0", "id":1,"method":"subscriptions/listen","params":{params} }}"#)
    }

    fn as_sent(params: &str, server: &str) -> Result<Option<String>, UnusableSubscriptions> {
        let config = format!(r#"{{"servers":[{{"name":"w",{server}"enabled":true}}]}}"#);
        let gateway = Config::parse(config.as_bytes()).unwrap().gateway.unwrap();
        let body = listen(params);
        let message = Message::parse(body.as_bytes()).unwrap();
        let edits = edits(&message, &gateway.servers[0])?;
        let is_changed = !edits.is_empty();
        let edited = String::from_utf8(edit::apply(&body, edits)).unwrap();
        Ok(is_changed.then_some(edited))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_server_gets_its_own_uris() {
        for (params, expected) in [
            (
                r#"{"notifications":{"toolsListChanged":true, "resourceSubscriptions":[ "w+file:///a" , "w+w+b"]},"uri":"w+c"}"#,
                r#"{"notifications":{"toolsListChanged":true, "resourceSubscriptions":[ "file:///a" , "w+b"]},"uri":"w+c"}"#,
            ),
            (
                r#"{"notifications":{"resourceSubscr\u0069ptions":["\u0077+\u00e4\"","w+"]}}"#,
                r#"{"notifications":{"resourceSubscr\u0069ptions":["ä\"",""]}}"#,
            ),
        ] {
            assert_eq!(as_sent(params, ""), Ok(Some(listen(expected))), "{params}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_excluded_is_none_of_the_servers() {
        let params = r#"{"notifications":{"resourceSubscriptions":["a","secret"]}}"#;
        let server = r#""toolPrefix":"","resources":{"exclude":["secret*"]},"#;
        assert_eq!(
            as_sent(params, server),
            Err(UnusableSubscriptions::Foreign("secret".into()))
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_names_no_uri_stays_as_it_is() {
        for params in [
            "{}",
            r#"{"notifications":{}}"#,
            r#"{"notifications":{"toolsListChanged":true}}"#,
            r#"{"notifications":{"resourceSubscriptions":null}}"#,
            r#"{"notifications":{"resourceSubscriptions":[]}}"#,
        ] {
            assert_eq!(as_sent(params, ""), Ok(None), "{params}");
        }
        let foreign = r#"{"notifications":{"resourceSubscriptions":["x"]},"Notifications":1}"#;
        assert_eq!(as_sent(foreign, r#""toolPrefix":"","#), Ok(None));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_a_server_could_read_as_another_uri_is_refused() {
        let foreign = |uri: &str| UnusableSubscriptions::Foreign(uri.to_owned());
        for (params, why) in [
            (
                r#"{"notifications":{"resourceSubscriptions":["w+a","x+b","c"]}}"#,
                foreign("x+b"),
            ),
            (
                r#"{"notifications":{"resourceSubscriptions":["W+a"]}}"#,
                foreign("W+a"),
            ),
            (
                r#"{"notifications":{"resourceSubscriptions":["w+a",1]}}"#,
                UnusableSubscriptions::Malformed,
            ),
            (
                r#"{"notifications":{"resourceSubscriptions":["w+\ud800"]}}"#,
                UnusableSubscriptions::Malformed,
            ),
            (
                r#"{"notifications":{"resourceSubscriptions":"w+a"}}"#,
                UnusableSubscriptions::Malformed,
            ),
            (
                r#"{"notifications":{"resourceSubscriptions":["w+a"],"resourceSubscriptions":["w+a"]}}"#,
                UnusableSubscriptions::Malformed,
            ),
            (
                r#"{"notifications":{"resourceSubscriptions":["w+a"],"ResourceSubscriptions":["b"]}}"#,
                UnusableSubscriptions::Malformed,
            ),
            (
                r#"{"notifications":{},"Notifications":{"resourceSubscriptions":["b"]}}"#,
                UnusableSubscriptions::Malformed,
            ),
            (r#"{"notifications":[]}"#, UnusableSubscriptions::Malformed),
            (
                r#"{"notifications":null}"#,
                UnusableSubscriptions::Malformed,
            ),
        ] {
            assert_eq!(as_sent(params, ""), Err(why), "{params}");
        }
    }
}
