//! Variables in the values of a file: `${VARIABLE}`, `${VARIABLE:-default}`,
//! `${env:VARIABLE}` (Cursor), `$VARIABLE` (Gemini CLI), `${input:id}` and
//! `${workspaceFolder}` (VS Code).

use std::env;
use std::path::Path;

use serde_json::Value;

use crate::problem::{Findings, Problem};
use crate::syntax::tree::{Node, NodeKind};
use crate::variables::environment;
use crate::variables::inputs::Inputs;
use crate::variables::url;

/// What happens to variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placeholders {
    /// They are replaced with their values, since Envoy runs on this machine.
    Resolve,
    /// They stay variables, since Envoy runs on another machine and gets their values there.
    Keep,
    /// They stay variables, since nothing is run or written. The user wants to know what `run`
    /// would say.
    Check,
}

/// A piece of a value.
#[derive(PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    /// A variable of the environment.
    Variable {
        name: &'t str,
        default: Option<&'t str>,
    },
    /// A question to the user, with this id.
    Input(&'t str),
    /// A value that the editor knows, such as `workspaceFolder`.
    Editor(&'t str),
}

/// The value of a header.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum HeaderValue {
    Text(String),
    /// The name of the environment variable of Envoy with the value.
    Variable(String),
}

/// The values of the variables in one file.
pub(crate) struct Variables<'a> {
    pub(crate) placeholders: Placeholders,
    /// `${workspaceFolder}`.
    pub(crate) workspace: &'a Path,
    pub(crate) inputs: &'a Inputs,
}

impl<'a> Variables<'a> {
    /// The same, for values that nobody uses.
    pub(crate) fn unused(&self) -> Variables<'a> {
        Variables {
            placeholders: Placeholders::Check,
            ..*self
        }
    }

    /// The URL `node` with the values of its variables. If it is `None`, `findings` has an error: the
    /// value is not a text, or a variable has no value. If nothing is run or written, such a variable
    /// is only a warning, and the URL has a word in its place, with which it is still a URL.
    pub(crate) fn url(&self, node: &Node, findings: &mut Findings) -> Option<String> {
        let text = text(node, findings)?;
        let pieces = pieces(text, Dollar::WithoutBraces);
        self.joined(node, &pieces, findings, url::stand_in)
    }

    /// The same for a part of a command, where `$VARIABLE` without braces is left to the program.
    /// If nothing is started, environment variables stay variables, so that no secret is shown.
    pub(crate) fn word(&self, node: &Node, findings: &mut Findings) -> Option<String> {
        self.of_process(node, Dollar::WithBraces, findings)
    }

    /// The same for a variable in the environment of a process.
    pub(crate) fn of_environment(&self, node: &Node, findings: &mut Findings) -> Option<String> {
        self.of_process(node, Dollar::WithoutBraces, findings)
    }

    fn of_process(&self, node: &Node, dollar: Dollar, findings: &mut Findings) -> Option<String> {
        let text = text(node, findings)?;
        let mut found = Findings::default();
        let resolved = match self.placeholders {
            Placeholders::Keep => {
                let value = self
                    .unused()
                    .resolved(node, &pieces(text, dollar), &mut found);
                // The user starts the process, where its variables are set.
                found.warnings.clear();
                value
            }
            _ => self.resolved(node, &pieces(text, dollar), &mut found),
        };
        findings.errors.append(&mut found.errors);
        findings.warnings.append(&mut found.warnings);
        let in_shell = || {
            pieces(text, dollar)
                .iter()
                .map(|it| self.in_shell(it))
                .collect()
        };
        match self.placeholders {
            Placeholders::Resolve => resolved,
            Placeholders::Keep | Placeholders::Check => resolved.map(|_| in_shell()),
        }
    }

    /// `piece` in the syntax of a shell.
    fn in_shell(&self, piece: &Piece<'_>) -> String {
        match piece {
            Piece::Variable {
                name,
                default: Some(default),
            } => format!("${{{name}:-{default}}}"),
            Piece::Variable { name, .. } => format!("${{{name}}}"),
            Piece::Input(id) => format!("${{{}}}", variable_of(id)),
            Piece::Editor(name) => self.of_editor(name).unwrap_or_default(),
            Piece::Text(text) => (*text).to_owned(),
        }
    }

    /// The value `node` of a header. If Envoy runs on another machine and the value has a variable
    /// in it, the whole value becomes a variable, so that no secret is written.
    pub(crate) fn header(&self, node: &Node, findings: &mut Findings) -> Option<HeaderValue> {
        let text = text(node, findings)?;
        let pieces = pieces(text, Dollar::WithoutBraces);
        let whole = match pieces.as_slice() {
            [
                Piece::Variable {
                    name,
                    default: None,
                },
            ] => Some((*name).to_owned()),
            [Piece::Input(id)] => Some(variable_of(id)),
            _ => None,
        };
        let is_secret = |it: &Piece<'_>| matches!(it, Piece::Variable { .. } | Piece::Input(_));
        match (whole, self.placeholders) {
            (Some(name), Placeholders::Keep) => Some(HeaderValue::Variable(name)),
            (Some(name), _) if environment::value(&name).is_some() => {
                Some(HeaderValue::Variable(name))
            }
            (None, Placeholders::Keep) if pieces.iter().any(is_secret) => {
                let name = variable_of(node.path.split_once('.').map_or("", |(_, it)| it));
                let reason =
                    format!("comes from the environment variable {name} in what `render` writes");
                let note = Problem::new(node.line, &node.path, reason);
                let value: String = pieces.iter().map(|it| self.in_shell(it)).collect();
                let note = note.fix(format!("export {name}=\"{value}\", where Envoy runs"));
                findings.warnings.push(note);
                Some(HeaderValue::Variable(name))
            }
            _ => self
                .resolved(node, &pieces, findings)
                .map(HeaderValue::Text),
        }
    }

    fn resolved(
        &self,
        node: &Node,
        pieces: &[Piece<'_>],
        findings: &mut Findings,
    ) -> Option<String> {
        self.joined(node, pieces, findings, |_, word, _| word)
    }

    /// The values of `pieces`. `stand_in` gives the text for a piece without a value, from what is
    /// before it, a word for it, and the text after it.
    fn joined(
        &self,
        node: &Node,
        pieces: &[Piece<'_>],
        findings: &mut Findings,
        stand_in: fn(&str, String, &str) -> String,
    ) -> Option<String> {
        let mut joined = Some(String::new());
        let mut rest = pieces;
        while let [piece, after @ ..] = rest {
            rest = after;
            let part = match (self.value(piece), &joined) {
                (Ok(value), _) => Some(value),
                (Err(missing), before) => {
                    let word = missing.tell(node, self.placeholders, findings);
                    let before = before.as_deref().unwrap_or_default();
                    let after = match after {
                        [Piece::Text(text), ..] => text,
                        _ => "",
                    };
                    word.map(|word| stand_in(before, word, after))
                }
            };
            joined = joined.zip(part).map(|(text, part)| text + &part);
        }
        joined
    }

    /// The value of `piece`, or the reason why it has none.
    fn value(&self, piece: &Piece<'_>) -> Result<String, Missing> {
        match piece {
            Piece::Text(text) => Ok((*text).to_owned()),
            Piece::Variable { name, default } => environment::value(name)
                .or_else(|| default.map(str::to_owned))
                .ok_or_else(|| Missing::Variable((*name).to_owned())),
            Piece::Input(id) => {
                let asked = || match self.placeholders {
                    Placeholders::Resolve => self.inputs.answer(id),
                    Placeholders::Keep | Placeholders::Check => None,
                };
                let name = variable_of(id);
                let value = environment::value(&name).or_else(asked);
                value.ok_or_else(|| Missing::Input {
                    id: (*id).to_owned(),
                    name,
                })
            }
            Piece::Editor(name) => self
                .of_editor(name)
                .ok_or_else(|| Missing::Editor((*name).to_owned())),
        }
    }

    fn of_editor(&self, name: &str) -> Option<String> {
        let last = self.workspace.file_name();
        Some(match name {
            "workspaceFolder" | "workspaceRoot" => self.workspace.display().to_string(),
            "workspaceFolderBasename" => last?.to_string_lossy().into_owned(),
            "userHome" => env::home_dir()?.display().to_string(),
            "pathSeparator" | "/" => std::path::MAIN_SEPARATOR.to_string(),
            _ => return None,
        })
    }
}

/// Why a piece has no value.
enum Missing {
    Variable(String),
    /// There is no terminal to ask on, and the variable `name` is not set.
    Input {
        id: String,
        name: String,
    },
    Editor(String),
}

impl Missing {
    /// Reports it. If nothing is run or written, a word is used in place of the missing value, so that
    /// the form of the whole value can still be checked.
    fn tell(
        self,
        node: &Node,
        placeholders: Placeholders,
        findings: &mut Findings,
    ) -> Option<String> {
        let at = |reason: String| Problem::new(node.line, &node.path, reason);
        let (name, id) = match self {
            Self::Variable(name) => (name, None),
            Self::Input { id, name } => (name, Some(id)),
            Self::Editor(name) => {
                let reason =
                    format!("${{{name}}} has a value only in an editor: write the value itself");
                findings.errors.push(at(reason));
                return None;
            }
        };
        let fix = format!("export {name}=\"the value\"");
        let is_not_set = format!("the environment variable {name} is not set");
        // In place of the missing value.
        let word = name.to_ascii_lowercase();
        let effect = match (placeholders, id) {
            (Placeholders::Resolve, None) => {
                findings.errors.push(at(is_not_set).fix(fix));
                return None;
            }
            (Placeholders::Resolve, Some(id)) => {
                let reason = format!("there is no terminal to ask for {id:?}, and {is_not_set}");
                findings.errors.push(at(reason).fix(fix));
                return None;
            }
            (Placeholders::Keep, _) => {
                let reason = format!("{is_not_set} here, and `render` writes its value");
                findings.errors.push(at(reason).fix(fix));
                return None;
            }
            (Placeholders::Check, None) => "`run` does not start without it".to_owned(),
            (Placeholders::Check, Some(id)) => format!("`run` asks for {id:?} on the terminal"),
        };
        let warning = at(format!("{is_not_set} here: {effect}"));
        findings.warnings.push(warning.fix(fix));
        Some(word)
    }
}

/// The name of the environment variable for what is called `name` in a file.
fn variable_of(name: &str) -> String {
    name.to_ascii_uppercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

fn text<'n>(node: &'n Node, findings: &mut Findings) -> Option<&'n str> {
    let text = node.text(&[]);
    if text.is_none() {
        let mut problem = Problem::new(node.line, &node.path, "must be a string");
        if let NodeKind::Scalar(Value::Number(_) | Value::Bool(_)) = &node.kind {
            problem.fix = Some(format!("\"{}\"", node.value()));
        }
        findings.errors.push(problem);
    }
    text
}

/// Which dollar signs start a variable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dollar {
    /// Dollar signs before a brace.
    WithBraces,
    /// Also dollar signs before the name of a variable in upper case.
    WithoutBraces,
}

fn pieces(text: &str, dollar: Dollar) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    // The position in `rest` of text that is not in a piece yet.
    let mut searched = 0;
    while let Some(found) = rest.get(searched..).and_then(|it| it.find('$')) {
        let (before, after) = rest.split_at(searched + found);
        let after = after.strip_prefix('$').unwrap_or(after);
        let braces = after.strip_prefix('{').and_then(|it| it.split_once('}'));
        let next = match braces {
            Some((inner, after)) => Some((variable(inner), after)),
            None if dollar == Dollar::WithoutBraces => bare(after),
            None => None,
        };
        let Some((piece, after)) = next else {
            searched += found + 1;
            continue;
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(piece);
        (rest, searched) = (after, 0);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// The variable at the start of `text`, whose name is in upper case, and the rest of `text`.
fn bare(text: &str) -> Option<(Piece<'_>, &str)> {
    let is_of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let end = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let starts = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_');
    let default = None;
    (starts && end > 1).then_some((Piece::Variable { name, default }, rest))
}

fn variable(inner: &str) -> Piece<'_> {
    if let Some(id) = inner.strip_prefix("input:") {
        return Piece::Input(id);
    }
    let name = inner.strip_prefix("env:").unwrap_or(inner);
    let (name, default) = match name.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (name, None),
    };
    let is_of_editor = [
        "workspaceFolder",
        "workspaceRoot",
        "workspaceFolderBasename",
        "userHome",
        "pathSeparator",
        "/",
    ];
    let is_variable = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if is_of_editor.contains(&inner) || name.is_empty() || !name.chars().all(is_variable) {
        return Piece::Editor(inner);
    }
    Piece::Variable { name, default }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_gateway::http::url::Url;

    fn node(text: &str) -> Node {
        Node {
            line: 3,
            path: "mcpServers.a.headers.X-B".into(),
            kind: NodeKind::Scalar(text.into()),
        }
    }

    fn with<T>(placeholders: Placeholders, read: impl FnOnce(&Variables<'_>) -> T) -> T {
        read(&Variables {
            placeholders,
            workspace: Path::new("/home/u/project"),
            inputs: &Inputs::default(),
        })
    }

    fn said(problems: &[Problem]) -> Vec<&str> {
        problems.iter().map(|it| &*it.reason).collect()
    }

    /// PATH is set in every environment that runs tests.
    #[test]
    fn each_form_has_its_value() {
        let path = env::var("PATH").unwrap();
        let home = env::home_dir().unwrap().display().to_string();
        for (text, expected) in [
            ("plain $ text $5 ${", "plain $ text $5 ${".to_owned()),
            ("${PATH}", path.clone()),
            ("a${env:PATH}b", format!("a{path}b")),
            ("${NOT_SET_X:-d}${NOT_SET_X:-}", "d".to_owned()),
            ("Bearer $PATH!", format!("Bearer {path}!")),
            ("${workspaceFolder}/x", "/home/u/project/x".to_owned()),
            ("${workspaceFolderBasename}", "project".to_owned()),
            ("${userHome}${/}x", format!("{home}/x")),
        ] {
            let mut findings = Findings::default();
            let node = node(text);
            let value = with(Placeholders::Resolve, |it| it.url(&node, &mut findings));
            assert_eq!(value, Some(expected), "{text}");
        }
        let mut findings = Findings::default();
        let node = node("echo $PATH");
        let word = with(Placeholders::Resolve, |it| it.word(&node, &mut findings));
        assert_eq!(word.as_deref(), Some("echo $PATH"));
        let node = self::node("${workspaceFolderBasename} ${PATH} ${A:-b} ${input:c-d}");
        let word = with(Placeholders::Keep, |it| it.word(&node, &mut findings));
        let expected = "project ${PATH} ${A:-b} ${C_D}";
        assert_eq!(word.as_deref(), Some(expected));
    }

    #[test]
    fn what_has_no_value_is_an_error_and_a_warning_if_nothing_is_run_or_written() {
        let input = "there is no terminal to ask for \"api-key\", and the environment variable API_KEY is not set";
        for (text, resolve, keep, check, checked) in [
            (
                "http://x${NOT_SET_X}",
                "the environment variable NOT_SET_X is not set",
                "the environment variable NOT_SET_X is not set here, and `render` writes its value",
                "the environment variable NOT_SET_X is not set here: `run` does not start without it",
                "http://xnot_set_x",
            ),
            (
                "http://${input:api-key}",
                input,
                "the environment variable API_KEY is not set here, and `render` writes its value",
                "the environment variable API_KEY is not set here: `run` asks for \"api-key\" on the terminal",
                "http://api_key",
            ),
        ] {
            let node = node(text);
            for (placeholders, value, errors, warnings) in [
                (Placeholders::Resolve, None, vec![resolve], vec![]),
                (Placeholders::Keep, None, vec![keep], vec![]),
                (Placeholders::Check, Some(checked), vec![], vec![check]),
            ] {
                let mut findings = Findings::default();
                let read = with(placeholders, |it| it.url(&node, &mut findings));
                assert_eq!(read.as_deref(), value, "{text}");
                let told = (said(&findings.errors), said(&findings.warnings));
                assert_eq!(told, (errors, warnings), "{text}");
                let told = findings.errors.iter().chain(&findings.warnings);
                for problem in told {
                    let fix = problem.fix.as_deref().unwrap_or_default();
                    assert!(fix.ends_with("=\"the value\""), "{fix}");
                }
            }
        }
        let mut findings = Findings::default();
        let node = node("${file} ${command:x}");
        let _ = with(Placeholders::Check, |it| it.url(&node, &mut findings));
        assert_eq!(findings.errors.len(), 1, "{findings:?}");
    }

    #[test]
    fn a_url_stays_one_without_the_values_of_its_variables() {
        for (text, expected) in [
            ("${NOT_SET_X}", "http://not_set_x"),
            ("${NOT_SET_X}/mcp", "http://not_set_x/mcp"),
            ("${NOT_SET_X}://h/mcp", "http://h/mcp"),
            ("${NOT_SET_X}:${NOT_SET_Y}/mcp", "http://not_set_x:80/mcp"),
            ("http://${NOT_SET_X}:${NOT_SET_Y}", "http://not_set_x:80"),
            (
                "http://h:${NOT_SET_X}/a:${NOT_SET_Y}",
                "http://h:80/a:not_set_y",
            ),
            ("http://h:90${NOT_SET_X}", "http://h:90/not_set_x"),
            ("http://[::1]:90${NOT_SET_X}", "http://[::1]:90/not_set_x"),
            (
                "http://h${NOT_SET_X}?a=${NOT_SET_Y}",
                "http://hnot_set_x?a=not_set_y",
            ),
        ] {
            let mut findings = Findings::default();
            let node = node(text);
            let url = with(Placeholders::Check, |it| it.url(&node, &mut findings));
            assert_eq!(url.as_deref(), Some(expected), "{text}");
            assert!(Url::parse_http(expected).is_some(), "{expected}");
            assert_eq!(findings.errors, []);
        }
    }

    #[test]
    fn each_variable_of_a_header_is_told_to_a_user_who_checks() {
        for (text, expected) in [
            ("${NOT_SET_X}", &["NOT_SET_X"][..]),
            ("Bearer ${NOT_SET_X}", &["NOT_SET_X"]),
            (
                "${NOT_SET_X}:${NOT_SET_Y} ${PATH}",
                &["NOT_SET_X", "NOT_SET_Y"],
            ),
            ("${PATH}", &[]),
            ("Bearer ${NOT_SET_X:-d}", &[]),
        ] {
            let mut findings = Findings::default();
            let node = node(text);
            let _ = with(Placeholders::Check, |it| it.header(&node, &mut findings));
            let expected = expected.iter().map(|name| {
                format!("the environment variable {name} is not set here: `run` does not start without it")
            });
            assert_eq!(said(&findings.warnings), expected.collect::<Vec<_>>());
            assert_eq!(findings.errors, []);
        }
    }

    #[test]
    fn a_process_that_the_user_starts_gets_variables_as_they_are() {
        let node = node("${NOT_SET_X} $NOT_SET_X");
        for (placeholders, told) in [(Placeholders::Keep, 0), (Placeholders::Check, 1)] {
            let mut findings = Findings::default();
            let word = with(placeholders, |it| it.word(&node, &mut findings));
            assert_eq!(word.as_deref(), Some("${NOT_SET_X} $NOT_SET_X"));
            assert_eq!(findings.warnings.len(), told);
            let value = with(placeholders, |it| it.of_environment(&node, &mut findings));
            assert_eq!(value.as_deref(), Some("${NOT_SET_X} ${NOT_SET_X}"));
        }
    }

    #[test]
    fn a_shell_reads_the_fix_of_a_header() {
        let mut findings = Findings::default();
        let node = node("a ${input:k-2} ${env:B} ${C:-d}");
        let _ = with(Placeholders::Keep, |it| it.header(&node, &mut findings));
        let fixes: Vec<_> = findings.warnings.into_iter().map(|it| it.fix).collect();
        let expected = "export A_HEADERS_X_B=\"a ${K_2} ${B} ${C:-d}\", where Envoy runs";
        assert_eq!(fixes, [Some(expected.to_owned())]);
    }

    #[test]
    fn a_header_shows_no_secret_where_envoy_runs_elsewhere() {
        let path = env::var("PATH").unwrap();
        let variable = |name: &str| HeaderValue::Variable(name.to_owned());
        for (text, resolved, kept) in [
            ("${PATH}", variable("PATH"), variable("PATH")),
            (
                "Bearer ${PATH}",
                HeaderValue::Text(format!("Bearer {path}")),
                variable("A_HEADERS_X_B"),
            ),
            (
                "plain",
                HeaderValue::Text("plain".into()),
                HeaderValue::Text("plain".into()),
            ),
        ] {
            for (placeholders, expected) in [
                (Placeholders::Resolve, resolved),
                (Placeholders::Keep, kept),
            ] {
                let mut findings = Findings::default();
                let node = node(text);
                let value = with(placeholders, |it| it.header(&node, &mut findings));
                assert_eq!(value, Some(expected), "{text}");
                assert_eq!(findings.errors, []);
            }
        }
    }
}
