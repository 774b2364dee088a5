//! Tests of the host itself: it enforces Envoy's rules. The guests in these tests are modules of a
//! few instructions.
//!
//! A guest writes each status that it gets to the log, as one digit: 0 is Ok, 1 NotFound, 2
//! BadArgument.

use crate::host::{Headers, Host, Outcome, Plugin, Request, Response};
use std::fmt::Write;

/// A guest's headers callback, which pauses. If a guest has no callback, the host continues.
const PAUSE_HEADERS: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (i32.const 1))"#;

/// A guest: imports, an allocator that never frees, and helpers.
fn guest(callbacks: &str) -> String {
    let mut call = Headers::new();
    call.add(":method", "POST");
    call.add(":path", "/");
    call.add(":authority", "a");
    let call = call.encode();
    let mut escaped = String::new();
    for byte in &call {
        write!(escaped, "\\{byte:02x}").expect("a string grows");
    }
    let call_size = call.len();
    format!(
        r#"(module
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (import "env" "proxy_add_header_map_value"
            (func $add (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_get_header_map_value"
            (func $get (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_get_header_map_pairs"
            (func $pairs (param i32 i32 i32) (result i32)))
        (import "env" "proxy_get_buffer_bytes"
            (func $read (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_set_buffer_bytes"
            (func $write (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_send_local_response"
            (func $send (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
        (import "env" "proxy_http_call"
            (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_register_shared_queue"
            (func $register (param i32 i32 i32) (result i32)))
        (import "env" "proxy_enqueue_shared_queue"
            (func $enqueue (param i32 i32 i32) (result i32)))
        (import "env" "proxy_dequeue_shared_queue"
            (func $dequeue (param i32 i32 i32) (result i32)))
        (import "env" "proxy_set_effective_context"
            (func $effective (param i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "x-a")
        (data (i32.const 32) "new")
        (data (i32.const 48) "known")
        (data (i32.const 256) "{escaped}")
        (global $free (mut i32) (i32.const 4096))
        (global $stream (mut i32) (i32.const 0))
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
            (global.get $free)
            (global.set $free (i32.add (global.get $free) (local.get $size))))
        (func $note (param $status i32)
            (i32.store8 (i32.const 0) (i32.add (i32.const 48) (local.get $status)))
            (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1))))
        (func $add_header (param $map i32) (result i32)
            (call $add (local.get $map)
                (i32.const 16) (i32.const 3) (i32.const 16) (i32.const 3)))
        (func $get_header (param $map i32) (result i32)
            (call $get (local.get $map)
                (i32.const 16) (i32.const 3) (i32.const 8) (i32.const 12)))
        (func $get_pairs (param $map i32) (result i32)
            (call $pairs (local.get $map) (i32.const 8) (i32.const 12)))
        (func $get_body (param $buffer i32) (result i32)
            (call $read (local.get $buffer)
                (i32.const 0) (i32.const 9) (i32.const 8) (i32.const 12)))
        (func $set_body (param $buffer i32) (result i32)
            (call $write (local.get $buffer)
                (i32.const 0) (i32.const -1) (i32.const 32) (i32.const 3)))
        (func $reply (result i32)
            (call $send (i32.const 200) (i32.const 0) (i32.const 0)
                (i32.const 32) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const -1)))
        (func $call (param $name_size i32) (param $headers_size i32) (result i32)
            (call $http_call (i32.const 48) (local.get $name_size)
                (i32.const 256) (local.get $headers_size)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 9) (i32.const 8)))
        (func $call_known (result i32)
            (call $call (i32.const 5) (i32.const {call_size})))
        {callbacks})"#
    )
}

fn plugin(callbacks: &str) -> Plugin {
    host(callbacks).configure("").expect("a guest that starts")
}

fn host(callbacks: &str) -> Host {
    Host::new().cluster("known").guest(guest(callbacks))
}

/// The statuses that the guest has noted, in order.
fn notes(plugin: &Plugin) -> String {
    plugin.log_text().replace('\n', "")
}

fn post() -> Request {
    Request::post("/").body("0123456789")
}

#[test]
fn request_headers_can_be_changed_while_held() {
    let plugin = plugin(&format!(
        r#"{PAUSE_HEADERS}
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (call $note (call $add_header (i32.const 0)))
            (i32.eqz (local.get 2)))"#
    ));
    let mut stream = plugin.stream();
    assert_eq!(stream.request(post()), Outcome::Released);
    // The guest's callback runs twice: for the bytes, and for the end of the stream.
    assert_eq!(notes(&plugin), "00");
    assert_eq!(stream.expect_released().headers.all("x-a").len(), 2);
}

#[test]
fn request_headers_are_out_of_reach_after_continue() {
    let plugin = plugin(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (call $note (call $add_header (i32.const 0)))
            (call $note (call $get_header (i32.const 0)))
            (call $note (call $get_pairs (i32.const 0)))
            (i32.const 0))"#,
    );
    let mut stream = plugin.stream();
    stream.request(post().end_with_last_chunk());
    assert_eq!(notes(&plugin), "220");
    assert!(!stream.expect_released().headers.contains("x-a"));
}

/// The body callback has let the headers go on. Envoy still answers Ok to the change, and loses it.
#[test]
#[should_panic(expected = "Request headers changed after they went on")]
fn request_headers_changed_too_late_fail_the_scenario() {
    let plugin = plugin(&format!(
        r#"{PAUSE_HEADERS}
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            (call $note (call $add_header (i32.const 0)))
            (i32.const 0))"#
    ));
    let mut stream = plugin.stream();
    stream.request(post());
    stream.respond(Response::new(200));
}

#[test]
fn without_hold_a_pause_in_headers_hangs() {
    let host = host(PAUSE_HEADERS).hold(false);
    let plugin = host.configure("").expect("a guest that starts");
    let mut stream = plugin.stream();
    assert_eq!(stream.request(post()), Outcome::Hung);
    assert!(stream.upstream().is_none());
}

#[test]
fn bodies_are_there_in_their_phase_only() {
    let plugin = plugin(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $note (call $set_body (i32.const 0)))
            (call $note (call $get_body (i32.const 0)))
            (call $note (call $get_body (i32.const 4)))
            (call $note (call $get_body (i32.const 7)))
            (call $note (i32.load (i32.const 12)))
            (i32.const 0))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (call $note (call $set_body (i32.const 0)))
            (call $note (call $set_body (i32.const 1)))
            (call $note (call $get_body (i32.const 0)))
            (call $note (i32.load (i32.const 12)))
            (i32.const 0))"#,
    );
    let mut stream = plugin.stream();
    let request = post().without_length().end_with_last_chunk();
    stream.request(request);
    // The last size is that of "new", which is 3. Before that, the host has written no size.
    assert_eq!(notes(&plugin), "201100203");
    assert_eq!(stream.expect_released().text(), "new");
}

/// While the guest pauses, the body grows. The callback for the end gets all of it.
#[test]
fn a_paused_body_accumulates() {
    let plugin = plugin(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (call $note (local.get 1))
            (call $note (local.get 2))
            (i32.eqz (local.get 2)))"#,
    );
    let body = Request::post("/").body("12345");
    for (request, sizes) in [
        (body.clone(), "5051"),
        (body.clone().end_with_last_chunk(), "51"),
        (body.clone().chunks(&[2, 2]), "20405051"),
        (body.chunks(&[2]).trailer("t", "1"), "2050"),
    ] {
        let before = notes(&plugin).len();
        let mut stream = plugin.stream();
        stream.request(&request);
        assert_eq!(&notes(&plugin)[before..], sizes);
        assert_eq!(stream.upstream().expect("a body went on").text(), "12345");
    }
}

#[test]
fn a_body_over_the_buffer_limit_is_refused_by_envoy() {
    let plugin = host(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (i32.const 1))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            (call $note (i32.const 9))
            (i32.const 0))"#,
    );
    let plugin = plugin.buffer_limit(9).configure("").expect("a guest");
    let mut stream = plugin.stream();
    stream.request(post());
    stream.expect_reply(413);
    assert_eq!(notes(&plugin), "9");
}

/// Writes ten bytes in place of the request's body.
const WRITE_TEN: &str = "(call $write
    (i32.const 0) (i32.const 0) (i32.const 99) (i32.const 256) (i32.const 10))";

#[test]
fn a_held_body_written_too_long_in_its_own_callback_is_refused_after_it() {
    let plugin = host(&format!(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (if (local.get 2) (then
                (call $note {WRITE_TEN})
                (call $note (i32.const 1))))
            (i32.eqz (local.get 2)))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            (call $note (i32.const 9))
            (i32.const 0))"#
    ));
    let plugin = plugin.buffer_limit(9).configure("").expect("a guest");
    let mut stream = plugin.stream();
    stream.request(Request::post("/").body("12345"));
    stream.expect_reply(413);
    assert_eq!(notes(&plugin), "019");
    assert_eq!(plugin.open_streams(), 0);
}

/// A guest that writes ten bytes in place of the body when its call is answered, and then does
/// `then`. In its later callbacks it notes 7 to 9.
fn writes_when_answered(then: &str) -> Plugin {
    let plugin = host(&format!(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (global.set $stream (local.get 0))
            (if (local.get 2) (then (drop (call $call_known))))
            (i32.const 1))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
            (drop (call $effective (global.get $stream)))
            (call $note {WRITE_TEN})
            {then})
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            (call $note (i32.const 7))
            (call $note (call $add_header (i32.const 2)))
            (i32.const 0))
        (func (export "proxy_on_done") (param i32) (result i32)
            (call $note (i32.const 8))
            (i32.const 1))
        (func (export "proxy_on_delete") (param i32)
            (call $note (i32.const 9)))"#
    ));
    plugin.buffer_limit(9).configure("").expect("a guest")
}

#[test]
fn a_held_body_written_too_long_later_is_refused_inside_the_host_call() {
    // The stream has ended when the call returns, so there is nothing left to write to.
    let plugin = writes_when_answered("(call $note (call $set_body (i32.const 0)))");
    let mut stream = plugin.stream();
    stream.request(Request::post("/").body("12345"));
    assert_eq!(
        stream.answer("known", Response::new(200)),
        Outcome::Answered
    );
    let reply = stream.expect_reply(413);
    assert_eq!(reply.headers.get("x-a"), Some(b"x-a".as_slice()));
    assert_eq!(notes(&plugin), "708902");
    assert_eq!(plugin.open_streams(), 0);
}

#[test]
#[should_panic(expected = "outside of a stream")]
fn a_request_refused_inside_a_host_call_cannot_go_on() {
    let plugin = writes_when_answered("(drop (call $continue (i32.const 0)))");
    let mut stream = plugin.stream();
    stream.request(Request::post("/").body("12345"));
    stream.answer("known", Response::new(200));
}

#[test]
#[should_panic(expected = "enters the VM again")]
fn a_held_answer_changed_to_more_than_the_buffer_takes_fails_the_scenario() {
    let plugin = host(
        r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
            (if (local.get 2) (then (drop (call $write
                (i32.const 1) (i32.const 0) (i32.const 99) (i32.const 256) (i32.const 10)))))
            (i32.eqz (local.get 2)))"#,
    );
    let plugin = plugin.buffer_limit(9).configure("").expect("a guest");
    let mut stream = plugin.stream();
    stream.request(Request::post("/").body("1"));
    stream.respond_headers(&Response::new(200), false);
    stream.respond_data("12345", false);
    stream.respond_data("", true);
}

#[test]
fn a_queue_wakes_the_root_context_when_the_callback_has_ended() {
    let plugin = plugin(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $note (call $enqueue (i32.const 1) (i32.const 32) (i32.const 3)))
            (call $note (call $register (i32.const 32) (i32.const 3) (i32.const 8)))
            (call $note (call $enqueue (i32.load (i32.const 8)) (i32.const 32) (i32.const 3)))
            (call $note (i32.const 3))
            (i32.const 0))
        (func (export "proxy_on_queue_ready") (param i32 i32)
            (call $note (local.get 0))
            (call $note (call $dequeue (local.get 1) (i32.const 8) (i32.const 12)))
            (call $note (i32.load (i32.const 12)))
            (call $note (call $dequeue (local.get 1) (i32.const 8) (i32.const 12))))"#,
    );
    plugin.stream().request(Request::new("GET", "/"));
    assert_eq!(notes(&plugin), "10031037");
}

#[test]
fn calls_need_a_cluster_and_a_whole_head() {
    let plugin = plugin(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $note (call $call (i32.const 4) (i32.const 999)))
            (call $note (call $call (i32.const 5) (i32.const 0)))
            (call $note (call $call_known))
            (i32.const 1))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
            (call $note (local.get 2))
            (call $note (call $get_pairs (i32.const 6)))
            (call $note (call $get_header (i32.const 6)))
            (call $note (call $get_body (i32.const 4)))
            (call $note (call $add_header (i32.const 6))))"#,
    );
    let mut stream = plugin.stream();
    stream.request(post());
    assert_eq!(stream.calls().len(), 1);
    let answer = Response::new(200).header("x-a", "1").body("{}");
    stream.answer("known", answer);
    assert_eq!(notes(&plugin), "22030002");
}

#[test]
fn a_reset_call_has_neither_headers_nor_body() {
    let plugin = plugin(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $call_known))
            (i32.const 1))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
            (call $note (local.get 2))
            (call $note (call $get_pairs (i32.const 6)))
            (call $note (call $get_header (i32.const 6)))
            (call $note (call $get_body (i32.const 4))))"#,
    );
    let mut stream = plugin.stream();
    assert_eq!(stream.request(Request::get("/")), Outcome::Waiting);
    assert_eq!(stream.reset(0), Outcome::Hung);
    assert_eq!(notes(&plugin), "0021");
}

/// The filter's response callbacks get the filter's own reply. Then the log phase can read all
/// headers, and then the stream ends.
#[test]
fn a_local_reply_comes_back_through_the_filter() {
    let plugin = plugin(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $note (call $reply))
            (i32.const 1))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            (call $note (local.get 1))
            (call $note (call $add_header (i32.const 2)))
            (i32.const 0))
        (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
            (call $note (local.get 1))
            (call $note (call $add_header (i32.const 2)))
            (i32.const 0))
        (func (export "proxy_on_log") (param i32)
            (call $note (call $get_header (i32.const 2)))
            (call $note (call $get_header (i32.const 0))))
        (func (export "proxy_on_delete") (param i32) (call $note (i32.const 9)))"#,
    );
    let mut stream = plugin.stream();
    assert_eq!(stream.request(post()), Outcome::Answered);
    assert_eq!(notes(&plugin), "03032019");
    let reply = stream.expect_reply(200);
    assert_eq!(reply.text(), "new");
    assert_eq!(reply.header("content-type").as_deref(), Some("text/plain"));
    assert!(reply.headers.contains("x-a"));
    assert_eq!(plugin.open_streams(), 0);
}

#[test]
#[should_panic(expected = "replied twice")]
fn two_replies_fail_the_scenario() {
    let plugin = plugin(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $reply))
            (drop (call $reply))
            (i32.const 1))"#,
    );
    plugin.stream().request(post());
}

/// A plugin that holds a request, makes a call, and does `what` when the answer arrives.
fn held_then(what: &str) -> Plugin {
    plugin(&format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (global.set $stream (local.get 0))
            (drop (call $call_known))
            (i32.const 1))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (i32.const 1))
        (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
            {what})"#
    ))
}

const ENTER_STREAM: &str = "(call $note (call $effective (global.get $stream)))";
const CONTINUE: &str = "(drop (call $continue (i32.const 0)))";

#[test]
fn an_answer_can_change_and_release_what_is_held() {
    let plugin = held_then(&format!(
        "{ENTER_STREAM}
        (call $note (call $add_header (i32.const 0)))
        (call $note (call $set_body (i32.const 0)))
        {CONTINUE}
        (call $note (call $add_header (i32.const 0)))"
    ));
    let mut stream = plugin.stream();
    assert_eq!(stream.request(post().without_length()), Outcome::Waiting);
    assert_eq!(
        stream.answer("known", Response::new(200)),
        Outcome::Released
    );
    // Envoy releases the headers within the call itself, so the last change fails.
    assert_eq!(notes(&plugin), "0002");
    let upstream = stream.expect_released();
    assert_eq!(upstream.text(), "new");
    assert!(upstream.headers.contains("x-a"));
    assert!(upstream.route_cache_cleared);
}

#[test]
fn an_answer_for_a_stream_that_is_gone_finds_no_context() {
    let plugin = held_then(ENTER_STREAM);
    let mut stream = plugin.stream();
    stream.request(post());
    stream.client_gone();
    stream.answer("known", Response::new(200));
    assert_eq!(notes(&plugin), "2");
}

#[test]
#[should_panic(expected = "continued while nothing is held")]
fn two_continues_fail_the_scenario() {
    let plugin = held_then(&format!("{ENTER_STREAM} {CONTINUE} {CONTINUE}"));
    let mut stream = plugin.stream();
    stream.request(post());
    stream.answer("known", Response::new(200));
}

#[test]
#[should_panic(expected = "Request continued after its end")]
fn a_continue_after_a_reply_fails_the_scenario() {
    let plugin = held_then(&format!("{ENTER_STREAM} (drop (call $reply)) {CONTINUE}"));
    let mut stream = plugin.stream();
    stream.request(post());
    stream.answer("known", Response::new(200));
}

/// An answer arrives in the root context. The guest itself must choose the context of the stream.
#[test]
#[should_panic(expected = "outside of a stream")]
fn a_continue_in_the_root_context_fails_the_scenario() {
    let plugin = held_then(CONTINUE);
    let mut stream = plugin.stream();
    stream.request(post());
    stream.answer("known", Response::new(200));
}

#[test]
#[should_panic(expected = "inside its own callback")]
fn a_continue_inside_a_request_callback_fails_the_scenario() {
    let plugin = plugin(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $continue (i32.const 0)))
            (i32.const 1))"#,
    );
    plugin.stream().request(post());
}

#[test]
#[should_panic(expected = "says content-length 10, but 3 bytes went on")]
fn a_changed_body_needs_its_length() {
    let plugin = plugin(&format!(
        r#"{PAUSE_HEADERS}
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (drop (call $set_body (i32.const 0)))
            (i32.const 0))"#
    ));
    plugin.stream().request(post().end_with_last_chunk());
}

#[test]
#[should_panic(expected = "the VM crashed in proxy_on_request_headers")]
fn a_crash_fails_the_scenario() {
    let plugin = plugin(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            unreachable)"#,
    );
    plugin.stream().request(post());
}

#[test]
fn a_crash_may_be_expected() {
    let callbacks = r#"(func (export "proxy_on_log") (param i32) unreachable)"#;
    let host = host(callbacks).expect_crash();
    let plugin = host.configure("").expect("a guest that starts");
    let mut stream = plugin.stream();
    stream.request(post());
    stream.client_gone();
    assert_eq!(stream.outcome(), Outcome::Crashed);
    assert!(
        plugin
            .crash()
            .is_some_and(|crash| crash.contains("proxy_on_log"))
    );
}

#[test]
fn a_configuration_can_be_refused() {
    let refused = host(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
            (call $note (call $get_body (i32.const 7)))
            (call $note (i32.load (i32.const 12)))
            (i32.const 0))"#,
    )
    .configure_bytes(b"\xffbc")
    .err()
    .expect("a refusal");
    assert_eq!(refused.log_text(), "0\n3\n");
}

#[test]
#[should_panic(expected = "proxy_make_coffee")]
fn an_unknown_import_is_named() {
    let module = r#"(module
        (import "env" "proxy_make_coffee" (func (result i32)))
        (func (export "proxy_abi_version_0_2_1")))"#;
    let _ = Host::new().guest(module).configure("");
}

#[test]
#[should_panic(expected = "inside proxy_on_memory_allocate")]
fn an_allocator_calls_nothing_but_the_log() {
    let module = r#"(module
        (import "env" "proxy_get_header_map_value"
            (func $get (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) ":path")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32)
            (call $continue (i32.const 0)))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $get (i32.const 0) (i32.const 16) (i32.const 5)
                (i32.const 0) (i32.const 4))))"#;
    let plugin = Host::new().guest(module).configure("").expect("a guest");
    plugin.stream().request(post());
}
