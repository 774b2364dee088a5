//! Server-sent events, as a whole text (HTML standard, "Parsing an event
//! stream"). MCP uses the data of events; names, ids and retry times are for
//! the transport.

/// The data of each event in `stream` that has some, in their order. An event
/// that the end of the stream cuts off is dropped, as the standard demands.
pub fn data(stream: &str) -> Vec<String> {
    let mut events = Vec::new();
    let mut data: Option<String> = None;
    for line in lines(stream.strip_prefix('\u{feff}').unwrap_or(stream)) {
        if line.is_empty() {
            events.extend(data.take().filter(|data| !data.is_empty()));
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => data = Some(value.to_owned()),
            }
        }
    }
    events
}

/// Lines that end in CR LF, LF or CR; what follows the last end is no line.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (line, after) = rest.split_once(['\n', '\r'])?;
        let ended_by_cr = rest.as_bytes().get(line.len()) == Some(&b'\r');
        rest = match after.strip_prefix('\n') {
            Some(after) if ended_by_cr => after,
            _ => after,
        };
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_data_of_events_is_read_with_any_line_ending() {
        for stream in [
            "data: one\n\ndata: two\n\n",
            "data: one\r\n\r\ndata: two\r\n\r\n",
            "data: one\r\rdata: two\r\r",
            "\u{feff}data:one\n\n: comment\nevent: message\ndata: two\nid: 7\nretry: 3\n\n",
            "id: 0\ndata:\n\ndata: one\n\n\n\ndata: two\n\n",
        ] {
            assert_eq!(data(stream), ["one", "two"], "{stream:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn several_data_lines_are_one_text() {
        assert_eq!(data("data: a\ndata:  b\ndata\n\n"), ["a\n b\n"]);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_event_cut_off_by_the_end_is_dropped() {
        for stream in [
            "data: x",
            "data: x\n",
            "data: x\r\n",
            "",
            "\n\n",
            "datax: y\n\n",
            " data: y\n\n",
        ] {
            assert_eq!(data(stream), [""; 0], "{stream:?}");
        }
    }
}
