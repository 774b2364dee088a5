//! Finds the modules that code names.

use std::path::Path;

use crate::source::{before_tests, first_word, root, sources};

/// The paths that code below `folder` names, outside tests. Before each path stands the file that
/// names it. A path starts at the root of the crate, also where the code writes `super::` or
/// `self::`. Each member of braces is a path of its own.
pub(crate) fn named_paths(folder: &str) -> Vec<(String, String)> {
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

/// The names of the modules from the root of the crate to the module in `file`. `file` is a path
/// below `src`.
pub(crate) fn module_of(file: &Path) -> Vec<String> {
    let file = file.with_extension("");
    let names = file.iter().map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name != "mod").collect()
}

/// The paths that `code` of `module` names, from the root of the crate.
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

/// Adds the path at the start of `code` to `found`. `base` is the part of the path before `code`. If
/// `code` has braces, the function adds a path for each member.
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
