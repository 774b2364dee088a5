//! `tools/call` messages of an exact size.

use std::fmt::Write as _;
use std::str::FromStr;

use crate::{Error, Result};

/// The kind of content in the body. The time of a parser depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// One long string argument: few tokens, many bytes.
    String,
    /// An array of small objects: many tokens.
    Objects,
}

impl Shape {
    pub(crate) const ALL: [Self; 2] = [Self::String, Self::Objects];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Objects => "objects",
        }
    }
}

impl FromStr for Shape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let shape = Self::ALL.into_iter().find(|shape| shape.name() == text);
        shape.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("unknown shape {text:?}; there are {names}").into()
        })
    }
}

/// A message of exactly this many bytes.
pub(crate) fn body(shape: Shape, size: usize) -> Result<Vec<u8>> {
    let smallest = render(shape, "", "").len();
    let Some(room) = size.checked_sub(smallest) else {
        let name = shape.name();
        return Err(format!("a {name} message has at least {smallest} bytes, not {size}").into());
    };
    let items = match shape {
        Shape::String => String::new(),
        Shape::Objects => objects(room),
    };
    Ok(render(shape, &items, &text(room - items.len())).into_bytes())
}

fn render(shape: Shape, items: &str, text: &str) -> String {
    match shape {
        Shape::String => format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"get_weather","arguments":{{"city":"{text}"}}}}}}"#
        ),
        Shape::Objects => format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"get_weather","arguments":{{"city":"{text}","days":[{items}]}}}}}}"#
        ),
    }
}

/// As many small objects as fit.
fn objects(room: usize) -> String {
    let mut items = String::new();
    for day in 0_usize.. {
        let fits = items.len();
        let comma = if day == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(
            items,
            r#"{comma}{{"day":{day},"hour":{},"unit":"celsius","rain":{}}}"#,
            day % 24,
            day % 3 == 0
        );
        if items.len() > room {
            items.truncate(fits);
            break;
        }
    }
    items
}

fn text(length: usize) -> String {
    "The weather in Zurich, please, hour by hour. "
        .chars()
        .cycle()
        .take(length)
        .collect()
}
