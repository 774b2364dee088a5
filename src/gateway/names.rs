//! Names as clients see them, and as servers know them: a prefix makes the
//! tools of many servers distinct, and says which server a call goes to.

use crate::config::Server;

/// The server that the client's name `name` belongs to, and the server's own
/// name for it. The longest prefix wins.
pub fn resolve<'s, 'n>(servers: &'s [Server], name: &'n str) -> Option<(&'s Server, &'n str)> {
    servers
        .iter()
        .filter_map(|server| Some((server, name.strip_prefix(server.prefix.as_str())?)))
        .max_by_key(|(server, _)| server.prefix.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_longest_prefix_wins() {
        let config = br#"{"servers":[{"name":"a","toolPrefix":"a_"},{"name":"ab","toolPrefix":"a_b_"},{"name":"c"}]}"#;
        let servers = Config::parse(config).unwrap().gateway.unwrap().servers;
        let resolved =
            |name| resolve(&servers, name).map(|(server, own)| (server.name.as_str(), own));
        assert_eq!(resolved("a_x"), Some(("a", "x")));
        assert_eq!(resolved("a_b_x"), Some(("ab", "x")));
        assert_eq!(resolved("c__x"), Some(("c", "x")));
        assert_eq!(resolved("a_"), Some(("a", "")));
        assert_eq!(resolved("x"), None);
        assert_eq!(resolved(""), None);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_server_without_a_prefix_takes_what_fits_no_other() {
        let config = br#"{"servers":[{"name":"a","toolPrefix":""},{"name":"b"}]}"#;
        let servers = Config::parse(config).unwrap().gateway.unwrap().servers;
        assert_eq!(resolve(&servers, "b__x").unwrap().0.name, "b");
        assert_eq!(resolve(&servers, "x").unwrap().0.name, "a");
    }
}
