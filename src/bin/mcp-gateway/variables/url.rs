//! Variables of URLs that have no value.

/// A text for such a variable, of which `word` is the name, between the texts `before` and `after`:
/// with it, the whole is a URL if it is one with a right value.
pub(super) fn stand_in(before: &str, word: String, after: &str) -> String {
    let Some((_, authority)) = before.split_once("://") else {
        return if after.starts_with("://") {
            "http".to_owned()
        } else if before.is_empty() {
            format!("http://{word}")
        } else {
            word
        };
    };
    match authority.rsplit_once(':') {
        Some((_, port)) if !authority.contains(['/', '?', '#']) => match port {
            "" => "80".to_owned(),
            _ => format!("/{word}"),
        },
        _ => word,
    }
}
