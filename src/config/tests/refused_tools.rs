//! Refused configurations of `tools.override`, `names`, `pins` and `toolSearch`.

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
        "servers[0].tools.override.x.hide[1]: \"P\" is already in hide or set",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"hide":["p"],"set":{"p":1}}}}}]}"#,
        "servers[0].tools.override.x.set.p: \"p\" is already in hide or set",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"name":"z"},"y":{"name":"z"}}}}]}"#,
        "servers[0].tools.override.x.name: \"z\" is also the name of the tool \"y\"",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"override":{"x":{"name":"y"},"y":{"title":"Y"}}}}]}"#,
        "servers[0].tools.override.x.name: \"y\" is also the name of the tool \"y\"",
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
    (
        r#"{"toolSearch":{}}"#,
        "toolSearch: has no effect without servers",
    ),
    (
        r#"{"servers":[{"name":"a"}],"toolSearch":true}"#,
        "toolSearch: must be an object",
    ),
    (
        r#"{"servers":[{"name":"a"}],"toolSearch":{"threshold":-1}}"#,
        "toolSearch.threshold: must be a whole number from 0",
    ),
    (
        r#"{"servers":[{"name":"a"}],"toolSearch":{"limit":0}}"#,
        "toolSearch.limit: must be a whole number from 1 to 50",
    ),
    (
        r#"{"servers":[{"name":"a"}],"toolSearch":{"limit":51}}"#,
        "toolSearch.limit: must be a whole number from 1 to 50",
    ),
    (
        r#"{"servers":[{"name":"a"}],"toolSearch":{"always":"x"}}"#,
        "toolSearch.always: must be a list",
    ),
    (
        r#"{"servers":[{"name":"a"}],"toolSearch":{"always":[""]}}"#,
        "toolSearch.always[0]: must not be empty",
    ),
    (
        r#"{"pins":{"policy":"WARN","servers":{"a":{"tools":{}}}}}"#,
        "pins: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"pins":{"policy":"WARN","servers":{"b":{"tools":{}}}},"servers":[{"name":"a"}]}"#,
        "pins.servers.b: no server has this name",
    ),
    (
        r#"{"pins":{"policy":"deny","servers":{"a":{"tools":{}}}},"servers":[{"name":"a"}]}"#,
        "pins.policy: \"deny\" must be one of WARN, HIDE, DENY",
    ),
    (
        r#"{"pins":{"servers":{"a":{"tools":{}}}},"servers":[{"name":"a"}]}"#,
        "pins: missing field `policy`",
    ),
    (
        r#"{"pins":{"policy":"HIDE"},"servers":[{"name":"a"}]}"#,
        "pins: missing field `servers`",
    ),
    (
        r#"{"pins":{"policy":"HIDE","servers":{}},"servers":[{"name":"a"}]}"#,
        "pins.servers: must have at least one entry",
    ),
    (
        r#"{"pins":{"policy":"HIDE","servers":["a"]},"servers":[{"name":"a"}]}"#,
        "pins.servers: must be an object",
    ),
    (
        r#"{"pins":{"policy":"HIDE","servers":{"a":{}}},"servers":[{"name":"a"}]}"#,
        "pins.servers.a: missing field `tools`",
    ),
    (
        r#"{"pins":{"policy":"HIDE","servers":{"a":{"tools":{"get_x":"sha256:0f"}}}},"servers":[{"name":"a"}]}"#,
        "pins.servers.a.tools.get_x: \"sha256:0f\" must be \"sha256:\" and 64 hexadecimal digits",
    ),
    (
        r#"{"pins":{"policy":"HIDE","servers":{"a":{"tools":{"get_x":7}}}},"servers":[{"name":"a"}]}"#,
        "pins.servers.a.tools.get_x: must be a string",
    ),
    (
        r#"{"pins":{"policy":"HIDE","servers":{"a":{"tools":{},"tool":{}}}},"servers":[{"name":"a"}]}"#,
        "pins.servers.a.tool: unknown field, expected one of tools",
    ),
];
