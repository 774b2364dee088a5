//! Translates the data of an event: a message, or other data, which does not end the stream.

use crate::gateway::translate::server_message::UnreadableMessage;
use crate::gateway::translate::translated::Translated;
use crate::gateway::translate::translation::Translation;
use crate::mcp::json;
use crate::mcp::lookalike::fold;
use crate::mcp::message::is_same_id;

/// What the gateway does with an event that is not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMessage {
    /// The client gets the event unchanged.
    Passed,
    /// The client does not get the event.
    Dropped,
    /// Some clients would read the event as the answer to the request, and others would not.
    UnclearAnswer,
}

impl Translation {
    /// Translates the data `text` of an event. `is_message` says whether the type of the event is
    /// that of a message. Servers also send other events, and other data (a heartbeat, the end of
    /// the stream), which clients ignore.
    ///
    /// # Errors
    /// The event is not a message. The error says what the gateway does with it.
    pub fn translate_event(&self, text: &str, is_message: bool) -> Result<Translated, NoMessage> {
        let translated = self.translate(text);
        if !is_message {
            return match translated {
                // A client may ignore the type and read the event as a message, so the list in it
                // is filtered, too.
                Ok(Translated::Forwarded { changed, .. }) if self.is_policy_mode() => {
                    Ok(Translated::Forwarded {
                        changed,
                        is_answer: false,
                        is_error: false,
                    })
                }
                Err(why) if self.is_policy_mode() => Err(self.outside_messages(text, why)),
                _ if self.is_bridged() => Err(NoMessage::Dropped),
                _ => Err(NoMessage::Passed),
            };
        }
        translated.map_err(|why| match why {
            UnreadableMessage::NotOneMessage if self.expects_answer() && self.may_answer(text) => {
                NoMessage::UnclearAnswer
            }
            why => self.outside_messages(text, why),
        })
    }

    /// Whether some client may read `text` as the answer to the request, or a part of `text` if it
    /// is a batch: it has the request's id, or it is JSON-RPC without an id.
    fn may_answer(&self, text: &str) -> bool {
        let own = self.id_at_server();
        let fits = |object: &str| {
            let (mut has_id, mut has_own_id, mut is_rpc) = (false, false, false);
            let shape = json::members(object, |name, value| {
                let is = |known: &str| fold(&name).eq(fold(known));
                if is("id") && value != "null" {
                    has_id = true;
                    has_own_id |= own.is_some_and(|own| is_same_id(value, own));
                }
                is_rpc |= is("jsonrpc");
            });
            shape.is_ok() && (has_own_id || (is_rpc && !has_id))
        };
        let mut is_in_batch = false;
        let batch = json::elements(text, |element| is_in_batch |= fits(element));
        if batch.is_ok() {
            is_in_batch
        } else {
            fits(text)
        }
    }

    /// What the gateway does with a text that is neither a message nor the answer.
    fn outside_messages(&self, text: &str, why: UnreadableMessage) -> NoMessage {
        match why {
            // Some clients accept text that is nearly JSON, for example with a NaN. Such a text
            // could show them an unfiltered list.
            UnreadableMessage::NotJson(_)
                if self.is_policy_mode()
                    && self.expects_answer()
                    && text.trim_start().starts_with('{') =>
            {
                NoMessage::Dropped
            }
            UnreadableMessage::NotJson(_) | UnreadableMessage::NotAMessage
                if !self.is_bridged() =>
            {
                NoMessage::Passed
            }
            _ => NoMessage::Dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mcp::Message;
    use crate::mcp::era::Era;
    use crate::mcp::list::ListKind;
    use crate::policy::authorization::Principal;
    use std::rc::Rc;
    use wasm_bindgen_test::wasm_bindgen_test;

    const HEARTBEATS: &[&str] = &[
        r#"{"type":"heartbeat"}"#,
        "[DONE]",
        "17",
        "null",
        "true",
        r#""ping""#,
        "{}",
        "[]",
        r#"[{"type":"heartbeat"}]"#,
        "ping",
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":7,"error":null}"#,
    ];

    fn translation() -> Translation {
        let config = br#"{"servers":[{"name":"w"}]}"#;
        let gateway = Config::parse(config).unwrap().gateway.unwrap();
        let body = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}"#;
        Translation::modern(&gateway.servers[0], &Message::parse(body).unwrap())
    }

    fn policy(list: Option<(ListKind, String)>) -> Translation {
        let config = br#"{"authorization":{"defaultAction":"DENY","rules":[]}}"#;
        let config = Rc::new(Config::parse(config).unwrap());
        Translation::policy_mode(config, Principal::default(), Era::Modern, list)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_cannot_be_an_answer_passes() {
        let list = || policy(Some((ListKind::Tools, "7".to_owned())));
        for translation in [translation(), list(), policy(None)] {
            for text in HEARTBEATS {
                let of_type = translation.translate_event(text, true);
                assert_eq!(of_type, Err(NoMessage::Passed), "{text}");
                let of_other = translation.translate_event(text, false);
                assert_eq!(of_other, Err(NoMessage::Passed), "{text}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_answer_that_clients_may_read_in_two_ways_is_told() {
        let two = r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":""}}"#;
        let batch = r#"[{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"x"}]}}]"#;
        let lookalike = r#"{"jsonrpc":"2.0","id":7,"Result":{"tools":[{"name":"x"}]}}"#;
        for text in [two, batch, lookalike] {
            let list = policy(Some((ListKind::Tools, "7".to_owned())));
            for translation in [translation(), list] {
                let translated = translation.translate_event(text, true);
                assert_eq!(translated, Err(NoMessage::UnclearAnswer), "{text}");
            }
            let on_get = policy(None).translate_event(text, true);
            assert_eq!(on_get, Err(NoMessage::Dropped), "{text}");
            let other = policy(None).translate_event(text, false);
            assert_eq!(other, Err(NoMessage::Dropped), "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_list_is_filtered_whatever_the_event_and_hidden_where_it_is_nearly_json() {
        let text = r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"x"}]}}"#;
        let list = policy(Some((ListKind::Tools, "7".to_owned())));
        let expected = Translated::Forwarded {
            changed: Some(text.replace(r#"{"name":"x"}"#, "").into_bytes()),
            is_answer: false,
            is_error: false,
        };
        assert_eq!(list.translate_event(text, false), Ok(expected));
        let nearly = text.replace(r#""x""#, "NaN");
        for is_message in [true, false] {
            let translated = list.translate_event(&nearly, is_message);
            assert_eq!(translated, Err(NoMessage::Dropped));
        }
        // An event of another type is not an answer.
        let call = translation();
        let answer = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
        assert_eq!(call.translate_event(answer, false), Err(NoMessage::Passed));
        assert!(call.translate_event(answer, true).is_ok());
    }
}
