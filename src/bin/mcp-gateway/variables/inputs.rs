//! `inputs` in the files of VS Code: values that the program asks the user for.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::{Arc, Mutex, PoisonError};

use crate::syntax::tree::Node;

/// The user's answers since the program started, by the ids of the inputs. So the program does not
/// ask again when the file changes.
#[derive(Clone, Default)]
pub(crate) struct Answers(Arc<Mutex<BTreeMap<String, String>>>);

/// One of `inputs`.
#[derive(Clone, Default, PartialEq, Eq)]
struct Input {
    id: String,
    description: Option<String>,
    default: Option<String>,
    /// Whether the typed text is hidden.
    is_password: bool,
    /// The options to choose from; empty for any text.
    options: Vec<String>,
}

/// The inputs of one file.
#[derive(Default)]
pub(crate) struct Inputs {
    list: Vec<Input>,
    answers: Answers,
}

impl Inputs {
    /// The inputs of `tree`, the file of a client.
    pub(crate) fn read(tree: &Node, answers: &Answers) -> Self {
        let inputs = tree
            .get("inputs")
            .or_else(|| tree.at(&["mcp", "inputs"]))
            .map_or(&[][..], Node::items);
        Self {
            list: inputs.iter().filter_map(Input::read).collect(),
            answers: answers.clone(),
        }
    }

    /// The user's answer for the input `id`; `None` if there is no terminal to ask on.
    pub(crate) fn answer(&self, id: &str) -> Option<String> {
        let mut answers = self
            .answers
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answers.get(id) {
            return Some(known.clone());
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        let known = self.list.iter().find(|input| input.id == id);
        let unknown = Input {
            id: id.to_owned(),
            ..Input::default()
        };
        let answer = known.unwrap_or(&unknown).ask()?;
        answers.insert(id.to_owned(), answer.clone());
        Some(answer)
    }
}

impl Input {
    fn read(node: &Node) -> Option<Self> {
        let text = |name: &str| node.text(&[name]).map(str::to_owned);
        let options = node.get("options").map_or(&[][..], Node::items).iter();
        // An option is a text, or an object that has a label and a value.
        let options = options.filter_map(|it| it.text(&[]).or_else(|| it.text(&["value"])));
        Some(Self {
            id: text("id")?,
            description: text("description"),
            default: text("default"),
            is_password: node.get("password").is_some_and(|it| it.value() == true),
            options: options.map(str::to_owned).collect(),
        })
    }

    /// Asks until the answer is valid; `None` at the end of the input.
    fn ask(&self) -> Option<String> {
        loop {
            anstream::eprint!("{}", self.question());
            let typed = if self.is_password {
                rpassword::read_password().ok()?
            } else {
                let mut line = String::new();
                if io::stdin().lock().read_line(&mut line).ok()? == 0 {
                    return None;
                }
                line
            };
            match self.chosen(typed.trim()) {
                Some(answer) => return Some(answer),
                None if self.options.is_empty() => crate::output::eprintln!("A value is needed."),
                None => crate::output::eprintln!("Type one of the numbers or of the options."),
            }
        }
    }

    fn question(&self) -> String {
        let mut question = String::new();
        for (at, option) in self.options.iter().enumerate() {
            question.push_str(&format!("  {}. {option}\n", at + 1));
        }
        question.push_str(self.description.as_deref().unwrap_or(&self.id));
        if let Some(default) = &self.default
            && !self.is_password
        {
            question.push_str(&format!(" [{default}]"));
        }
        question + ": "
    }

    /// The answer for the text `typed`.
    fn chosen(&self, typed: &str) -> Option<String> {
        if typed.is_empty() {
            return self.default.clone();
        }
        if self.options.is_empty() || self.options.iter().any(|option| option == typed) {
            return Some(typed.to_owned());
        }
        let number: usize = typed.parse().ok()?;
        self.options.get(number.checked_sub(1)?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::tree;

    const FILE: &str = r#"{"inputs": [
        {"type": "promptString", "id": "key", "description": "API key", "password": true, "default": "d"},
        {"type": "pickString", "id": "zone", "options": ["eu", {"label": "America", "value": "us"}]},
        {"type": "promptString", "id": "team", "default": "tools"},
        {"type": "promptString"}
    ], "servers": {}}"#;

    #[test]
    fn each_input_says_what_is_asked_and_what_the_answer_is() {
        let tree = tree::documents(FILE).unwrap().remove(0);
        let inputs = Inputs::read(&tree, &Answers::default());
        assert_eq!(inputs.list.len(), 3);
        for (at, question, answers) in [
            (0, "API key: ", &[("x", Some("x")), ("", Some("d"))] as &[_]),
            (
                1,
                "  1. eu\n  2. us\nzone: ",
                &[
                    ("2", Some("us")),
                    ("eu", Some("eu")),
                    ("", None),
                    ("0", None),
                    ("3", None),
                    ("America", None),
                ],
            ),
            (
                2,
                "team [tools]: ",
                &[("", Some("tools")), ("a b", Some("a b"))],
            ),
        ] {
            let input = &inputs.list[at];
            assert_eq!(input.question(), question);
            for (typed, answer) in answers {
                assert_eq!(input.chosen(typed).as_deref(), *answer, "{question}{typed}");
            }
        }
    }

    #[test]
    fn an_answer_is_kept() {
        let answers = Answers::default();
        answers
            .0
            .lock()
            .unwrap()
            .insert("key".into(), "value".into());
        let again = Inputs {
            list: Vec::new(),
            answers,
        };
        assert_eq!(again.answer("key").as_deref(), Some("value"));
    }
}
