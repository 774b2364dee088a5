//! Variables in the values of client files: `${VARIABLE}`, `${VARIABLE:-default}`,
//! `${env:VARIABLE}` (Cursor) and `${input:id}` (VS Code).

use crate::environment;
use crate::problem::Problem;
use crate::tree::Node;

/// What becomes of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placeholders {
    /// They are replaced by their values: Envoy runs here.
    Resolve,
    /// Envoy runs elsewhere, and gets their values there.
    Keep,
}

/// A piece of a value.
enum Piece<'t> {
    Text(&'t str),
    Variable {
        name: String,
        default: Option<&'t str>,
    },
}

/// The text of `node` with the values of its variables.
///
/// # Errors
/// It is not a text, or a variable is not set.
pub(crate) fn resolve(node: &Node, placeholders: Placeholders) -> Result<String, Problem> {
    let text = text(node)?;
    let mut resolved = String::new();
    for piece in pieces(&text) {
        match piece {
            Piece::Text(text) => resolved.push_str(text),
            Piece::Variable { name, default } => {
                let value = environment::value(&name).or_else(|| default.map(str::to_owned));
                match (value, placeholders) {
                    (Some(value), _) => resolved.push_str(&value),
                    // The shape of the value can be checked all the same.
                    (None, Placeholders::Keep) => resolved.push_str(&name.to_ascii_lowercase()),
                    (None, Placeholders::Resolve) => {
                        let reason = format!("the environment variable {name} is not set");
                        let fix = format!("export {name}=\"the value\"");
                        return Err(Problem::new(node.line, &node.path, reason).fix(fix));
                    }
                }
            }
        }
    }
    Ok(resolved)
}

/// The variables of `node` that are not set and have no default: warnings, since its
/// value is only checked here.
pub(crate) fn unset(node: &Node) -> Vec<Problem> {
    let Ok(text) = text(node) else {
        return Vec::new();
    };
    let unset = pieces(&text).into_iter().filter_map(|piece| match piece {
        Piece::Variable {
            name,
            default: None,
        } if environment::value(&name).is_none() => Some(name),
        _ => None,
    });
    let problem = |name: String| {
        let reason = format!("the environment variable {name} is not set here");
        Problem::new(node.line, &node.path, reason)
    };
    unset.map(problem).collect()
}

/// The environment variable that holds the whole value `node`, if it is to come from
/// one; and what the user has to know of it.
pub(crate) fn variable_for(
    node: &Node,
    placeholders: Placeholders,
) -> Option<(String, Option<Problem>)> {
    let text = text(node).ok()?;
    let pieces = pieces(&text);
    if let [
        Piece::Variable {
            name,
            default: None,
        },
    ] = pieces.as_slice()
    {
        return Some((name.clone(), None));
    }
    let has_variable = pieces.iter().any(|it| matches!(it, Piece::Variable { .. }));
    if !has_variable || placeholders == Placeholders::Resolve {
        return None;
    }
    let own = node.path.split_once('.').map_or("", |(_, rest)| rest);
    let upper = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let name: String = own.chars().map(upper).collect();
    let reason = format!("comes from the environment variable {name}");
    let note = Problem::new(node.line, &node.path, reason)
        .fix(format!("export {name}=\"{text}\", where Envoy runs"));
    Some((name, Some(note)))
}

fn text(node: &Node) -> Result<String, Problem> {
    let text = node.text(&[]).map(str::to_owned);
    text.ok_or_else(|| Problem::new(node.line, &node.path, "must be a string"))
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inner, after)) = after.split_once('}') else {
            break;
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(variable(inner));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

fn variable(inner: &str) -> Piece<'_> {
    if let Some(id) = inner.strip_prefix("input:") {
        let name = id
            .to_ascii_uppercase()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        return Piece::Variable {
            name,
            default: None,
        };
    }
    let inner = inner.strip_prefix("env:").unwrap_or(inner);
    match inner.split_once(":-") {
        Some((name, default)) => Piece::Variable {
            name: name.to_owned(),
            default: Some(default),
        },
        None => Piece::Variable {
            name: inner.to_owned(),
            default: None,
        },
    }
}
