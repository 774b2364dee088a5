//! Reads YAML, JSON and TOML as a tree, in which each value has its line and its path.

use mcp_gateway::config::camel;
use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

use crate::syntax::json_text;
use crate::syntax::toml_text;

/// A value in a file.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Node {
    /// The line of the value, or of its name if it has one. The first line is 1.
    pub(crate) line: usize,
    /// The path from the root, such as `servers[1].toolPrefix`.
    pub(crate) path: String,
    pub(crate) kind: NodeKind,
}

#[derive(Clone)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum NodeKind {
    Scalar(Value),
    List(Vec<Node>),
    /// The members, in the order of the file.
    Object(Vec<(String, Node)>),
}

/// Why a text cannot be read.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

/// Reads the documents in `text`, which is YAML, JSON (with comments, as editors write
/// it) or TOML.
///
/// # Errors
/// `text` is none of them.
pub(crate) fn documents(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if json_text::is_json(text) {
        return json_text::read(text);
    }
    if toml_text::is_toml(text) {
        return Ok(vec![toml_text::read(text)?]);
    }
    let documents = MarkedYaml::load_from_str(text).map_err(|error| SyntaxError {
        line: error.marker().line(),
        reason: format!("not YAML: {}", error.info()),
    })?;
    let nodes = documents
        .iter()
        .map(|yaml| node(String::new(), line(yaml), yaml));
    nodes.collect()
}

/// The path of the member `name` of the object at `path`.
pub(crate) fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn line(yaml: &MarkedYaml<'_>) -> usize {
    yaml.span.start.line()
}

fn node(path: String, line_of_name: usize, yaml: &MarkedYaml<'_>) -> Result<Node, SyntaxError> {
    let refused = |reason: &str| {
        Err(SyntaxError {
            line: line(yaml),
            reason: format!("not YAML: {reason}"),
        })
    };
    let kind = match &yaml.data {
        YamlData::Value(scalar) => NodeKind::Scalar(value(scalar)),
        YamlData::Sequence(list) => {
            let items = list.iter().enumerate();
            let items = items.map(|(at, item)| node(format!("{path}[{at}]"), line(item), item));
            NodeKind::List(items.collect::<Result<_, _>>()?)
        }
        YamlData::Mapping(members) => {
            let mut object = Vec::new();
            for (name, member) in members {
                let YamlData::Value(Scalar::String(text)) = &name.data else {
                    return refused("the name of a field is not a string: put it in quotes");
                };
                let member = node(below(&path, text), line(name), member)?;
                object.push((text.to_string(), member));
            }
            NodeKind::Object(object)
        }
        YamlData::Tagged(_, inner) => return node(path, line_of_name, inner),
        _ => return refused("an alias is not supported: write the value itself"),
    };
    Ok(Node {
        line: line_of_name,
        path,
        kind,
    })
}

fn value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Bool(*value),
        Scalar::Integer(value) => Value::from(*value),
        Scalar::FloatingPoint(value) => {
            Number::from_f64(value.0).map_or(Value::Null, Value::Number)
        }
        Scalar::String(text) => Value::String(text.to_string()),
    }
}

impl Node {
    /// The member `name`, in lowerCamelCase or in snake_case in the file.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match &self.kind {
            NodeKind::Object(members) => members
                .iter()
                .find(|(key, _)| key == name || camel(key) == name)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// The member at the path `names`.
    pub(crate) fn at(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |node, name| node.get(name))
    }

    /// The text of the member at the path `names`.
    pub(crate) fn text(&self, names: &[&str]) -> Option<&str> {
        match &self.at(names)?.kind {
            NodeKind::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The items of a list; none for other values.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            NodeKind::List(items) => items,
            _ => &[],
        }
    }

    /// The value at `path`, or the last existing value before it; and how many bytes of `path` lead
    /// to that value.
    pub(crate) fn nearest(&self, path: &str) -> (&Self, usize) {
        let mut node = self;
        let mut known = 0;
        for step in steps(path) {
            let next = match index(step) {
                Some(at) => node.items().get(at),
                None => node.get(step),
            };
            let Some(next) = next else { break };
            node = next;
            let rest = path.get(known..).unwrap_or_default();
            known += step.len() + usize::from(rest.starts_with('.'));
        }
        (node, known)
    }

    /// The items of the list `name`; none if there is no such list.
    pub(crate) fn items_mut(&mut self, name: &str) -> &mut [Self] {
        let NodeKind::Object(members) = &mut self.kind else {
            return &mut [];
        };
        let list = members.iter_mut().find(|(key, _)| camel(key) == name);
        match list.map(|(_, node)| &mut node.kind) {
            Some(NodeKind::List(items)) => items,
            _ => &mut [],
        }
    }

    /// Sets the member `name` to `text`, as [`Self::set`] does.
    pub(crate) fn set_text(&mut self, name: &str, text: &str) {
        self.set(name, NodeKind::Scalar(Value::from(text)));
    }

    /// Sets the member `name` to `value`. A new member becomes the second one, after the member
    /// with the object's name.
    pub(crate) fn set(&mut self, name: &str, value: NodeKind) {
        let NodeKind::Object(members) = &mut self.kind else {
            return;
        };
        if let Some((_, node)) = members.iter_mut().find(|(key, _)| camel(key) == name) {
            node.kind = value;
            return;
        }
        let node = Self {
            line: self.line,
            path: below(&self.path, name),
            kind: value,
        };
        members.insert(members.len().min(1), (name.to_owned(), node));
    }

    /// Removes the value at `path`. Returns whether it existed.
    pub(crate) fn remove_at(&mut self, path: &str) -> bool {
        let mut steps: Vec<&str> = steps(path).collect();
        let Some(last) = steps.pop() else {
            return false;
        };
        let Some(node) = self.walk_mut(steps) else {
            return false;
        };
        match (&mut node.kind, index(last)) {
            (NodeKind::List(items), Some(at)) if at < items.len() => {
                items.remove(at);
                true
            }
            _ => node.remove(last),
        }
    }

    /// The value at `path`.
    pub(crate) fn at_path_mut(&mut self, path: &str) -> Option<&mut Self> {
        self.walk_mut(steps(path))
    }

    fn walk_mut<'s>(&mut self, steps: impl IntoIterator<Item = &'s str>) -> Option<&mut Self> {
        steps
            .into_iter()
            .try_fold(self, |node, step| node.step_mut(step))
    }

    fn step_mut(&mut self, step: &str) -> Option<&mut Self> {
        match &mut self.kind {
            NodeKind::List(items) => items.get_mut(index(step)?),
            NodeKind::Object(members) => {
                let is_member = |key: &str| key == step || camel(key) == step;
                let member = members.iter_mut().find(|(key, _)| is_member(key));
                member.map(|(_, node)| node)
            }
            NodeKind::Scalar(_) => None,
        }
    }

    /// Removes the member `name`. Returns whether it existed.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let NodeKind::Object(members) = &mut self.kind else {
            return false;
        };
        let before = members.len();
        members.retain(|(key, _)| camel(key) != name && key != name);
        members.len() < before
    }

    /// The same value without lines and paths.
    pub(crate) fn value(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(value) => value.clone(),
            NodeKind::List(items) => items.iter().map(Self::value).collect(),
            NodeKind::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, node)| (name.clone(), node.value()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.kind {
            NodeKind::Scalar(value) => value.serialize(serializer),
            NodeKind::List(items) => serializer.collect_seq(items),
            NodeKind::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, node)| (name, node)))
            }
        }
    }
}

/// The number of the item that a step such as `[1]` leads to.
fn index(step: &str) -> Option<usize> {
    step.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// The steps of a path: `a.b[1]` has `a`, `b` and `[1]`.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').flat_map(|part| {
        let (name, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        let indices = indices.split_inclusive(']');
        std::iter::once(name)
            .chain(indices)
            .filter(|step| !step.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TEXT: &str = "# why\nservers:\n- name: a\n  tool_prefix: x_\n\n- name: b\n  tools:\n    include:\n    - get_*\n    - 7\nlistCache: OFF\n";

    #[test]
    fn each_value_has_its_line() {
        let documents = documents(TEXT).unwrap();
        for (path, line, known) in [
            ("servers", 2, 7),
            ("servers[0]", 3, 10),
            ("servers[0].toolPrefix", 4, 21),
            ("servers[1].tools.include[1]", 10, 27),
            ("servers[1].toolPrefix", 6, 10),
            ("servers[4].name", 2, 7),
            ("listCache", 11, 9),
            ("nothing", 2, 0),
            ("", 2, 0),
        ] {
            let (node, length) = documents[0].nearest(path);
            assert_eq!((node.line, length), (line, known), "{path}");
        }
    }

    #[test]
    fn yaml_and_json_are_read_as_the_same() {
        let json =
            "{\n\t\"servers\": [\n\t\t{\"name\": \"a\", \"enabled\": true, \"n\": 1.5}\n\t]\n}";
        let yaml = "servers:\n- name: a\n  enabled: true\n  n: 1.5\n";
        let expected = json!({"servers": [{"name": "a", "enabled": true, "n": 1.5}]});
        for text in [json, yaml] {
            assert_eq!(documents(text).unwrap()[0].value(), expected);
        }
        let documents = documents(json).unwrap();
        assert_eq!(documents[0].nearest("servers[0].name").0.line, 3);
    }

    #[test]
    fn an_error_has_its_line() {
        for (text, line) in [
            ("servers:\n- name: a\n  - b\n", 3),
            ("a: 1\na: 2\n", 2),
            ("a: *b\n", 1),
            ("{\n  \"a\": 1,\n  \"b\" 2\n}", 3),
            ("1: a\n", 1),
        ] {
            let error = documents(text).expect_err(text);
            assert_eq!(error.line, line, "{text}: {}", error.reason);
        }
    }
}
