//! The JSON Schema of the configuration, and the reference made from it, agree with the
//! filter: they have the same fields, types, choices and defaults.

#![cfg(not(target_family = "wasm"))]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use jsonschema::Validator;
use mcp_gateway::config::Config;
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Value, json};

#[path = "../src/config/tests/refused.rs"]
mod refused;
#[path = "../src/config/tests/refused_tools.rs"]
mod refused_tools;

#[path = "../src/config/tests/refused_endpoints.rs"]
mod refused_endpoints;

fn schema() -> Value {
    let text = committed("docs/reference/config.schema.json");
    serde_json::from_str(&text).expect("JSON")
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).expect("a schema")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn committed(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).expect(file)
}

fn program(arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
    program.args(arguments).output().expect("mcp-gateway")
}

#[test]
fn the_committed_files_are_those_of_the_code() {
    for (file, arguments) in [
        ("docs/reference/config.schema.json", "schema"),
        ("docs/reference/configuration.md", "schema --reference"),
    ] {
        let output = program(&arguments.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "{output:?}");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(
            printed == committed(file),
            "{file} is out of date; write it again with\n  cargo run --features cli -- {arguments} > {file}"
        );
    }
}

#[test]
fn with_stdio_the_schema_says_what_check_says_of_a_file_of_run() {
    let printed = program(&["schema", "--stdio"]);
    let schema: Value = serde_json::from_slice(&printed.stdout).expect("JSON");
    jsonschema::draft202012::meta::validate(&schema).expect("draft 2020-12");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schema-stdio.yaml");
    for (server, is_valid) in [
        (json!({"url": "http://127.0.0.1:1/mcp"}), true),
        (json!({"command": "npx"}), true),
        (
            json!({"command": "npx", "args": ["-y", "x", 8, true]}),
            true,
        ),
        (
            json!({"command": "npx", "env": {"A": "b", "C": 1, "D": null}}),
            true,
        ),
        (
            json!({"command": "npx", "cwd": ".", "toolPrefix": "x_"}),
            true,
        ),
        (
            json!({"command": 1.5, "url": "http://127.0.0.1:1/mcp"}),
            false,
        ),
        (json!({"command": ["npx", "-y"]}), false),
        (
            json!({"command": "npx", "url": "http://127.0.0.1:1/mcp"}),
            false,
        ),
        (json!({"command": "npx", "path": "/mcp"}), false),
        (json!({"command": "npx", "args": "-y x"}), false),
        (json!({"command": "npx", "args": [["x"]]}), false),
        (json!({"command": "npx", "env": ["A=b"]}), false),
        (json!({"command": "npx", "env": {"A": ["b"]}}), false),
        (json!({"command": "npx", "comand": "x"}), false),
        (
            json!({"args": ["-y"], "url": "http://127.0.0.1:1/mcp"}),
            false,
        ),
        (
            json!({"env": {"A": "b"}, "url": "http://127.0.0.1:1/mcp"}),
            false,
        ),
        (json!({"cwd": ".", "url": "http://127.0.0.1:1/mcp"}), false),
    ] {
        let mut server = server;
        server["name"] = json!("a");
        let config = json!({"servers": [server]});
        assert_eq!(validator.is_valid(&config), is_valid, "schema: {config}");
        std::fs::write(&file, config.to_string()).expect("a file");
        let checked = program(&["check", file.to_str().expect("UTF-8")]);
        assert_eq!(
            checked.status.success(),
            is_valid,
            "check: {config}\n{checked:?}"
        );
    }
}

#[test]
fn the_schema_is_valid_and_says_what_each_field_means() {
    let schema = schema();
    jsonschema::draft202012::meta::validate(&schema).expect("draft 2020-12");
    assert!(schema["title"].is_string());
    let objects = objects();
    assert!(objects.len() > 15, "{} objects", objects.len());
    for object in &objects {
        assert_eq!(object.schema["additionalProperties"], json!(false));
        assert!(object.schema["description"].is_string(), "{}", object.path);
        for (name, field) in object.fields() {
            let description = field["description"].as_str().unwrap_or_default();
            let at = format!("{}.{name}: {description}", object.path);
            assert!(description.ends_with(['.', ')']), "{at}");
            assert!(description.starts_with(char::is_uppercase), "{at}");
        }
    }
}

/// An object of the configuration.
struct Object {
    /// The path of the object, such as `.servers.tools`. It is empty for the whole
    /// configuration.
    path: String,
    schema: Value,
    /// The object with its required members only.
    least: Value,
    /// Makes a whole configuration with such an object.
    within: Box<dyn Fn(Value) -> Value>,
}

impl Object {
    fn fields(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.schema["properties"]
            .as_object()
            .expect("fields")
            .iter()
    }

    /// A configuration with this object, to which the member `name` is added.
    fn with(&self, name: &str, value: Value) -> Value {
        let mut object = self.least.clone();
        object[name] = value;
        (self.within)(object)
    }
}

/// All objects of the configuration: each kind of object, at each place where it is
/// allowed.
fn objects() -> Vec<Object> {
    let schema = schema();
    let mut objects = Vec::new();
    let whole = Object {
        path: String::new(),
        schema: schema.clone(),
        least: json!({}),
        within: Box::new(|config| config),
    };
    add(&schema, whole, &mut objects);
    objects
}

fn add(root: &Value, object: Object, objects: &mut Vec<Object>) {
    let parent = std::rc::Rc::new(object);
    let mut inner = Vec::new();
    for (name, field) in parent.fields() {
        let items = field.get("items").unwrap_or(field);
        let choices = items["anyOf"].as_array().map_or(&[][..], Vec::as_slice);
        for reference in [items].into_iter().chain(choices).filter_map(reference) {
            let is_list = field.get("items").is_some();
            let (within, name) = (parent.clone(), name.clone());
            let schema = root.pointer(reference).expect(reference).clone();
            inner.push(Object {
                path: format!("{}.{name}", parent.path),
                least: least(&schema),
                schema,
                within: Box::new(move |value| {
                    let value = if is_list { json!([value]) } else { value };
                    within.with(&name, value)
                }),
            });
        }
    }
    for object in inner {
        add(root, object, objects);
    }
    let within = parent.clone();
    objects.push(Object {
        path: parent.path.clone(),
        schema: parent.schema.clone(),
        least: parent.least.clone(),
        within: Box::new(move |value| (within.within)(value)),
    });
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str().map(|it| it.trim_start_matches('#'))
}

/// An object with the required members only.
fn least(schema: &Value) -> Value {
    let required = schema["required"].as_array();
    let members = required.into_iter().flatten().map(|name| {
        let name = name.as_str().expect("a name");
        let value = match (name, schema["properties"][name]["type"].as_str()) {
            ("action", _) => json!("ALLOW"),
            ("policy", _) => json!("WARN"),
            ("servers", Some("object")) => json!({"a": {"tools": {}}}),
            (_, Some("array")) => json!(["a"]),
            ("path", _) if schema["properties"]["hosts"].is_object() => json!("/a"),
            ("path", _) => json!("params.a"),
            _ => json!("a"),
        };
        (name.to_owned(), value)
    });
    Value::Object(members.collect())
}

fn refusal(config: &Value) -> String {
    match parse(config) {
        Ok(_) => String::new(),
        Err(error) => error,
    }
}

fn parse(config: &Value) -> Result<Config, String> {
    Config::parse(config.to_string().as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn the_schema_has_the_fields_that_the_filter_reads_and_no_others() {
    let validator = validator();
    for object in objects() {
        let config = object.with("noSuchField", json!(1));
        let error = refusal(&config);
        let (_, known) = error
            .split_once("noSuchField: unknown field, expected one of ")
            .unwrap_or_else(|| panic!("{}: {config}: {error}", object.path));
        let known: BTreeSet<&str> = known.split(", ").collect();
        let fields: BTreeSet<&str> = object.fields().map(|(name, _)| &**name).collect();
        assert_eq!(known, fields, "{}", object.path);
        assert!(!validator.is_valid(&config), "{config}");
    }
}

#[test]
fn the_schema_has_the_choices_that_the_filter_reads_and_no_others() {
    let validator = validator();
    let mut seen = 0;
    for object in objects() {
        for (name, field) in object.fields() {
            let Some(choices) = field["oneOf"].as_array() else {
                continue;
            };
            let config = object.with(name, json!("no such choice"));
            let error = refusal(&config);
            let (_, known) = error
                .split_once("\"no such choice\" must be one of ")
                .unwrap_or_else(|| panic!("{config}: {error}"));
            let choices: Vec<&str> = choices
                .iter()
                .filter_map(|it| it["const"].as_str())
                .collect();
            assert_eq!(known, choices.join(", "), "{config}");
            assert!(!validator.is_valid(&config), "{config}");
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen} fields with choices");
}

/// A value of every type. The string matches no pattern of the schema, so that only fields
/// without a pattern accept it.
fn samples() -> [Value; 6] {
    [
        json!(true),
        json!(7),
        json!(-1.5),
        json!("\u{1}"),
        json!([]),
        json!({}),
    ]
}

#[test]
fn the_schema_has_the_types_that_the_filter_reads() {
    const TYPES: [&str; 6] = [
        "must be a string",
        "must be a list",
        "must be an object",
        "must be true",
        "must be a whole number",
        "must be a name or an object",
    ];
    let validator = validator();
    let mut seen = 0;
    for object in objects() {
        for (name, _) in object.fields() {
            for sample in samples() {
                let config = object.with(name, sample);
                let error = refusal(&config);
                let is_type = TYPES.iter().any(|it| error.contains(it));
                if is_type {
                    assert!(!validator.is_valid(&config), "{config}: {error}");
                    seen += 1;
                }
                if !validator.is_valid(&config) {
                    assert!(!error.is_empty(), "only the schema refuses {config}");
                }
            }
        }
    }
    assert!(seen > 200, "{seen} types");
}

#[test]
fn a_default_of_the_schema_is_what_the_filter_does_without_the_field() {
    let mut seen = 0;
    for object in objects() {
        for (name, field) in object.fields() {
            let Some(default) = field.get("default") else {
                continue;
            };
            let without = (object.within)(object.least.clone());
            let with = object.with(name, default.clone());
            // Some fields are allowed only with servers. So the test compares the
            // configurations without servers and with one server. With a server, it cannot
            // check the default of `servers` itself.
            for servers in [None, Some(json!([{"name": "a"}]))] {
                let completed = |config: &Value| {
                    let mut config = config.clone();
                    if let (Some(servers), None) = (&servers, config.get("servers")) {
                        config["servers"] = servers.clone();
                    }
                    parse(&config).map(|config| format!("{config:?}"))
                };
                if servers.is_some() && with["servers"] == json!([]) {
                    continue;
                }
                let is_refused = |error: String| error.contains("has no effect without servers");
                if servers.is_none() && completed(&with).is_err_and(is_refused) {
                    continue;
                }
                assert_eq!(completed(&with), completed(&without), "{with}");
                seen += usize::from(completed(&with).is_ok());
            }
        }
    }
    assert!(seen > 60, "{seen} defaults");
}

#[test]
fn each_name_may_be_in_snake_case() {
    let validator = validator();
    let mut seen = 0;
    for object in objects() {
        for (name, field) in object.fields() {
            let Some(default) = field.get("default") else {
                continue;
            };
            let snake: String = name
                .chars()
                .flat_map(|c| {
                    let mark = c.is_ascii_uppercase().then_some('_');
                    mark.into_iter().chain([c.to_ascii_lowercase()])
                })
                .collect();
            let config = object.with(&snake, default.clone());
            assert!(validator.is_valid(&config), "{config}");
            assert!(
                !refusal(&config).contains("unknown field"),
                "{config}: {}",
                refusal(&config)
            );
            seen += usize::from(*name != snake);
        }
    }
    assert!(seen > 20, "{seen} names");
}

/// Errors of the filter that depend on the meaning of a value, or on two values together.
/// The schema cannot express them, so it accepts these configurations.
const BEYOND_THE_SCHEMA: &[&str] = &[
    "attributeSource: HEADERS does not read the body",
    "authorization.rules[0].endpoints[0]: \"/x\" is not an endpoint",
    "cors.allowCredentials: true needs a list",
    "cors.allowOrigins[0]: \"https://*.*.example\" may have one",
    "cors.allowOrigins[0]: \"https://a*.example\" may have one",
    "cors.allowOrigins[0]: \"https://a.example:443\" must not",
    "endpoints: cannot be used with paths",
    "endpoints: has no effect without servers",
    "endpoints[0].hosts[1]: \"h\" is in this list twice",
    "endpoints[0].servers: must have at least one with enabled",
    "endpoints[0].servers[1]: \"a\" is in this list twice",
    "endpoints[0].servers[1]: \"c\" is not a server",
    "endpoints[1].hosts[0]: endpoints[0] has the path",
    "endpoints[1].name: \"/a\" is the name",
    "endpoints[1].name: \"/b\" is the name",
    "endpoints[1].path: endpoints[0] has the path",
    "failedServerTtl: has no effect without servers",
    "failureMode: has no effect without servers",
    "holdRequestHeaders: false cannot be used with servers",
    "listCache: has no effect without servers",
    "maxListBytes: has no effect without servers",
    "maxListPages: has no effect without servers",
    "names.charset: \"[A-Za-z0-9-]\" must have",
    "names: has no effect without servers",
    "parserConfig.groupMetadataKey: \"method\" is a name that",
    "passthroughHeaders: has no effect without servers",
    "pins.servers.b: no server has this name",
    "pins: has no effect without servers",
    "prefixMode: has no effect without servers",
    "propagateBaggage: has no effect with servers",
    "propagateBaggage: needs holdRequestHeaders",
    "propagateTraceContext: has no effect with servers",
    "propagateTraceContext: needs holdRequestHeaders",
    "rewriteAuthority: has no effect without servers",
    "serverInfo: has no effect without servers",
    "servers: must have at least one with enabled",
    "servers[0].shareSession: has no effect with protocol: MODERN",
    "servers[0].tools.override.x.hide[1]: \"P\" is already in hide or set",
    "servers[0].tools.override.x.name: \"y\" is also the name of the tool",
    "servers[0].tools.override.x.name: \"z\" is also the name of the tool",
    "servers[0].tools.override.x.set.p: \"p\" is already in hide or set",
    "servers[1].listTtl: has no effect with listCache: OFF",
    "servers[1].name: the URIs of resources start with \"B\"",
    "servers[1].name: the URIs of resources start with \"My_Server\"",
    "servers[1].name: \"a\" is used twice",
    "session.identity.header: \"",
    "session.keys[0]: is all zeros",
    "session: has no effect without servers",
    "toolSearch: has no effect without servers",
    "trafficMode: NOOP does not read the body",
    "trafficMode: PASS_THROUGH lets requests pass",
];

#[test]
fn the_schema_refuses_what_the_filter_refuses() {
    let validator = validator();
    let mut beyond = BTreeSet::new();
    let configurations = [
        refused::CONFIGURATIONS,
        refused_endpoints::CONFIGURATIONS,
        refused_tools::CONFIGURATIONS,
    ];
    for (text, expected) in configurations.concat() {
        let config: Value = serde_json::from_str(text).expect(text);
        let error = refusal(&config);
        assert!(error.starts_with(expected), "{text}: {error}");
        let known = BEYOND_THE_SCHEMA.iter().find(|it| error.starts_with(**it));
        assert_eq!(validator.is_valid(&config), known.is_some(), "{error}");
        beyond.extend(known);
    }
    assert_eq!(beyond, BEYOND_THE_SCHEMA.iter().collect());
}

#[test]
fn the_schema_accepts_what_is_shipped() {
    let validator = validator();
    let mut seen = 0;
    let mut check = |place: &str, config: &Value| {
        let errors: Vec<String> = validator
            .iter_errors(config)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{place}: {config}\n{errors:#?}");
        seen += 1;
    };
    for folder in ["envoy", "deploy"] {
        for (place, text) in files(&root().join(folder), "yaml") {
            for document in Yaml::load_from_str(&text).expect(&place) {
                let mut found = Vec::new();
                configurations(&value(&document), &mut found);
                found.iter().for_each(|config| check(&place, config));
            }
        }
    }
    for (place, page) in files(&root().join("docs"), "md") {
        for block in page.split("\n```json\n").skip(1) {
            let text = block.split("```").next().unwrap_or_default();
            check(&place, &serde_json::from_str(text).expect(text));
        }
    }
    assert!(seen > 20, "{seen} configurations");
}

fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        // The templates of a Helm chart are not valid YAML.
        if path.ends_with("templates") {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            let text = std::fs::read_to_string(&path).expect("text");
            found.push((path.display().to_string(), text));
        }
    }
    found
}

fn value(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.0),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => items.iter().map(value).collect(),
        Yaml::Mapping(members) => members
            .iter()
            .map(|(name, member)| (name.as_str().unwrap_or_default().to_owned(), value(member)))
            .collect(),
        _ => Value::Null,
    }
}

/// The configurations of this filter in `document`, which is a configuration of Envoy, a
/// `WasmPlugin` of Istio, or an `EnvoyExtensionPolicy` of Envoy Gateway.
fn configurations(document: &Value, found: &mut Vec<Value>) {
    let Some(members) = document.as_object() else {
        let items = document.as_array();
        let items = items.into_iter().flatten();
        return items.for_each(|item| configurations(item, found));
    };
    for (name, member) in members {
        match (name.as_str(), member["@type"].as_str(), &member["value"]) {
            ("configuration", Some(kind), Value::String(text)) if kind.ends_with("StringValue") => {
                found.push(serde_json::from_str(text).expect(text));
            }
            ("configuration", Some(kind), config) if kind.ends_with("Struct") => {
                found.push(config.clone());
            }
            ("pluginConfig", ..) => found.push(member.clone()),
            ("wasm", ..) => {
                let filters = member.as_array().map_or(&[][..], Vec::as_slice);
                found.extend(filters.iter().map(|filter| filter["config"].clone()));
            }
            _ => configurations(member, found),
        }
    }
}
