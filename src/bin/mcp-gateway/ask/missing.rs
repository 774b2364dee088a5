//! Says which servers of a file are missing in an answer, since they are down.

use mcp_gateway::config::Server;
use mcp_gateway::mcp::list::ListKind;
use serde_json::Value;

use super::Question;
use crate::output::eprintln;
use crate::run::QuietGateway;

/// Says to stderr which servers of `gateway` are down that `question` is about. `answer` is
/// what there is of it: servers that it is from are up.
pub(super) fn tell(gateway: &QuietGateway, question: &Question, answer: Option<&Value>) {
    for reason in gateway.reasons(|server| is_missing(server, question, answer)) {
        eprintln!("mcp-gateway: {reason}");
    }
}

/// Whether `server` should have a part in the answer and may have none.
fn is_missing(server: &Server, question: &Question, answer: Option<&Value>) -> bool {
    let (kind, name) = match (question, answer) {
        (Question::List(kind), answer) => {
            return !is_in_list(server, *kind, answer.unwrap_or(&Value::Null));
        }
        (Question::Resources, answer) => {
            let list = |member| answer.and_then(|it| it.get(member)).unwrap_or(&Value::Null);
            return !is_in_list(server, ListKind::Resources, list("resources"))
                && !is_in_list(server, ListKind::Templates, list("resourceTemplates"));
        }
        // The server has answered.
        (_, Some(_)) => return false,
        (Question::Read(uri), None) => (ListKind::Resources, uri),
        (Question::Call { name, .. }, None) => (ListKind::Tools, name),
        (Question::Prompt { name, .. }, None) => (ListKind::Prompts, name),
    };
    name.starts_with(&*prefix(server, kind))
}

fn is_in_list(server: &Server, kind: ListKind, list: &Value) -> bool {
    let prefix = prefix(server, kind);
    let names = list.as_array().into_iter().flatten();
    let mut names = names.filter_map(|entry| entry.get(kind.key())?.as_str());
    // Without a prefix, nobody knows whose a name is.
    !prefix.is_empty() && names.any(|name| name.starts_with(&*prefix))
}

/// What names of this server's entries begin with.
fn prefix(server: &Server, kind: ListKind) -> String {
    match kind {
        ListKind::Tools | ListKind::Prompts => server.tool_prefix.clone(),
        ListKind::Resources | ListKind::Templates => format!("{}+", server.name),
    }
}
