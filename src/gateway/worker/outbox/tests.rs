use super::*;
use crate::config::{Config, Gateway};
use crate::gateway::routing::call_headers::CallerHeaders;
use crate::gateway::upstream::protocol::UpstreamSession;
use crate::memory;
use wasm_bindgen_test::wasm_bindgen_test;

fn gateway() -> Gateway {
    let config = br#"{"servers":[{"name":"a"},{"name":"b"}]}"#;
    Config::parse(config).unwrap().gateway.unwrap()
}

fn session() -> UpstreamSession {
    UpstreamSession {
        version: "2025-06-18",
        id: Some("s".into()),
    }
}

fn message(gateway: &Gateway, server: usize) -> Call {
    let message = vec![b' '; 1000];
    let server = &gateway.servers[server];
    Call::tell(server, &session(), None, message, &CallerHeaders::default())
}

fn end(gateway: &Gateway, server: usize) -> Call {
    Call::end(&gateway.servers[server], &session(), &[])
}

fn http(status: u16) -> CallResponse {
    CallResponse::Http {
        status,
        content_type: None,
        session: None,
        body: Vec::new(),
    }
}

/// An outbox, the calls under way, and a time in seconds.
#[derive(Default)]
struct Post {
    outbox: Outbox,
    calls: Calls,
    now: u64,
    sent: VecDeque<(DispatchId, Rc<Call>)>,
}

impl Post {
    fn dispatch(&mut self) -> usize {
        let now = Duration::from_secs(self.now);
        let sent = self.outbox.dispatch(&mut self.calls, now);
        let count = sent.len();
        self.sent.extend(sent);
        count
    }

    /// Answers the call that was sent first.
    fn answer(&mut self, response: &CallResponse) {
        let (id, call) = self.sent.pop_front().unwrap();
        let now = Duration::from_secs(self.now);
        self.outbox.done(id, &call, response, now);
        let result = crate::gateway::upstream::call_result::CallResult::Done;
        assert!(self.calls.done(id, &result, now).is_empty());
    }

    fn retry(&mut self) -> usize {
        self.outbox.retry(Duration::from_secs(self.now));
        self.dispatch()
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn a_flood_for_one_server_takes_nothing_from_another_and_ends_no_end() {
    let gateway = gateway();
    let mut post = Post::default();
    for _ in 0..10_000 {
        post.outbox.push(message(&gateway, 0));
        post.dispatch();
    }
    assert_eq!(post.sent.len(), MOST_MESSAGES);
    for call in [message(&gateway, 1), end(&gateway, 1), end(&gateway, 0)] {
        post.outbox.push(call);
    }
    assert_eq!(post.dispatch(), 3, "the other server's, and the end");
    let mut made = post.sent.len();
    while !post.sent.is_empty() {
        post.answer(&http(202));
        made += post.dispatch();
    }
    assert_eq!(made, MOST_MESSAGES + MOST_WAITING_MESSAGES + 3);
}

#[wasm_bindgen_test(unsupported = test)]
fn long_messages_for_one_server_take_little_memory_and_count_once() {
    let (gateway, before) = (gateway(), memory::held());
    let server = &gateway.servers[0];
    let long = |bytes: usize| {
        let message = vec![b' '; bytes];
        Call::tell(server, &session(), None, message, &CallerHeaders::default())
    };
    let mut post = Post::default();
    for _ in 0..100 {
        post.outbox.push(long(1_000_000));
        post.dispatch();
    }
    assert_eq!(post.sent.len(), 16);
    let held = memory::held() - before;
    assert!((16_000_000..17_000_000).contains(&held), "{held}");
    post.outbox.push(end(&gateway, 0));
    assert_eq!(post.dispatch(), 1, "the end of a session");
    while !post.sent.is_empty() {
        post.answer(&http(202));
    }
    // One call is made, whatever its length.
    for _ in 0..2 {
        post.outbox.push(long(20_000_000));
    }
    assert_eq!(post.dispatch(), 1);
    post.answer(&http(202));
    post.outbox.push(long(1_000_000));
    assert_eq!(post.dispatch(), 1);
    drop(post);
    assert_eq!(memory::held(), before);
}

#[wasm_bindgen_test(unsupported = test)]
fn the_end_of_a_session_is_tried_again_until_the_server_answers() {
    let gateway = gateway();
    for (responses, is_ended) in [
        (vec![http(200)], true),
        (vec![http(404)], true),
        (vec![http(405)], true),
        (vec![http(503), CallResponse::Reset, http(204)], true),
        (vec![CallResponse::NotSent, http(502)], false),
        (vec![CallResponse::NoCluster, http(429)], false),
    ] {
        let mut post = Post::default();
        post.outbox.push(end(&gateway, 0));
        assert_eq!(post.dispatch(), 1);
        for response in &responses {
            assert_eq!(post.dispatch(), 0, "only once in a step");
            post.answer(response);
            assert_eq!(post.dispatch(), 0, "not at once");
            post.now += 10;
            post.retry();
        }
        assert_eq!(post.sent.is_empty(), is_ended, "{responses:?}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn ends_are_given_up_after_a_minute_and_messages_are_not_tried_again() {
    let gateway = gateway();
    let mut post = Post::default();
    post.outbox.push(message(&gateway, 0));
    post.outbox.push(end(&gateway, 0));
    post.dispatch();
    let mut tries = 1;
    post.answer(&CallResponse::Reset);
    post.answer(&CallResponse::Reset);
    for _ in 0..20 {
        post.now += 10;
        let again = post.retry();
        assert!(again <= 1);
        tries += again;
        if again == 1 {
            post.answer(&CallResponse::Reset);
        }
    }
    assert_eq!(tries, 6);
}

#[wasm_bindgen_test(unsupported = test)]
fn an_end_that_a_stream_waited_for_is_tried_again_too() {
    let gateway = gateway();
    let mut post = Post::default();
    let call = Rc::new(end(&gateway, 0));
    let (id, call) = post.calls.send(call, Duration::ZERO);
    post.outbox.done(id, &call, &http(503), Duration::ZERO);
    assert_eq!(post.dispatch(), 0);
    post.now = 10;
    assert_eq!(post.retry(), 1);
}

#[wasm_bindgen_test(unsupported = test)]
fn in_any_order_limits_hold_and_nothing_is_left_in_the_end() {
    let (gateway, before) = (gateway(), memory::held());
    for seed in 1..20_u64 {
        let mut post = Post::default();
        let mut number = seed;
        for _ in 0..3000 {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(seed);
            let server = usize::from(number >> 40 & 1 == 1);
            match number >> 60 {
                0..=6 => post.outbox.push(message(&gateway, server)),
                7..=9 => post.outbox.push(end(&gateway, server)),
                10 => {
                    post.now += 1;
                    post.retry();
                }
                11 | 12 => drop(post.dispatch()),
                _ if post.sent.is_empty() => {}
                13 => post.answer(&CallResponse::Reset),
                _ => post.answer(&http(200)),
            }
            for lane in post.outbox.lanes.values() {
                assert!(lane.messages.under_way <= MOST_MESSAGES);
                assert!(lane.messages.waiting.len() <= MOST_WAITING_MESSAGES);
                assert!(lane.ends.under_way <= MOST_ENDS);
            }
        }
        while post.retry() + post.dispatch() + post.sent.len() > 0 {
            post.answer(&http(200));
        }
        for lane in post.outbox.lanes.values() {
            assert_eq!(lane.messages.under_way + lane.ends.under_way, 0);
            assert_eq!(lane.messages.bytes + lane.ends.bytes, 0);
            assert!(lane.messages.waiting.is_empty() && lane.ends.waiting.is_empty());
        }
        assert!(post.outbox.under_way.is_empty());
        drop(post);
        assert_eq!(memory::held(), before, "seed {seed}");
    }
}
