//! Edits of a JSON text: the rest of the text stays byte for byte. Nothing is
//! parsed into a tree.

use std::ops::Range;

use super::object::{push_members, push_object};
use crate::mcp::json::{self, Shape};

/// The replacement of a range of a text; an insertion, if the range is empty.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Edit {
    /// The bytes to remove.
    pub range: Range<usize>,
    /// The bytes in their place.
    pub new: Vec<u8>,
}

impl Edit {
    /// Replaces `part` of `whole`; `None` if `part` is not a slice of `whole`.
    pub fn replace(whole: &str, part: &str, new: impl Into<Vec<u8>>) -> Option<Self> {
        Some(Self {
            range: json::span(whole, part)?,
            new: new.into(),
        })
    }

    /// Inserts `new` at the byte `at`.
    pub fn insert(at: usize, new: impl Into<Vec<u8>>) -> Self {
        Self {
            range: at..at,
            new: new.into(),
        }
    }
}

/// `text` with these edits, which may be in any order. Insertions at the same place
/// keep their order. An edit that reaches beyond the text or into an earlier edit,
/// or that cuts a character, is left out.
pub fn apply(text: &str, edits: Vec<Edit>) -> Vec<u8> {
    let new = edits.iter().map(|edit| edit.new.len());
    let mut out = Vec::with_capacity(new.fold(text.len(), usize::saturating_add));
    apply_to(&mut out, text, edits);
    out
}

/// The same as [`apply`], but writes at the end of `out`.
pub fn apply_to(out: &mut Vec<u8>, text: &str, mut edits: Vec<Edit>) {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut done = 0;
    for Edit { range, new } in edits {
        let before = text.get(done..range.start);
        if let (Some(before), Some(_)) = (before, text.get(range.clone())) {
            out.extend_from_slice(before.as_bytes());
            out.extend_from_slice(&new);
            done = range.end;
        }
    }
    out.extend_from_slice(text.get(done..).unwrap_or_default().as_bytes());
}

/// The object with these members: names, and values as JSON texts.
pub fn object(members: &[(&str, &str)]) -> String {
    let mut out = Vec::new();
    push_object(&mut out, |object| {
        for (name, value) in members {
            object.json(name, value);
        }
    });
    // All parts are strings, so this does not fail.
    String::from_utf8(out).unwrap_or_default()
}

/// The most members that become longer in one object or message. The limit is needed because a
/// server may write a member very often in few bytes, and its new value may be long.
pub const MOST_REPLACED: usize = 16;

/// The edits that give `object`, a slice of `whole`, these members: names, and values as JSON
/// texts. The value of a member that is there already is replaced, in all places where it is. Other
/// members are inserted at the start. `None` if `object` is not an object, or has these members in
/// more than 16 places.
pub fn set(whole: &str, object: &str, members: &[(&str, &str)]) -> Option<Vec<Edit>> {
    let mut edits = Vec::new();
    let mut is_there = vec![false; members.len()];
    let mut is_empty = true;
    let shape = json::members(object, |name, value| {
        is_empty = false;
        let known = members.iter().zip(&mut is_there);
        for ((_, new), is_there) in known.filter(|((known, _), _)| *known == name) {
            *is_there = true;
            if edits.len() <= MOST_REPLACED {
                edits.extend(Edit::replace(whole, value, *new));
            }
        }
    });
    let start = inside(whole, object, shape)?;
    if edits.len() > MOST_REPLACED {
        return None;
    }
    let mut new = Vec::new();
    push_members(&mut new, |object| {
        let members = members.iter().zip(is_there);
        for ((name, value), _) in members.filter(|(_, is_there)| !is_there) {
            object.json(name, value);
        }
    });
    if !new.is_empty() {
        if !is_empty {
            new.push(b',');
        }
        edits.push(Edit::insert(start, new));
    }
    Some(edits)
}

/// The edits that remove the members for whose names `is_gone` is true from
/// `object`, a slice of `whole`. `None` if it is not an object.
pub fn remove(whole: &str, object: &str, is_gone: impl Fn(&str) -> bool) -> Option<Vec<Edit>> {
    let start = inside(whole, object, Ok(Shape::Object { unique: true }))?;
    let mut removal = Removal::new(whole, start);
    let shape = json::members(object, |name, value| removal.pass(value, is_gone(&name)));
    inside(whole, object, shape)?;
    Some(removal.end())
}

/// The edits that remove the elements for which `is_gone` is true from `array`, a
/// slice of `whole`. `None` if it is not an array.
pub fn remove_elements(
    whole: &str,
    array: &str,
    mut is_gone: impl FnMut(&str) -> bool,
) -> Option<Vec<Edit>> {
    let open = array.find('[')?.checked_add(1)?;
    let start = json::span(whole, array)?.start.checked_add(open)?;
    let mut removal = Removal::new(whole, start);
    json::elements(array, |element| removal.pass(element, is_gone(element))).ok()?;
    Some(removal.end())
}

/// Removes members or elements of a container, each with one comma.
struct Removal<'t> {
    whole: &'t str,
    /// The end of the last part that was passed.
    end: usize,
    /// The start of the range to remove; `None` if the last part stays.
    since: Option<usize>,
    /// Whether a part stays.
    stays: bool,
    edits: Vec<Edit>,
}

impl<'t> Removal<'t> {
    /// A removal in a container whose parts start at `start`.
    fn new(whole: &'t str, start: usize) -> Self {
        Self {
            whole,
            end: start,
            since: None,
            stays: false,
            edits: Vec::new(),
        }
    }

    /// Passes the next part, which ends with `value`.
    fn pass(&mut self, value: &str, is_gone: bool) {
        if is_gone {
            self.since.get_or_insert(self.end);
        } else {
            // A part is removed with the comma before it. If no part stays before
            // this one, its comma is removed, too.
            let comma = self.whole.get(self.end..).filter(|_| !self.stays);
            let comma = comma.and_then(|rest| rest.find(','));
            let after = comma.map_or(0, |at| at.saturating_add(1));
            self.cut(self.end.saturating_add(after));
            self.stays = true;
        }
        self.end = json::span(self.whole, value).map_or(self.end, |span| span.end);
    }

    fn cut(&mut self, end: usize) {
        self.edits.extend(self.since.take().map(|since| Edit {
            range: since..end,
            new: Vec::new(),
        }));
    }

    fn end(mut self) -> Vec<Edit> {
        self.cut(self.end);
        self.edits
    }
}

/// Where the members of `object` start in `whole`, if `shape` is an object's.
fn inside(whole: &str, object: &str, shape: Result<Shape, json::Error>) -> Option<usize> {
    if !matches!(shape, Ok(Shape::Object { .. })) {
        return None;
    }
    let start = json::span(whole, object)?.start;
    start.checked_add(object.find('{')?)?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn applied(text: &str, edits: Vec<Edit>) -> String {
        String::from_utf8(apply(text, edits)).unwrap()
    }

    fn edit(range: Range<usize>, new: &str) -> Edit {
        let new = new.into();
        Edit { range, new }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn edits_are_made_in_the_order_of_the_text() {
        for (edits, expected) in [
            (vec![], "abcdef"),
            (vec![edit(4..5, "E"), edit(0..2, "")], "cdEf"),
            (
                vec![edit(2..2, "x"), edit(2..2, "y"), edit(0..0, "z")],
                "zabxycdef",
            ),
            (vec![edit(1..3, "-"), edit(1..1, "+")], "a+-def"),
            (vec![edit(6..6, "!"), edit(0..6, "")], "!"),
        ] {
            assert_eq!(applied("abcdef", edits.clone()), expected, "{edits:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_edit_that_cannot_be_is_left_out() {
        let backwards = Range { start: 2, end: 1 };
        for (edits, expected) in [
            (
                vec![edit(0..3, "x"), edit(2..4, "y"), edit(5..6, "z")],
                "xäz",
            ),
            (vec![edit(9..9, "x")], "abcäd"),
            (vec![edit(3..99, "x"), edit(0..1, "y")], "ybcäd"),
            (vec![edit(backwards, "x"), edit(2..3, "y")], "abyäd"),
            (vec![edit(4..6, "x"), edit(4..4, "y")], "abcäd"),
            (vec![edit(usize::MAX..usize::MAX, "x")], "abcäd"),
        ] {
            assert_eq!(applied("abcäd", edits.clone()), expected, "{edits:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_a_part_of_a_text_is_replaced_in_it() {
        let text = "abcd".to_owned();
        assert_eq!(
            Edit::replace(&text, &text[1..3], "x"),
            Some(edit(1..3, "x"))
        );
        assert_eq!(Edit::replace(&text[1..3], &text, "x"), None);
        assert_eq!(Edit::replace(&text, &text.clone(), "x"), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn members_are_replaced_where_they_stand_and_else_put_in() {
        for (text, expected) in [
            ("{}", r#"{"a":1,"b\"":[2]}"#),
            (" { } ", r#" {"a":1,"b\"":[2] } "#),
            (r#"{ "c":3}"#, r#"{"a":1,"b\"":[2], "c":3}"#),
            (r#"{"c":3 , "a" : null}"#, r#"{"b\"":[2],"c":3 , "a" : 1}"#),
            (
                r#"{"\u0061":{"a":0},"b\u0022":"","a":[]}"#,
                r#"{"\u0061":1,"b\u0022":[2],"a":1}"#,
            ),
        ] {
            let members = [("a", "1"), ("b\"", "[2]")];
            let edits = set(text, text, &members).expect(text);
            assert_eq!(applied(text, edits), expected, "{text}");
        }
        assert_eq!(
            object(&[("a", "1"), ("b\"", "[2]")]),
            r#"{"a":1,"b\"":[2]}"#
        );
        assert_eq!(set("{}", "{}x", &[]), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn members_are_removed_with_one_comma_each() {
        for (text, expected) in [
            ("{}", "{}"),
            (r#"{"b":1}"#, r#"{"b":1}"#),
            (r#"{ "x" : 1 }"#, "{ }"),
            (r#"{ "x":1 , "y":[{"x":1},","] }"#, "{ }"),
            (r#"{ "x":1 , "b":"x"}"#, r#"{ "b":"x"}"#),
            (r#"{"x":1,"y":2,"b":","}"#, r#"{"b":","}"#),
            (r#"{"b":1 , "x":2}"#, r#"{"b":1}"#),
            (r#"{"b":1,"x":{} ,"y":2 }"#, r#"{"b":1 }"#),
            (r#"{"b":1,"x":2, "c":3}"#, r#"{"b":1, "c":3}"#),
            (
                r#"{"x":0,"b":1,"x":2,"y":2 ,"c":3,"\u0078":"x","d":{"x":1},"y":4 }"#,
                r#"{"b":1 ,"c":3,"d":{"x":1} }"#,
            ),
        ] {
            let edits = remove(text, text, |name| matches!(name, "x" | "y")).expect(text);
            assert_eq!(applied(text, edits), expected, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn elements_are_removed_with_one_comma_each() {
        for (text, expected) in [
            ("[]", "[]"),
            ("[ 1 ]", "[ 1 ]"),
            ("[ 0 ]", "[ ]"),
            ("[ 0 , 0 ]", "[ ]"),
            (r#"[0, "," ,[0]]"#, r#"[ "," ,[0]]"#),
            ("[1,0]", "[1]"),
            ("[ 0,0 , 1 ,0, 2,0 ]", "[ 1, 2 ]"),
        ] {
            let whole = format!(" {text}");
            let edits = remove_elements(&whole, &whole[1..], |text| text == "0").expect(text);
            assert_eq!(applied(&whole, edits), format!(" {expected}"), "{text}");
        }
        for text in ["", "{}", r#""[]""#, "[", "[1}", "[]]", "null"] {
            assert_eq!(remove_elements(text, text, |_| true), None, "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn only_objects_have_members() {
        for text in ["", "null", "[]", "[{}]", r#""{}""#, "{", "{}}"] {
            assert_eq!(set(text, text, &[("a", "1")]), None, "{text}");
            assert_eq!(remove(text, text, |_| true), None, "{text}");
        }
    }
}
