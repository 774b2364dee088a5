//! The same for `tools.override` and `names`.

/// A configuration, and the start of the error.
pub(crate) const CONFIGURATIONS: &[(&str, &str)] = &[
    (
        r#"{"servers":[{"name":"a","tools":{"override":[]}}]}"#,
        "servers[0].tools.override: must be an object",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x_y":{}}}}]}"#,
        "servers[0].tools.override.x_y: has no effect: set one of name, title,",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"":{"name":"b"}}}}]}"#,
        "servers[0].tools.override: the name of a tool is empty",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"nam":"b"}}}}]}"#,
        "servers[0].tools.override.x.nam: unknown field, expected one of name, title, description, annotations, hide, set",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"name":"a b"}}}}]}"#,
        "servers[0].tools.override.x.name: \"a b\" must be at most 128 letters",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"annotations":[]}}}}]}"#,
        "servers[0].tools.override.x.annotations: must be an object",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"hide":[]}}}}]}"#,
        "servers[0].tools.override.x.hide: must have at least one entry",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"set":{"":1}}}}}]}"#,
        "servers[0].tools.override.x.set.: the name of a parameter is empty",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"set":{}}}}}]}"#,
        "servers[0].tools.override.x.set: must have at least one member",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"hide":["p","P"]}}}}]}"#,
        "servers[0].tools.override.x.hide[1]: \"P\" is hidden or set already",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"hide":["p"],"set":{"p":1}}}}}]}"#,
        "servers[0].tools.override.x.set.p: \"p\" is hidden or set already",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"name":"z"},"y":{"name":"z"}}}}]}"#,
        "servers[0].tools.override.x.name: \"z\" is the name of the tool \"y\", too",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"name":"y"},"y":{"title":"Y"}}}}]}"#,
        "servers[0].tools.override.x.name: \"y\" is the name of the tool \"y\", too",
    ),
    (r#"{"names":{}}"#, "names: has no effect without servers"),
    (
        r#"{"servers":[{"name":"a"}],"names":{"maxLength":15}}"#,
        "names.maxLength: must be 16 or more",
    ),
    (
        r#"{"servers":[{"name":"a"}],"names":{"action":"CUT"}}"#,
        "names.action: \"CUT\" must be one of WARN, SHORTEN",
    ),
    (
        r#"{"servers":[{"name":"a"}],"names":{"charset":"a-z"}}"#,
        "names.charset: \"a-z\" must be characters and ranges between",
    ),
    (
        r#"{"servers":[{"name":"a"}],"names":{"charset":"[A-Za-z0-9-]"}}"#,
        "names.charset: \"[A-Za-z0-9-]\" must have \"_\", 0 to 9 and a to f",
    ),
];
