//! The canonical form of JSON text (RFC 8785, "JSON Canonicalization Scheme"). The same value
//! always has the same bytes, so a digest of them shows whether a value has changed.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::reader::{Error, Reader};
use super::{push_string, string};

/// The deepest nesting that has a canonical form here. It limits the use of the stack.
const DEEPEST: usize = 128;

/// Writes the canonical form of the JSON value `text` at the end of `out`. `None` where it
/// has none: the text is not one JSON value, is not Unicode because it escapes half a
/// surrogate pair, has a name twice in an object or a number beyond the range of a double
/// (RFC 8785 section 3.1), or is nested more than 128 levels deep. Then `out` may have a
/// part of it.
pub fn push_canonical(out: &mut Vec<u8>, text: &str) -> Option<()> {
    let mut reader = Reader::new(text);
    push_value(&mut reader, out, DEEPEST).ok()?;
    reader.end().ok()
}

/// Writes the value that starts here. The value may have at most `levels` levels of objects and
/// arrays.
fn push_value(reader: &mut Reader<'_>, out: &mut Vec<u8>, levels: usize) -> Result<(), Error> {
    let first = reader.peek();
    let (Some(b'{' | b'['), inner) = (first, levels.checked_sub(1)) else {
        return push_scalar(reader, out);
    };
    let Some(levels) = inner else {
        return reader.error("at most 128 levels");
    };
    if first == Some(b'{') {
        return push_object(reader, out, levels);
    }
    let mut is_first = true;
    out.push(b'[');
    reader.array(|reader| {
        if !std::mem::replace(&mut is_first, false) {
            out.push(b',');
        }
        push_value(reader, out, levels)
    })?;
    out.push(b']');
    Ok(())
}

fn push_scalar(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let text = reader.skip()?;
    match text.as_bytes() {
        [b'"', ..] => match string(text) {
            Some(text) => push_string(out, &text),
            None => return reader.error("Unicode"),
        },
        [b'-' | b'0'..=b'9', ..] => {
            if push_number(out, text).is_none() {
                return reader.error("a number in the range of a double");
            }
        }
        literal => out.extend_from_slice(literal),
    }
    Ok(())
}

/// Writes an object: its members in the order of their names as UTF-16 (section 3.2.3).
fn push_object(reader: &mut Reader<'_>, out: &mut Vec<u8>, levels: usize) -> Result<(), Error> {
    let start = out.len();
    // The position of each member, counted from `start`.
    let mut members: Vec<(Cow<'_, str>, Range<usize>)> = Vec::new();
    out.push(b'{');
    let is_unique = reader.object(|reader, name| {
        // The reader leaves a name with half a surrogate pair in its quotes.
        if matches!(name, Cow::Borrowed(raw) if raw.starts_with('"')) {
            return reader.error("Unicode");
        }
        if !members.is_empty() {
            out.push(b',');
        }
        let from = out.len().saturating_sub(start);
        push_string(out, &name);
        out.push(b':');
        push_value(reader, out, levels)?;
        members.push((name, from..out.len().saturating_sub(start)));
        Ok(())
    })?;
    if !is_unique {
        return reader.error("each name once");
    }
    let is_before = |a: &str, b: &str| a.encode_utf16().lt(b.encode_utf16());
    let names = members.iter().zip(members.iter().skip(1));
    if !names.fold(true, |all, ((a, _), (b, _))| all && is_before(a, b)) {
        let written = out.split_off(start);
        // A heap needs a tenth of the code that a sort would need.
        let members = members.into_iter();
        let members = members.map(|(name, place)| {
            let name: Vec<u16> = name.encode_utf16().collect();
            Reverse((name, place.start, place.end))
        });
        let mut members: BinaryHeap<_> = members.collect::<Vec<_>>().into();
        let mut before = b'{';
        while let Some(Reverse((_, from, to))) = members.pop() {
            out.push(std::mem::replace(&mut before, b','));
            out.extend_from_slice(written.get(from..to).unwrap_or_default());
        }
    }
    out.push(b'}');
    Ok(())
}

/// Writes a number as ECMAScript does (section 3.2.2.3; ECMA-262, `Number::toString`);
/// `None` where it is beyond the range of a double.
fn push_number(out: &mut Vec<u8>, text: &str) -> Option<()> {
    let number: f64 = text.parse().ok()?;
    if !number.is_finite() {
        return None;
    }
    if number == 0.0 {
        out.push(b'0');
        return Some(());
    }
    if number < 0.0 {
        out.push(b'-');
    }
    let (digits, point) = decimal(number.abs())?;
    let count = i32::try_from(digits.len()).ok()?;
    let zeros = |out: &mut Vec<u8>, count: i32| {
        out.extend(std::iter::repeat_n(
            b'0',
            usize::try_from(count).unwrap_or(0),
        ));
    };
    match point {
        1..=21 if count <= point => {
            out.extend_from_slice(&digits);
            zeros(out, point.saturating_sub(count));
        }
        1..=21 => {
            let (whole, fraction) = digits.split_at_checked(usize::try_from(point).ok()?)?;
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        -5..=0 => {
            out.extend_from_slice(b"0.");
            zeros(out, point.saturating_neg());
            out.extend_from_slice(&digits);
        }
        _ => {
            let (first, fraction) = digits.split_first()?;
            out.push(*first);
            if !fraction.is_empty() {
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
            let exponent = point.saturating_sub(1);
            out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
            out.extend_from_slice(exponent.unsigned_abs().to_string().as_bytes());
        }
    }
    Some(())
}

/// The fewest digits that identify `number`, which is positive, without zeros at either end; and
/// after how many digits the decimal point is.
fn decimal(number: f64) -> Option<(Vec<u8>, i32)> {
    // The shortest text, in one of the forms that JSON has.
    let text = serde_json::to_string(&number).ok()?;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().ok()?;
    let digits = whole.bytes().chain(fraction.bytes());
    let zeros = digits.clone().take_while(|digit| *digit == b'0').count();
    let mut digits: Vec<u8> = digits.skip(zeros).collect();
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let point = i32::try_from(whole.len()).ok()?;
    let point = point.checked_sub(i32::try_from(zeros).ok()?)?;
    Some((digits, point.checked_add(exponent)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    fn canonical(text: &str) -> Option<String> {
        let mut out = b"before".to_vec();
        push_canonical(&mut out, text)?;
        let out = String::from_utf8(out).unwrap();
        Some(out.strip_prefix("before").unwrap().to_owned())
    }

    /// The examples of RFC 8785 appendix B.
    #[wasm_bindgen_test(unsupported = test)]
    fn numbers_are_those_of_ecmascript() {
        for (bits, expected) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            let number = f64::from_bits(bits);
            for text in [
                format!("{number:?}"),
                format!("{number:e}"),
                format!("{number}"),
            ] {
                assert_eq!(canonical(&text).as_deref(), Some(expected), "{text}");
            }
            let again = canonical(expected);
            assert_eq!(
                again.as_deref(),
                Some(expected),
                "a canonical form is its own"
            );
        }
        for (text, expected) in [
            ("1E400", None),
            ("-1e400", None),
            ("1e-400", Some("0")),
            ("-0", Some("0")),
            ("-0.0e5", Some("0")),
            ("1E1", Some("10")),
            ("100", Some("100")),
            ("1.50", Some("1.5")),
            ("0.00001", Some("0.00001")),
            ("1e-7", Some("1e-7")),
            ("12345678901234567890", Some("12345678901234567000")),
            ("01", None),
            ("+1", None),
            ("NaN", None),
        ] {
            assert_eq!(canonical(text).as_deref(), expected, "{text}");
        }
    }

    /// The order of RFC 8785 section 3.2.3, and its example, which French sorting rules would order
    /// differently.
    #[wasm_bindgen_test(unsupported = test)]
    fn members_are_in_the_order_of_their_names_in_utf_16() {
        let names = r#"{
            "\u20ac": "Euro Sign",
            "\r": "Carriage Return",
            "\ufb33": "Hebrew Letter Dalet With Dagesh",
            "1": "One",
            "\ud83d\ude00": "Emoji: Grinning Face",
            "\u0080": "Control",
            "\u00f6": "Latin Small Letter O With Diaeresis"
        }"#;
        let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
        assert_eq!(canonical(names).as_deref(), Some(expected));
        let french =
            r#"{"sin":"ignore locale","péché":"is wrong","peach":"This order","pêche":"but MUST"}"#;
        let expected =
            r#"{"peach":"This order","péché":"is wrong","pêche":"but MUST","sin":"ignore locale"}"#;
        assert_eq!(canonical(french).as_deref(), Some(expected));
        let nested = r#" { "b" : [ { "d" : 1 , "c" : { } } , [ ] ] , "" : null , "a" : { "z" : true , "y" : false } } "#;
        let expected = r#"{"":null,"a":{"y":false,"z":true},"b":[{"c":{},"d":1},[]]}"#;
        assert_eq!(canonical(nested).as_deref(), Some(expected));
    }

    /// The example of RFC 8785 section 3.2.2.
    #[wasm_bindgen_test(unsupported = test)]
    fn the_example_of_the_specification_has_its_form() {
        let sample = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let expected = r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#;
        assert_eq!(canonical(sample).as_deref(), Some(expected));
        let controls = r#""\u0000\u0008\u0009\u000b\u000c\u000d\u001f\u007f\u2028""#;
        let expected = "\"\\u0000\\b\\t\\u000b\\f\\r\\u001f\u{7f}\u{2028}\"";
        assert_eq!(canonical(controls).as_deref(), Some(expected));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_readers_may_take_in_two_ways_has_no_form() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"x":{"b":1,"c":2,"b":3}}]"#,
            r#""\ud800""#,
            r#""\udc00\ud800""#,
            r#"{"\ud83d":1}"#,
            r#"{"b":1,"a":[1e999]}"#,
            "",
            "{}{}",
            "[1,]",
            "tru",
            "{\"a\" 1}",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
        // A quote at the start of a name does not make the name special.
        let quote = r#"{"\"b":1,"\"a":2}"#;
        assert_eq!(canonical(quote).as_deref(), Some(r#"{"\"a":2,"\"b":1}"#));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn no_nesting_exhausts_the_stack() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(canonical(&nested(128)), Some(nested(128)));
        assert_eq!(canonical(&nested(129)), None);
        assert_eq!(canonical(&nested(1_000_000)), None);
        let nested =
            |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert_eq!(canonical(&nested(128)), Some(nested(128)));
        assert_eq!(canonical(&nested(129)), None);
    }
}
