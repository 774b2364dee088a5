//! Each module of the library names only the modules below it. Inside `src/gateway`, each folder
//! names only the folders before it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::paths::{module_of, named_paths};
use crate::source::{first_word, lines_with, root};

/// The modules of the library, each with the other modules that it may name.
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
    // The edge may name all modules, and the program is not in the library.
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

/// The folders and files inside a module, in their order. Each may name only those before it.
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
