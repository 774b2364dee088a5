//! What a list of tools says.

/// The name that this gateway gives a tool: the one that contains the name of the server and ends
/// with the name of the tool. Each gateway puts something else between them.
///
/// The list may be a JSON message or a stream with such a message.
pub(crate) fn shown_name<'a>(list: &'a str, server: &str, tool: &str) -> Option<&'a str> {
    // Names need no escapes, and no other string of a tool has this form.
    list.split('"')
        .find(|text| text.starts_with(server) && text.ends_with(tool))
}

/// How many tools the list has.
pub(crate) fn tools(list: &str) -> usize {
    list.matches(r#""inputSchema""#).count()
}
