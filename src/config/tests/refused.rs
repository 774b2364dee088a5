//! Configurations that the filter refuses, each with the start of the error. The test of the JSON
//! Schema uses them, too.

/// A configuration, and the start of the error.
pub(crate) const CONFIGURATIONS: &[(&str, &str)] = &[
    (
        r#"{"unknown":1}"#,
        "unknown: unknown field, expected one of paths, endpoints, trafficMode,",
    ),
    (
        r#"{"unknown":1,"holdRequestHeaders":1,"maxRequestBodySize":"1","endpoints":1}"#,
        "endpoints: must be a list",
    ),
    (
        r#"{"servers":[{"name":"a","cluster":1,"timeout":1,"x":1}]}"#,
        "servers[0].cluster: must be a string",
    ),
    (
        r#"{"servers":[{"name":"a","tool_prefx":"x"}]}"#,
        "servers[0].toolPrefx: unknown field, expected one of name, cluster,",
    ),
    (
        r#"{"cors":{"allowOrigin":[]}}"#,
        "cors.allowOrigin: unknown field",
    ),
    (
        r#"{"trafficMode":"reject"}"#,
        "trafficMode: \"reject\" must be one of PASS_THROUGH, REJECT_NO_MCP, NOOP",
    ),
    (
        r#"{"maxRequestBodySize":"1"}"#,
        "maxRequestBodySize: must be a whole number",
    ),
    (
        r#"{"maxRequestBodySize":-1}"#,
        "maxRequestBodySize: must be a whole number",
    ),
    (
        r#"{"maxRequestBodySize":1.5}"#,
        "maxRequestBodySize: must be a whole number",
    ),
    (
        r#"{"maxRequestBodySize":4294967296}"#,
        "maxRequestBodySize: must be a whole number from 0 to 4294967295",
    ),
    (
        r#"{"maxResponseBytes":0}"#,
        "maxResponseBytes: must be a whole number from 1 to 4294967295",
    ),
    (
        r#"{"maxListPages":"64"}"#,
        "maxListPages: must be a whole number from 1 to 4294967295",
    ),
    (r#"{"servers":{}}"#, "servers: must be a list"),
    (r#"{"x\ny":1}"#, "x\\ny: unknown field"),
    // A character that would end a line of the log is escaped.
    (r#"{"x\ny":1}"#, "x\\ny: unknown field"),
    ("[]", "must be an object"),
    (r#"{"cors":[]}"#, "cors: must be an object"),
    (r#"{"servers":["a"]}"#, "servers[0]: must be an object"),
    (
        r#"{"servers":[{"name":"a"}],"holdRequestHeaders":false}"#,
        "holdRequestHeaders: false cannot be used with servers",
    ),
    (
        r#"{"servers":[{"name":"a"}],"attributeSource":"HEADERS"}"#,
        "attributeSource: HEADERS does not read the body",
    ),
    (
        r#"{"authorization":{"defaultAction":"DENY"},"attributeSource":"HEADERS"}"#,
        "attributeSource: HEADERS does not read the body, but authorization needs it",
    ),
    (
        r#"{"authorization":{"defaultAction":"DENY"},"trafficMode":"NOOP"}"#,
        "trafficMode: NOOP does not read the body, but authorization needs it",
    ),
    (
        r#"{"holdRequestHeaders":false,"propagateTraceContext":{}}"#,
        "propagateTraceContext: needs holdRequestHeaders",
    ),
    (
        r#"{"holdRequestHeaders":false,"propagateBaggage":true}"#,
        "propagateBaggage: needs holdRequestHeaders",
    ),
    (
        r#"{"propagateTraceContext":1}"#,
        "propagateTraceContext: must be true, false or {}",
    ),
    (
        r#"{"propagateTraceContext":{"x":1}}"#,
        "propagateTraceContext: must be true, false or {}",
    ),
    (
        r#"{"parserConfig":{"methods":[{"group":"g"}]}}"#,
        "parserConfig.methods[0]: missing field `method`",
    ),
    (
        r#"{"parserConfig":{"methods":[{"method":"m","group":"a b"}]}}"#,
        "parserConfig.methods[0].group: \"a b\" must be",
    ),
    (
        r#"{"parserConfig":{"methods":[{"method":"m","extractionRules":[{"path":"name"}]}]}}"#,
        "parserConfig.methods[0].extractionRules[0].path: \"name\" must be",
    ),
    (
        r#"{"parserConfig":{"methods":[{"method":"m","extractionRules":[{"path":"params..x"}]}]}}"#,
        "parserConfig.methods[0].extractionRules[0].path: \"params..x\" must be",
    ),
    (
        r#"{"parserConfig":{"groupMetadataKey":""}}"#,
        "parserConfig.groupMetadataKey: must not be empty",
    ),
    (
        r#"{"parserConfig":{"groupMetadataKey":"method"}}"#,
        "parserConfig.groupMetadataKey: \"method\" is a name that wasm.mcp has already",
    ),
    (r#"{"paths":["*",""]}"#, "paths[1]: \"\" must start with"),
    (r#"{"paths":[]}"#, "paths: must have at least one entry"),
    (
        r#"{"paths":["mcp"]}"#,
        "paths[0]: \"mcp\" must start with \"/\"",
    ),
    (
        r#"{"paths":["/mcp","/a?b"]}"#,
        "paths[1]: \"/a?b\" must be a path",
    ),
    (r#"{"servers":[{}]}"#, "servers[0]: missing field `name`"),
    (
        r#"{"servers":[{"name":""}]}"#,
        "servers[0].name: must not be empty",
    ),
    (
        r#"{"servers":[{"name":"we ather"}]}"#,
        "servers[0].name: \"we ather\" must be",
    ),
    (
        r#"{"servers":[{"name":"a"},{"name":"b","toolPrefix":"we ather_"}]}"#,
        "servers[1].toolPrefix: \"we ather_\" must be",
    ),
    (
        r#"{"servers":[{"name":"a"},{"name":"a","enabled":false}]}"#,
        "servers[1].name: \"a\" is used twice",
    ),
    (
        r#"{"servers":[{"name":"a","enabled":false}]}"#,
        "servers: must have at least one",
    ),
    (
        r#"{"servers":[{"name":"a"},{"name":"My_Server"}]}"#,
        "servers[1].name: the URIs of resources start with \"My_Server\"",
    ),
    (
        r#"{"servers":[{"name":"a","protocol":"auto"}]}"#,
        "servers[0].protocol: \"auto\" must be one of AUTO, LEGACY, MODERN",
    ),
    (
        r#"{"servers":[{"name":"a","shareSession":"yes"}]}"#,
        "servers[0].shareSession: must be true or false",
    ),
    (
        r#"{"servers":[{"name":"a","listTtl":"soon"}]}"#,
        "servers[0].listTtl: \"soon\" is not a duration",
    ),
    (
        r#"{"servers":[{"name":"a","tools":{"includes":[]}}]}"#,
        "servers[0].tools.includes: unknown field",
    ),
    (
        r#"{"servers":[{"name":"a","resources":{"exclude":["x",""]}}]}"#,
        "servers[0].resources.exclude[1]: must not be empty",
    ),
    (
        r#"{"listCache":"ON"}"#,
        "listCache: \"ON\" must be one of OFF, HINTS",
    ),
    (
        r#"{"servers":[{"name":"a","cluster":""}]}"#,
        "servers[0].cluster: must not be empty",
    ),
    (
        r#"{"servers":[{"name":"a","hostname":"h\r\nx: y"}]}"#,
        "servers[0].hostname: \"h\\r\\nx: y\" must be visible ASCII",
    ),
    (
        r#"{"servers":[{"name":"a","path":"mcp"}]}"#,
        "servers[0].path: \"mcp\" must start with",
    ),
    (
        r#"{"servers":[{"name":"a","url":"ftp://x"}]}"#,
        "servers[0].url: \"ftp://x\" must be an absolute http or https URL",
    ),
    (
        r#"{"servers":[{"name":"a","url":"http://u:p@x"}]}"#,
        "servers[0].url:",
    ),
    (
        r#"{"servers":[{"name":"a","timeout":"5"}]}"#,
        "servers[0].timeout: \"5\" is not a duration",
    ),
    (
        r#"{"servers":[{"name":"a"}],"maxListPages":0}"#,
        "maxListPages: must be a whole number from 1 to 4294967295",
    ),
    (
        r#"{"servers":[{"name":"a"}],"trafficMode":"NOOP"}"#,
        "trafficMode: NOOP",
    ),
    (
        r#"{"servers":[{"name":"a"}],"serverInfo":{"name":""}}"#,
        "serverInfo.name: must not be empty",
    ),
    (
        r#"{"cors":{"allowCredentials":true}}"#,
        "cors.allowCredentials: true needs a list",
    ),
    (
        r#"{"cors":{"allowOrigins":[]}}"#,
        "cors.allowOrigins: must have at least one entry",
    ),
    (
        r#"{"cors":{"allowOrigins":["https://a.example/x"]}}"#,
        "cors.allowOrigins[0]: \"https://a.example/x\" must not have a path",
    ),
    (
        r#"{"cors":{"allowOrigins":["https://*.*.example"]}}"#,
        "cors.allowOrigins[0]: \"https://*.*.example\" may have one",
    ),
    (
        r#"{"cors":{"allowOrigins":["https://a*.example"]}}"#,
        "cors.allowOrigins[0]:",
    ),
    (
        r#"{"cors":{"allowOrigins":["a.example"]}}"#,
        "cors.allowOrigins[0]:",
    ),
    (
        r#"{"cors":{"allowOrigins":["https://a.example:443"]}}"#,
        "cors.allowOrigins[0]: \"https://a.example:443\" must not have the default port",
    ),
    (
        r#"{"cors":{"allowHeaders":["x y"]}}"#,
        "cors.allowHeaders[0]: \"x y\" must be letters, digits and",
    ),
    (
        r#"{"cors":{"maxAge":"soon"}}"#,
        "cors.maxAge: \"soon\" is not a duration",
    ),
    (
        r#"{"trafficMode":"PASS_THROUGH","servers":[{"name":"a"}]}"#,
        "trafficMode: PASS_THROUGH lets requests pass unread, which servers does not allow",
    ),
    (
        r#"{"trafficMode":"PASS_THROUGH","authorization":{"defaultAction":"DENY"}}"#,
        "trafficMode: PASS_THROUGH lets requests pass unread, which authorization does not allow",
    ),
    (
        r#"{"prefixMode":"NEVER"}"#,
        "prefixMode: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"rewriteAuthority":false}"#,
        "rewriteAuthority: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"failureMode":"FAIL"}"#,
        "failureMode: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"failure_mode":"BEST_EFFORT"}"#,
        "failureMode: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"failedServerTtl":"5s"}"#,
        "failedServerTtl: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"failed_server_ttl":"0s"}"#,
        "failedServerTtl: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"passthroughHeaders":["x-a"]}"#,
        "passthroughHeaders: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"passthroughHeaders":[]}"#,
        "passthroughHeaders: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"listCache":"OFF"}"#,
        "listCache: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"listCache":"HINTS"}"#,
        "listCache: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"maxListPages":3}"#,
        "maxListPages: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"maxListBytes":3}"#,
        "maxListBytes: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"serverInfo":{"name":"x"}}"#,
        "serverInfo: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"session":{}}"#,
        "session: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"session":{"ttl":"1h"}}"#,
        "session: has no effect without servers: remove it, or add servers",
    ),
    (
        r#"{"servers":[],"listCache":"OFF"}"#,
        "listCache: has no effect without servers",
    ),
    (
        r#"{"listCache":"OFF","servers":[{"name":"a"},{"name":"b","listTtl":"5s"}]}"#,
        "servers[1].listTtl: has no effect with listCache: OFF",
    ),
    (
        r#"{"servers":[{"name":"a","protocol":"MODERN","shareSession":true}]}"#,
        "servers[0].shareSession: has no effect with protocol: MODERN",
    ),
    (
        r#"{"propagateTraceContext":true,"servers":[{"name":"a"}]}"#,
        "propagateTraceContext: has no effect with servers",
    ),
    (
        r#"{"propagateTraceContext":{},"servers":[{"name":"a"}]}"#,
        "propagateTraceContext: has no effect with servers",
    ),
    (
        r#"{"propagateBaggage":true,"servers":[{"name":"a"}]}"#,
        "propagateBaggage: has no effect with servers",
    ),
    (
        r#"{"servers":[{"name":"a"},{"name":"b","tools":{"include":[]}}]}"#,
        "servers[1].tools.include: must have at least one entry",
    ),
    (
        r#"{"servers":[{"name":"a"},{"name":"b","prompts":{"include":[]}}]}"#,
        "servers[1].prompts.include: must have at least one entry",
    ),
    (
        r#"{"servers":[{"name":"a"},{"name":"b","resources":{"include":[]}}]}"#,
        "servers[1].resources.include: must have at least one entry",
    ),
    (
        r#"{"servers":[{"name":"a"}],"session":{"identity":{"header":"x-mcp-method"}}}"#,
        "session.identity.header: \"x-mcp-method\" is a header that this filter removes",
    ),
    (
        r#"{"servers":[{"name":"a"}],"session":{"identity":{"header":"X-Mcp-ToolName"}}}"#,
        "session.identity.header: \"X-Mcp-ToolName\" is a header that this filter removes",
    ),
    (
        r#"{"servers":[{"name":"a"}],"session":{"identity":{"header":"x-mcp-cluster"}}}"#,
        "session.identity.header: \"x-mcp-cluster\" is a header that this filter removes",
    ),
    (
        r#"{"servers":[{"name":"a"}],"session":{"identity":{"header":"Mcp-Name"}}}"#,
        "session.identity.header: \"Mcp-Name\" is a header that this filter removes",
    ),
    (
        r#"{"servers":[{"name":"a"}],"session":{"identity":{"header":"mcp-param-user"}}}"#,
        "session.identity.header: \"mcp-param-user\" is a header that this filter removes",
    ),
    (
        r#"{"servers":[{"name":"a"}],"session":{"keys":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]}}"#,
        "session.keys[0]: is all zeros",
    ),
    (
        r#"{"passthroughHeaders":["x-a"],"cors":{"allowHeaders":["x-a"]}}"#,
        "passthroughHeaders: has no effect without servers",
    ),
];
