//! Makes shell completions and man pages from the program's options.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;

const PROGRAM: &str = "mcp-gateway";
/// The program's name in the script for Bash. With a dash in the name, the script of clap_complete
/// 4.6 spells its functions in two ways and completes no options.
const PROGRAM_IN_BASH: &str = "mcp_gateway";

/// The script that completes the program's commands and options in `shell`.
pub(crate) fn script(mut program: Command, shell: Shell) -> String {
    let mut script = Vec::new();
    let name = match shell {
        Shell::Bash => PROGRAM_IN_BASH,
        _ => PROGRAM,
    };
    clap_complete::generate(shell, &mut program, name, &mut script);
    String::from_utf8_lossy(&script).replace(
        &format!("default {PROGRAM_IN_BASH}\n"),
        &format!("default {PROGRAM}\n"),
    )
}

/// Writes a man page for the program, and one for each of its commands.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn man_pages(program: Command, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    clap_mangen::generate_to(program, directory)
}
