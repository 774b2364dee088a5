//! The completions for shells and the manual pages that the program writes.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::process::run;
use crate::program::{folder, says};

const ENDED_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn bash_completes_commands_and_options() {
    let script = says(&["completions", "bash"]).stdout;
    // Calls the completion function as bash does when the user presses Tab after these
    // words.
    let complete = |words: &str| {
        let ask = format!(
            "{script}
            function=$(complete -p mcp-gateway | sed 's/.*-F \\([^ ]*\\).*/\\1/')
            COMP_WORDS=({words}) COMP_CWORD=$(({} - 1))
            $function mcp-gateway \"${{COMP_WORDS[COMP_CWORD]}}\" ''
            echo \"${{COMPREPLY[@]}}\"",
            words.split(' ').count()
        );
        let mut bash = Command::new("bash");
        let output = run(bash.args(["-c", &ask]).stdin(Stdio::null()), ENDED_WITHIN);
        output.stdout.trim().to_owned()
    };
    assert_eq!(complete("mcp-gateway che"), "check");
    assert_eq!(complete("mcp-gateway run --add"), "--address");
    assert_eq!(complete("mcp-gateway run --nothing"), "");
}

#[test]
fn other_shells_have_their_scripts() {
    for (shell, line) in [
        ("zsh", "#compdef mcp-gateway"),
        ("fish", "complete -c mcp-gateway"),
    ] {
        let output = says(&["completions", shell]);
        assert!(output.success && output.stdout.contains(line), "{shell}");
    }
    let output = says(&["completions", "cmd"]);
    assert!(
        output.stderr.contains("possible values: bash"),
        "{}",
        output.stderr
    );
}

#[test]
fn there_is_a_man_page_for_each_command() {
    let folder = folder();
    let output = says(&["man", folder.to_str().expect("UTF-8")]);
    assert!(output.success, "{}", output.stderr);
    let page = |name: &str| fs::read_to_string(folder.join(name)).expect(name);
    assert!(page("mcp-gateway.1").contains("mcp\\-gateway\\-run(1)"));
    let run = page("mcp-gateway-run.1");
    for part in [
        ".TH mcp-gateway-run 1",
        ".SH NAME",
        ".SH OPTIONS",
        "\\-\\-envoy",
    ] {
        assert!(run.contains(part), "no {part:?} in {run}");
    }
}
