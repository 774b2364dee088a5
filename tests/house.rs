//! Checks the rules of ARCHITECTURE.md for which there is no lint.

#![cfg(not(target_family = "wasm"))]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below `folder`, or the file itself, with their texts.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    if folder.ends_with(".rs") {
        let path = root().join(folder);
        let text = fs::read_to_string(&path).expect("a file of Rust");
        return vec![(path, text)];
    }
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a file of Rust");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no sources below {folder}");
    found
}

/// The lines of code below `folder` that contain one of `words`. Comments do not count.
fn lines_with(folder: &str, words: &[&str]) -> Vec<String> {
    let code = |line: &&str| !line.trim_start().starts_with("//");
    sources(folder)
        .iter()
        .flat_map(|(path, text)| {
            let lines = text
                .lines()
                .filter(code)
                .filter(|line| words.iter().any(|word| line.contains(word)));
            lines
                .map(|line| format!("{}: {}", path.display(), line.trim()))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn only_the_edge_for_envoy_names_the_host() {
    for folder in [
        "src/bin",
        "src/config",
        "src/edge/abi",
        "src/gateway",
        "src/http",
        "src/mcp",
        "src/memory.rs",
        "src/metrics.rs",
        "src/policy",
        "src/seal.rs",
        "src/stream",
    ] {
        assert_eq!(lines_with(folder, &["proxy_wasm", "unsafe"]), [""; 0]);
    }
}

/// The other modules that each module of the library may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("src/http", &[]),
    ("src/memory.rs", &[]),
    ("src/mcp", &["http"]),
    ("src/policy", &["http", "mcp"]),
    ("src/metrics.rs", &["policy"]),
    ("src/seal.rs", &[]),
    ("src/config", &["http", "mcp", "metrics", "policy", "seal"]),
    (
        "src/gateway",
        &[
            "config", "http", "mcp", "memory", "metrics", "policy", "seal",
        ],
    ),
    (
        "src/stream",
        &[
            "config", "gateway", "http", "mcp", "memory", "metrics", "policy", "seal",
        ],
    ),
    ("src/edge/abi", &["edge", "http", "policy"]),
];

#[test]
fn each_module_names_only_the_modules_below_it() {
    for (path, below) in MAY_NAME {
        let own = path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut strangers = named_paths(path);
        strangers.retain(|(_, named)| {
            let module = first_word(named);
            module != own && !below.contains(&module)
        });
        assert_eq!(strangers, [], "{path} may name {below:?}");
    }
    assert_eq!(lines_with("src/edge/abi", &["edge::envoy"]), [""; 0]);
}

#[test]
fn each_module_is_in_the_list() {
    let listed = MAY_NAME.iter().map(|(path, _)| Path::new(*path));
    let listed = listed.map(|path| path.file_stem().expect("a name").to_os_string());
    // The edge knows all other modules, and the program is not in the library.
    let others = ["edge", "bin", "lib"].map(Into::into);
    let listed: BTreeSet<_> = listed.filter(|name| name != "abi").chain(others).collect();
    assert_eq!(listed, members("src"));
}

/// The names of the folders and the files in `folder`, without `.rs`.
fn members(folder: &str) -> BTreeSet<OsString> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").path());
    let names = names.map(|path| path.file_stem().expect("a name").to_os_string());
    names.collect()
}

/// The paths in the code of `folder` outside tests, from the root of the crate, each with the file
/// that has it: those after `crate::`, `super::` and `self::`, one for each member of braces.
fn named_paths(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, text) in sources(folder) {
        if path.ends_with("tests.rs") {
            continue;
        }
        let file = path.strip_prefix(root().join("src")).expect("in src");
        let paths = paths_in(&module_of(file), before_tests(&text));
        let named = |path| (file.display().to_string(), path);
        found.extend(paths.into_iter().map(named));
    }
    found
}

/// The modules from the root of the crate to the one in `file`, which is below `src`.
fn module_of(file: &Path) -> Vec<String> {
    let file = file.with_extension("");
    let names = file.iter().map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name != "mod").collect()
}

/// The paths in `code` of `module`, from the root of the crate.
fn paths_in(module: &[String], code: &str) -> Vec<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<&str> = code.lines().filter(is_code).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    let mut before = ' ';
    for (at, start) in code.char_indices() {
        let goes_on = before.is_alphanumeric() || ['_', ':'].contains(&before);
        before = start;
        let mut rest = &code[at..];
        if goes_on {
            continue;
        }
        let mut base = module.to_vec();
        if let Some(after) = rest.strip_prefix("crate::") {
            base.clear();
            rest = after;
        } else if let Some(after) = rest.strip_prefix("self::") {
            rest = after;
        } else if rest.starts_with("super::") {
            while let Some(after) = rest.strip_prefix("super::") {
                base.pop();
                rest = after;
            }
        } else {
            continue;
        }
        add_paths(rest, &base.join("::"), &mut found);
    }
    found
}

/// Adds the paths at the start of `code`, which stand after `base`: several where `code` has braces.
fn add_paths(code: &str, base: &str, found: &mut Vec<String>) {
    let Some(members) = code.strip_prefix('{') else {
        let name = first_word(code);
        let path = format!("{base}::{name}");
        let path = path.trim_start_matches("::");
        match code[name.len()..].strip_prefix("::") {
            Some(rest) if !rest.starts_with('<') => add_paths(rest, path, found),
            _ => found.push(path.to_owned()),
        }
        return;
    };
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, sign) in members.char_indices() {
        let is_end = sign == '}' && depth == 0;
        if is_end || (sign == ',' && depth == 0) {
            let member = members[start..at].trim();
            if !member.is_empty() {
                add_paths(member, base, found);
            }
            start = at + 1;
        }
        match sign {
            '{' => depth += 1,
            '}' if is_end => return,
            '}' => depth -= 1,
            _ => {}
        }
    }
}

#[test]
fn paths_are_found_in_braces_and_after_super() {
    let module = module_of(Path::new("gateway/fanout/branch/mod.rs"));
    assert_eq!(module, ["gateway", "fanout", "branch"]);
    for (code, expected) in [
        ("use crate::a::b;", &["a::b"][..]),
        (
            "use crate::{a, b::{self, c::D, e}};",
            &["a", "b::self", "b::c::D", "b::e"],
        ),
        (
            "use crate::gateway::{\n    worker::{Worker},\n    session,\n};",
            &["gateway::worker::Worker", "gateway::session"],
        ),
        ("use super::super::worker;", &["gateway::worker"]),
        (
            "x(super::super::super::stream::Y::<Z>::new())",
            &["stream::Y"],
        ),
        (
            "use self::calls::{a};",
            &["gateway::fanout::branch::calls::a"],
        ),
        ("pub(super) fn a() {}\n// crate::b", &[]),
        ("pub(in crate::gateway) fn a() {}", &["gateway"]),
    ] {
        let found = paths_in(&module, code);
        assert_eq!(found, expected, "{code}");
    }
}

/// The identifier at the start of `code`.
fn first_word(code: &str) -> &str {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.split(|c| !is_part(c)).next().unwrap_or_default()
}

/// The folders and files of a group in their order: each may name only those before it.
const LAYERS: &[(&str, &[&str])] = &[(
    "src/gateway",
    &[
        "store.rs",
        "routing",
        "upstream",
        "search",
        "session",
        "worker",
        "translate",
        "fanout",
    ],
)];

#[test]
fn each_folder_of_a_group_knows_only_the_folders_before_it() {
    for (group, layers) in LAYERS {
        let module = module_of(Path::new(group.trim_start_matches("src/"))).join("::");
        let mut later: BTreeSet<String> = BTreeSet::new();
        for layer in layers.iter().rev() {
            let path = format!("{group}/{layer}");
            let mut strangers = named_paths(&path);
            strangers.retain(|(_, named)| {
                let named = named.strip_prefix(&format!("{module}::"));
                named.is_some_and(|named| later.contains(first_word(named)))
            });
            assert_eq!(strangers, [], "{path}");
            later.insert(layer.trim_end_matches(".rs").to_owned());
        }
        let listed = later.iter().map(|name| OsString::from(&**name));
        let listed: BTreeSet<_> = listed.chain(["mod".into()]).collect();
        assert_eq!(listed, members(group), "{group}");
    }
}

/// The text of a file before the module with its tests.
fn before_tests(text: &str) -> &str {
    let starts = ["mod tests {", "pub(crate) mod tests {"];
    let is_start = |(at, start): (usize, &str)| {
        starts
            .iter()
            .any(|it| text[at + start.len()..].starts_with(it))
    };
    let start = text
        .match_indices("#[cfg(test)]\n")
        .find(|it| is_start(*it));
    &text[..start.map_or(text.len(), |(at, _)| at)]
}

#[test]
fn the_lints_that_keep_panics_out_are_on() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    for lint in [
        "unwrap_used",
        "expect_used",
        "panic",
        "unreachable",
        "indexing_slicing",
        "string_slice",
        "arithmetic_side_effects",
        "as_conversions",
    ] {
        assert!(lib.contains(&format!("clippy::{lint},")), "{lint}");
    }
    let allowed = lines_with("src", &["allow(clippy::", "expect(clippy::"]);
    assert_eq!(allowed, [""; 0], "a lint is switched off");
}

/// The crates that the .wasm links, without procedural macros, which run at build time only.
const LINKED: &[&str] = &[
    "aead",
    "allocator-api2",
    "base64",
    "block-buffer",
    "bytes",
    "cfg-if",
    "chacha20",
    "chacha20poly1305",
    "cipher",
    "cmov",
    "crypto-common",
    "ctutils",
    "digest",
    "equivalent",
    "foldhash",
    "hashbrown",
    "hmac",
    "hybrid-array",
    "inout",
    "itoa",
    "log",
    "mcp-gateway",
    "memchr",
    "poly1305",
    "prost",
    "prost-types",
    "proxy-wasm",
    "serde",
    "serde_core",
    "serde_json",
    "sha2",
    "simdutf8",
    "typenum",
    "universal-hash",
    "zmij",
];

#[test]
fn the_wasm_links_what_is_listed_and_nothing_else() {
    let arguments = [
        "tree",
        "--locked",
        "--target",
        "wasm32-wasip1",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo tree");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).expect("text");
    let mut linked: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    linked.sort_unstable();
    linked.dedup();
    assert_eq!(linked, LINKED);
}

#[test]
fn files_hold_one_idea_each() {
    let long: Vec<_> = sources("src")
        .into_iter()
        .map(|(path, text)| (path, before_tests(&text).lines().count()))
        .filter(|(path, lines)| *lines > 400 && !path.ends_with("tests.rs"))
        .collect();
    assert_eq!(long, [], "over 400 lines without tests");
}

#[test]
fn no_function_is_longer_than_100_lines() {
    let mut long = Vec::new();
    for (path, text) in sources("src") {
        for (name, lines) in functions(before_tests(&text)) {
            if lines > 100 && !path.ends_with("tests.rs") {
                let file = path.strip_prefix(root()).expect("a path below the root");
                long.push(format!("{}: {name}", file.display()));
            }
        }
    }
    long.sort_unstable();
    assert_eq!(long, LONG);
}

/// Functions that are too long and must be split.
const LONG: &[&str] = &[];

/// The functions in `code`, which rustfmt has formatted, and their numbers of lines: up to the
/// first closing brace with the indentation of the `fn`.
fn functions(code: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let declaration = line.trim_start();
        let before = declaration.split("fn ").next().unwrap_or_default();
        let is_function = before.split_whitespace().all(|word| {
            let is_visibility = word.starts_with("pub") || word.ends_with(')');
            is_visibility || ["async", "const", "extern", "\"C\"", "unsafe"].contains(&word)
        });
        let Some((_, rest)) = declaration.split_once("fn ").filter(|_| is_function) else {
            continue;
        };
        let indentation = line.len() - declaration.len();
        let end = format!("{}}}", " ".repeat(indentation));
        let is_end = |line: &&str| **line == end || line.ends_with(';') || line.ends_with("{}");
        // A declaration without a body ends in its own line or a line with `;`.
        let after = &lines[start..];
        let has_body = after
            .iter()
            .take_while(|line| !is_end(line))
            .any(|line| line.ends_with('{'));
        if has_body {
            let length = after.iter().position(|line| *line == end);
            let length = length.unwrap_or_else(|| panic!("{line}: no end"));
            found.push((first_word(rest), length + 1));
        }
    }
    found
}

#[test]
fn functions_are_counted_to_their_ends() {
    let code = "fn a() {\n    b();\n}\n\nimpl X {\n    pub(super) fn c(\n        d: u8,\n    ) -> u8 {\n        if d {\n        }\n    }\n    fn e() {}\n}\n";
    assert_eq!(functions(code), [("a", 3), ("c", 6)]);
}

/// The types with more than 30 methods, or with methods in more than 3 files, and these two
/// numbers. No number may grow, and no type may join them.
const LARGE: &[(&str, usize, usize)] = &[("Branch", 48, 5), ("Translation", 33, 3)];

#[test]
fn no_type_has_more_than_30_methods_or_methods_in_more_than_3_files() {
    let mut types: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (path, text) in sources("src") {
        if path.ends_with("tests.rs") {
            continue;
        }
        let mut in_file: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, methods) in methods(before_tests(&text)) {
            *in_file.entry(name).or_default() += methods;
        }
        for (name, methods) in in_file {
            let (all, files) = types.entry(name.to_owned()).or_default();
            *all += methods;
            *files += 1;
        }
    }
    let large = types
        .iter()
        .filter(|(_, (methods, files))| *methods > 30 || *files > 3)
        .map(|(name, (methods, files))| (&**name, *methods, *files));
    assert_eq!(large.collect::<Vec<_>>(), LARGE);
}

/// The types with `impl` blocks of their own in `code`, which rustfmt has formatted, and how many
/// methods each block has. Implementations of traits do not count.
fn methods(code: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = line.strip_prefix("impl").and_then(implemented_type) else {
            continue;
        };
        let block = lines[start..].iter().take_while(|line| **line != "}");
        let block: Vec<&str> = block.copied().collect();
        let header = block.iter().position(|line| line.ends_with('{'));
        let (header, body) = block.split_at(header.map_or(block.len(), |at| at + 1));
        if !header.iter().any(|line| line.contains(" for ")) {
            found.push((name, functions(&body.join("\n")).len()));
        }
    }
    found
}

/// The type that is named after `impl`, where its parameters are skipped.
fn implemented_type(code: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let after = code.char_indices().find(|(_, sign)| {
        match sign {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let rest = code[after?.0..].trim_start_matches('>');
    rest.strip_prefix(' ').map(first_word)
}

#[test]
fn methods_are_counted_for_their_type() {
    let code = "impl A {\n    fn b() {\n    }\n    pub fn c() {\n    }\n}\n\nimpl<'a, T: X<Y>> B<'a, T>\nwhere\n    T: X,\n{\n    fn d() {\n    }\n}\n\nimpl X for C {\n    fn e() {\n    }\n}\n";
    assert_eq!(methods(code), [("A", 2), ("B", 1)]);
}

#[test]
fn no_type_name_is_there_twice() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in sources("src") {
        for line in text.lines() {
            if let Some(name) = declared_type(line) {
                let places = places.entry(name.to_owned()).or_default();
                places.push(path.display().to_string());
            }
        }
    }
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}

/// The name of the type that `line` declares; `None` for an associated type, which is indented.
fn declared_type(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let code = match code.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ")?.1,
        None => code.strip_prefix("pub ").unwrap_or(code),
    };
    let (keyword, rest) = code.split_once(' ')?;
    let is_type = match keyword {
        "struct" | "enum" | "trait" | "union" => true,
        "type" => line == code || line.starts_with("pub"),
        _ => false,
    };
    is_type.then(|| first_word(rest))
}

#[test]
fn types_are_found_with_any_visibility() {
    for (line, expected) in [
        ("struct A;", Some("A")),
        ("    pub(in crate::x) enum B<'a> {", Some("B")),
        ("pub trait C {", Some("C")),
        ("pub type D = u8;", Some("D")),
        ("    type E = u8;", None),
        ("/// struct F", None),
        ("pub fn g() {}", None),
    ] {
        assert_eq!(declared_type(line), expected, "{line}");
    }
}

/// Types outside `src/config` with texts and a `Debug` output that shows them. The texts are of the
/// configuration, or hashes.
const SHOWN_TEXTS: &[&str] = &[
    "Chosen",
    "Cors",
    "Decision",
    "Expression",
    "Glob",
    "LoggedCollisions",
    "MethodRule",
    "Metrics",
    "Origin",
    "Paths",
    "PinVerdicts",
    "PageKey",
    "ProtectedResource",
    "RequiredScopes",
    "ResourceIdentifier",
    "Rules",
    "ScopesSource",
    "ServerMark",
];

/// The words of fields in which the program keeps values of the user: values of a file, variables
/// of servers, keys, messages.
const USER_VALUES: &[&str] = &[
    "Node",
    "RawObject",
    "Value",
    "WireMessage",
    "answers",
    "body",
    "env",
    "password",
    "secret",
    "session",
    "token",
    "value",
];

#[test]
fn no_debug_output_shows_a_header_a_body_a_key_or_a_session() {
    let mut shown = Vec::new();
    for (path, text) in sources("src") {
        let file = path.strip_prefix(root()).expect("a path below the root");
        // The configuration has `Secret` and `SessionKey` for what is secret. The objects of the
        // controller have no secrets, and `kube` needs their `Debug`.
        let is_exempt = file.starts_with("src/config")
            || file.starts_with("src/bin/mcp-gateway/controller/kinds");
        if is_exempt || path.ends_with("tests.rs") {
            continue;
        }
        let is_program = file.starts_with("src/bin");
        for (name, fields) in types_with_debug(before_tests(&text)) {
            let is_shown = match is_program {
                true => words(&fields).any(|word| USER_VALUES.contains(&word)),
                false => holds_text(&fields) && !SHOWN_TEXTS.contains(&name),
            };
            if is_shown {
                shown.push(format!("{}: {name}", file.display()));
            }
        }
    }
    shown.sort_unstable();
    assert_eq!(
        shown, [""; 0],
        "derive Debug for tests only: cfg_attr(test, derive(Debug))"
    );
}

/// The words of `code`, which are identifiers or keywords.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Whether the fields of a type have texts or bytes that are not constants.
fn holds_text(fields: &str) -> bool {
    let fields = fields.replace("&'static str", "");
    let is_text = |word| ["String", "str", "u8"].contains(&word);
    // A number is no text: `u8` counts in a list of bytes only.
    let bytes = ["u8]", "u8;", "<u8>"];
    words(&fields).any(|word| is_text(word) && word != "u8")
        || bytes.iter().any(|part| fields.contains(part))
}

/// The types in `code` that derive `Debug` outside tests, with the text of their fields.
fn types_with_debug(code: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    for derive in code.split("#[derive(").skip(1) {
        let Some((traits, rest)) = derive.split_once(")]") else {
            continue;
        };
        if !words(traits).any(|word| word == "Debug") {
            continue;
        }
        let declaration = rest.lines().position(|line| declared_type(line).is_some());
        let declaration = declaration.expect("a type after #[derive]");
        let mut lines = rest.lines().skip(declaration);
        let first = lines.next().unwrap_or_default();
        let mut fields = vec![first];
        if !first.ends_with(';') && !first.ends_with('}') {
            let is_end = |line: &&str| ["}", ");"].contains(line);
            fields.extend(lines.take_while(|line| !is_end(line)));
        }
        let is_field = |line: &str| !line.starts_with("//") && !line.starts_with("#[");
        fields.retain(|line| is_field(line.trim_start()));
        found.push((declared_type(first).expect("a type"), fields.join("\n")));
    }
    found
}

#[test]
fn texts_are_found_in_types_with_debug() {
    for (code, expected) in [
        ("#[derive(Debug)]\nstruct A(String);\n", true),
        (
            "#[derive(\n    Clone,\n    Debug,\n)]\nenum A {\n    B(u8),\n    C { d: Vec<u8> },\n}\n",
            true,
        ),
        (
            "#[derive(Debug)]\n#[x]\npub(super) struct A<'a>(\n    &'a str,\n);\n",
            true,
        ),
        (
            "#[derive(Debug)]\nstruct A {\n    /// A String.\n    b: &'static str,\n}\nfn c() -> String {}\n",
            false,
        ),
    ] {
        let types = types_with_debug(code);
        assert_eq!(types.len(), 1, "{code}");
        assert_eq!(types[0].0, "A");
        assert_eq!(holds_text(&types[0].1), expected, "{code}");
    }
    for code in [
        "#[derive(Clone)]\nstruct A(String);\n",
        "#[cfg_attr(test, derive(Debug))]\nstruct A(String);\n",
    ] {
        assert_eq!(types_with_debug(code), []);
    }
}

/// The paths of all pages: at the root, and in the book.
fn pages() -> Vec<PathBuf> {
    let at_the_root = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE",
    ];
    let mut pages: Vec<PathBuf> = at_the_root.iter().map(|page| root().join(page)).collect();
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

#[test]
fn every_page_is_there_and_names_no_machine() {
    let home = std::env::var("HOME").unwrap_or_default();
    let pages = pages();
    assert!(pages.len() > 20, "{} pages", pages.len());
    for page in pages {
        let text =
            fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        assert!(!text.trim().is_empty(), "{} is empty", page.display());
        for path in [env!("CARGO_MANIFEST_DIR"), &home] {
            assert!(
                path.len() < 2 || !text.contains(path),
                "{} names {path}",
                page.display()
            );
        }
    }
}

#[test]
fn readme_is_a_first_page_and_no_reference() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let lines = readme.lines().count();
    assert!(lines < 150, "{lines} lines: what is more belongs in docs/");
}
