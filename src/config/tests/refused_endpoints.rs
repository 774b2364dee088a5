//! Refused configurations of `endpoints`.

/// A configuration, and the start of the error.
pub(crate) const CONFIGURATIONS: &[(&str, &str)] = &[
    (
        r#"{"endpoints":[]}"#,
        "endpoints: must have at least one entry",
    ),
    (
        r#"{"endpoints":[{"name":"x"}]}"#,
        "endpoints[0]: missing field `path`",
    ),
    (
        r#"{"endpoints":[{"path":"*"}]}"#,
        "endpoints[0].path: \"*\" must be a path",
    ),
    (
        r#"{"endpoints":[{"path":"/a?b"}]}"#,
        "endpoints[0].path: \"/a?b\" must be a path",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a","name":"a b"}]}"#,
        "endpoints[0].name: \"a b\" must be visible ASCII",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a","name":"a/"}]}"#,
        "endpoints[0].name: \"a/\" must be visible ASCII",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a","hosts":[]}]}"#,
        "endpoints[0].hosts: must have at least one entry",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a","hosts":["https://a.example"]}]}"#,
        "endpoints[0].hosts[0]: \"https://a.example\" must be a host",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a","hosts":["*.example"]}]}"#,
        "endpoints[0].hosts[0]: \"*.example\" must be a host",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a","servers":[]}]}"#,
        "endpoints[0].servers: must have at least one entry",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a","tools":{"include":[]}}]}"#,
        "endpoints[0].tools.include: must have at least one entry",
    ),
    (
        r#"{"authorization":{"rules":[{"action":"DENY","endpoints":[]}]}}"#,
        "authorization.rules[0].endpoints: must have at least one entry",
    ),
    (
        r#"{"authorization":{"rules":[{"action":"DENY","endpoints":["/x"]}]},"paths":["/mcp"]}"#,
        "authorization.rules[0].endpoints[0]: \"/x\" is not an endpoint: the endpoints are /mcp",
    ),
    (
        r#"{"endpoints":[{"path":"/a"}]}"#,
        "endpoints: has no effect without servers",
    ),
    (
        r#"{"servers":[{"name":"a"}],"paths":["/a"],"endpoints":[{"path":"/a"}]}"#,
        "endpoints: cannot be used with paths",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a"},{"path":"/a/","name":"x"}]}"#,
        "endpoints[1].path: endpoints[0] has the path \"/a\" for any host already",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a","hosts":["b","h:1"]},{"path":"/a","name":"x","hosts":["H"]}]}"#,
        "endpoints[1].hosts[0]: endpoints[0] has the path \"/a\" for the host \"h\" already",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a","hosts":["h:1","H"]}]}"#,
        "endpoints[0].hosts[1]: \"h\" is in this list twice",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a"},{"path":"/a","hosts":["h"]}]}"#,
        "endpoints[1].name: \"/a\" is the name of endpoints[0] already",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a","name":"/b"},{"path":"/b/"}]}"#,
        "endpoints[1].name: \"/b\" is the name of endpoints[0] already",
    ),
    (
        r#"{"servers":[{"name":"a"},{"name":"b"}],"endpoints":[{"path":"/a","servers":["a","c"]}]}"#,
        "endpoints[0].servers[1]: \"c\" is not a server: the servers are a, b",
    ),
    (
        r#"{"servers":[{"name":"a"}],"endpoints":[{"path":"/a","servers":["a","a"]}]}"#,
        "endpoints[0].servers[1]: \"a\" is in this list twice",
    ),
    (
        r#"{"servers":[{"name":"a"},{"name":"b","enabled":false}],"endpoints":[{"path":"/a","servers":["b"]}]}"#,
        "endpoints[0].servers: must have at least one with enabled: true",
    ),
    (
        r#"{"servers":[{"name":"a"},{"name":"B"},{"name":"C"}],"prefixMode":"CONDITIONAL","endpoints":[{"path":"/a","servers":["C"]},{"path":"/b","servers":["a","B"]}]}"#,
        "servers[1].name: the URIs of resources start with \"B\"",
    ),
];
