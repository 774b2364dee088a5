//! Writes JSON objects: one member after the other, without a tree.

use super::push_string;

/// An object that is being written at the end of a buffer.
pub struct ObjectWriter<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

/// Writes an object with the members that `write` adds at the end of `out`.
pub fn push_object(out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.push(b'{');
    push_members(out, write);
    out.push(b'}');
}

/// The same without the braces.
pub(in crate::mcp) fn push_members(out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    write(&mut ObjectWriter {
        out,
        is_empty: true,
    });
}

impl ObjectWriter<'_> {
    /// Adds the member `name` whose value is the string `value`.
    pub fn string(&mut self, name: &str, value: &str) {
        push_string(self.member(name), value);
    }

    /// Adds the member `name` whose value is the JSON text `value`.
    pub fn json(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.text(name, value.as_ref());
    }

    #[inline(never)]
    fn text(&mut self, name: &str, value: &[u8]) {
        self.member(name).extend_from_slice(value);
    }

    /// Adds the member `name` whose value is an object, with the members that
    /// `write` adds.
    pub fn object(&mut self, name: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        push_object(self.member(name), write);
    }

    /// Adds the member `name`. The caller writes its value, one JSON text, at the
    /// end of the buffer.
    #[inline(never)]
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        push_string(self.out, name);
        self.out.push(b':');
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn written(write: impl FnOnce(&mut ObjectWriter<'_>)) -> String {
        let mut out = b"before".to_vec();
        push_object(&mut out, write);
        String::from_utf8(out).unwrap()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn members_stand_in_the_order_in_which_they_are_added() {
        assert_eq!(written(|_| {}), "before{}");
        let all = written(|object| {
            object.string("a\"", "b\n");
            object.json("c", "[1.10]");
            object.object("d", |_| {});
            object.object("e", |inner| inner.json("f", b"null"));
            object.member("g").extend_from_slice(b"true");
        });
        let expected = r#"before{"a\"":"b\n","c":[1.10],"d":{},"e":{"f":null},"g":true}"#;
        assert_eq!(all, expected);
    }
}
