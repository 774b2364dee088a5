//! `migrate`: turns the files of an older MCP gateway into files for this one, and reports what
//! does not carry over.

mod gateway;
mod input;
mod objects;
mod report;
mod server;
mod servers_file;

use std::path::PathBuf;

use self::input::MigrationInput;
use self::report::MigrationReport;
use crate::ExitError;
use crate::authentication::AuthenticationArguments;
use crate::output::eprintln;

#[derive(clap::Args)]
pub(crate) struct MigrateArguments {
    /// The `servers:` file of the older gateway, or files with its Kubernetes objects; a
    /// folder stands for the .yaml, .yml and .json files in it, - for stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The folder for the files, or - for stdout
    #[arg(short, long, value_name = "DIR", default_value = "-")]
    output: PathBuf,
    /// Each server gets the credential that the older gateway has for it, with every call of
    /// every client. Without this option the credential is left out
    #[arg(long)]
    share_credentials: bool,
    /// The Gateway of the migrated MCPGateway. If it is not the Gateway of the older gateway,
    /// both can serve
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = gateway::reference)]
    gateway: Option<GatewayName>,
    /// The listener of that Gateway, if it has several
    #[arg(long, value_name = "NAME", requires = "gateway")]
    listener: Option<String>,
    #[command(flatten)]
    authentication: AuthenticationArguments,
}

/// A Gateway of Kubernetes.
#[derive(Debug, Clone)]
struct GatewayName {
    namespace: String,
    name: String,
}

/// The result of a migration.
struct Migration {
    /// The files to write, with their names.
    files: Vec<(&'static str, String)>,
    report: MigrationReport,
}

impl MigrateArguments {
    /// Writes the migrated files, and reports on stderr what carries over.
    ///
    /// # Errors
    /// A file cannot be read, or has errors.
    pub(crate) fn run(&self) -> Result<(), ExitError> {
        let migration = match input::read(&self.files)? {
            MigrationInput::ServersFile(file) => {
                self.refuse_options_of_objects()?;
                servers_file::migrate(file, self.share_credentials)?
            }
            MigrationInput::Objects(source) => objects::migrate(&source, self)?,
        };
        if self.output.as_os_str() == "-" {
            let texts: Vec<&str> = migration.files.iter().map(|(_, text)| &**text).collect();
            crate::print(&texts.join("---\n"))?;
        } else {
            crate::write(&self.output, &migration.files)?;
        }
        eprintln!("{}", migration.report);
        Ok(())
    }

    fn refuse_options_of_objects(&self) -> Result<(), ExitError> {
        if self.gateway.is_some() || self.authentication.is_given() {
            let reason = "--gateway, --anonymous and --jwt-… are for Kubernetes objects, and this is a `servers:` file";
            return Err(ExitError::Other(reason.to_owned()));
        }
        Ok(())
    }
}
