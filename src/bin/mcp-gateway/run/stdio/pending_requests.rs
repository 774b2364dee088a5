//! The requests that wait for one process, and the recipients of its messages.

use std::sync::{Mutex, MutexGuard};

use mcp_gateway::mcp::jsonrpc::INTERNAL_ERROR;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::lock;
use super::message::{WireKind, WireMessage};

/// The most requests that may wait for one process.
const MAX_CALLS: usize = 1024;
/// The most messages that may wait for one client, in addition to the response.
const MAX_MESSAGES: usize = 1024;

/// The messages of a process for one request, or for a client's stream. If the request gets no
/// response, the last item is the reason, as a part of a sentence.
pub(super) type Messages = mpsc::Receiver<Item>;

type Item = Result<WireMessage, String>;

/// The requests that wait for one process. The process gets other ids and progress tokens than the
/// clients use, since several clients may use the same ones.
#[derive(Default)]
pub(super) struct PendingRequests(Mutex<Waiting>);

/// The clients whose requests a process answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Clients {
    /// The client of one session (MCP up to 2025-11-25).
    #[default]
    One,
    /// All clients (MCP 2026-07-28, which has no sessions).
    Many,
}

#[derive(Default)]
struct Waiting {
    clients: Clients,
    last_id: u64,
    /// In the order of their age, the oldest first.
    calls: Vec<WaitingCall>,
    /// The client's stream for messages that do not belong to a request.
    stream: Option<mpsc::Sender<Item>>,
}

/// A request that has no response yet.
struct WaitingCall {
    /// The id and the progress token that the process gets.
    id: u64,
    /// The client's own ones, as JSON.
    client_id: String,
    progress_token: Option<String>,
    is_subscription: bool,
    wants_logs: bool,
    sender: mpsc::Sender<Item>,
    /// A reserved place for the response, so that it is not lost if many messages wait.
    response: mpsc::OwnedPermit<Item>,
}

/// What the caller has to do with a message of the process.
pub(super) enum Delivered {
    /// Nothing: a client gets it, or no client wants it.
    Done,
    /// The message is a request, and no client can answer it. This line is the response.
    Refused(String),
    /// The client has not read earlier messages yet, so the message has to wait for the client.
    Full(mpsc::Sender<Item>, WireMessage),
}

/// The recipient of a message of the process.
enum Recipient {
    Client(mpsc::Sender<Item>),
    /// There is none: the request that it belongs to has ended.
    Nowhere,
    /// There is no client.
    Nobody,
}

impl PendingRequests {
    pub(super) fn new(clients: Clients) -> Self {
        Self(Mutex::new(Waiting {
            clients,
            ..Waiting::default()
        }))
    }

    pub(super) fn set_clients(&self, clients: Clients) {
        self.waiting().clients = clients;
    }

    /// Registers `request`, and gives it the id for the process. Its messages end with the
    /// response, or with the reason why there is none. `None` if too many requests wait.
    pub(super) fn register(&self, request: &mut WireMessage) -> Option<(u64, Messages)> {
        let mut waiting = self.waiting();
        if waiting.calls.len() >= MAX_CALLS {
            waiting.calls.retain(|call| !call.sender.is_closed());
        }
        if waiting.calls.len() >= MAX_CALLS {
            return None;
        }
        waiting.last_id += 1;
        let id = waiting.last_id;
        let (sender, messages) = mpsc::channel(MAX_MESSAGES + 1);
        let response = sender.clone().try_reserve_owned().ok()?;
        let call = WaitingCall {
            id,
            client_id: request.id().unwrap_or("null").to_owned(),
            progress_token: request.progress_token(),
            is_subscription: request.kind == WireKind::Request("subscriptions/listen".into()),
            wants_logs: request.wants_logs(),
            sender,
            response,
        };
        request.set_id(&id.to_string());
        if call.progress_token.is_some() {
            request.set_progress_token(&id.to_string());
        }
        waiting.calls.push(call);
        Some((id, messages))
    }

    /// Forgets the request with this id. Returns whether the request was waiting.
    pub(super) fn forget(&self, id: u64) -> bool {
        let mut waiting = self.waiting();
        let before = waiting.calls.len();
        waiting.calls.retain(|call| call.id != id);
        waiting.calls.len() < before
    }

    /// Writes the process's id of the cancelled request into a client's notification. That request
    /// does not wait any more, since the process does not answer it. Returns whether the process
    /// must get the notification. It must not if the request has its response already: then the
    /// client's id may be the process's id of another request.
    pub(super) fn cancel(&self, notification: &mut WireMessage) -> bool {
        if notification.kind != WireKind::Notification("notifications/cancelled".into()) {
            return true;
        }
        let Some(client_id) = notification.cancels() else {
            return false;
        };
        let mut waiting = self.waiting();
        let is_cancelled = |call: &WaitingCall| call.client_id == client_id;
        let Some(at) = waiting.calls.iter().position(is_cancelled) else {
            return false;
        };
        let call = waiting.calls.remove(at);
        notification.set_cancels(&call.id.to_string());
        call.give_up("does not answer, since the client has cancelled the request");
        true
    }

    /// Opens the stream for messages that do not belong to a request. It replaces the stream
    /// before.
    pub(super) fn open_stream(&self) -> Messages {
        let (sender, messages) = mpsc::channel(MAX_MESSAGES);
        self.waiting().stream = Some(sender);
        messages
    }

    /// Whether no client waits for a response.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting()
            .calls
            .iter()
            .all(|call| call.sender.is_closed())
    }

    /// Ends the messages of all requests with `reason`, because the process has ended. The client's
    /// stream stays, for the next process.
    pub(super) fn end(&self, reason: &str) {
        for call in self.waiting().calls.drain(..) {
            call.give_up(reason);
        }
    }

    /// Gives a message of the process to the client that waits for it.
    pub(super) fn deliver(&self, message: WireMessage) -> Delivered {
        let mut waiting = self.waiting();
        if message.is_response() {
            waiting.respond(message);
            return Delivered::Done;
        }
        let request_id = match message.kind {
            WireKind::Request(_) => message.id().map(str::to_owned),
            _ => None,
        };
        let refused = |id: String| {
            let reason = "no client is connected that can answer";
            Delivered::Refused(WireMessage::error(Some(&id), INTERNAL_ERROR, reason))
        };
        let mut message = message;
        match waiting.recipient(&mut message) {
            Recipient::Client(sender) => match sender.try_reserve() {
                Ok(place) => {
                    place.send(Ok(message));
                    return Delivered::Done;
                }
                Err(TrySendError::Full(())) => return Delivered::Full(sender.clone(), message),
                Err(TrySendError::Closed(())) => {}
            },
            Recipient::Nowhere => return Delivered::Done,
            Recipient::Nobody => {}
        }
        request_id.map_or(Delivered::Done, refused)
    }

    /// Ends the stream of `sender`, because its client does not read.
    pub(super) fn close(&self, sender: &mpsc::Sender<Item>) {
        let mut waiting = self.waiting();
        let is_closed = |call: &mut WaitingCall| call.sender.same_channel(sender);
        for call in waiting.calls.extract_if(.., is_closed) {
            call.give_up("does not answer, since the client has not read its messages");
        }
        waiting.stream.take_if(|stream| stream.same_channel(sender));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.0)
    }
}

impl WaitingCall {
    /// Ends the messages of the request, which gets no response.
    fn give_up(self, reason: &str) {
        self.response.send(Err(reason.to_owned()));
    }
}

impl Waiting {
    fn respond(&mut self, mut response: WireMessage) {
        let id = response.id().unwrap_or_default();
        let Some(at) = self.calls.iter().position(|call| call.id.to_string() == id) else {
            return;
        };
        let call = self.calls.remove(at);
        response.set_id(&call.client_id);
        // Results of other requests may be long, and need not be searched.
        if call.is_subscription && response.subscription().is_some() {
            response.set_subscription(&call.client_id);
        }
        call.response.send(Ok(response));
    }

    /// The recipient of a request or a notification. The message gets the client's own ids.
    fn recipient(&self, message: &mut WireMessage) -> Recipient {
        let client = |call: &WaitingCall| Recipient::Client(call.sender.clone());
        if let Some(token) = message.progress_of() {
            // The progress is for the call with this token; for another call, the number would have
            // another meaning.
            let call = self.calls.iter().find(|call| call.id.to_string() == token);
            let call = call.and_then(|call| Some((call, call.progress_token.as_ref()?)));
            return call.map_or(Recipient::Nowhere, |(call, client_token)| {
                message.set_progress_of(client_token);
                client(call)
            });
        }
        if let Some(id) = message.subscription() {
            let call = self.calls.iter().find(|call| call.id.to_string() == id);
            return call.map_or(Recipient::Nowhere, |call| {
                message.set_subscription(&call.client_id);
                client(call)
            });
        }
        let is_about_the_server = matches!(
            &message.kind,
            WireKind::Notification(method)
                if method.ends_with("/list_changed") || method.ends_with("/updated")
        );
        let stream = self.stream.as_ref().filter(|stream| !stream.is_closed());
        // The output of a process does not show which request such a message belongs to. If there
        // is one client, its newest request gets the message. If there are several clients, no
        // request is certain to be the right one.
        let is_log = message.kind == WireKind::Notification("notifications/message".into());
        let takes = |call: &&WaitingCall| {
            let may_want = self.clients == Clients::One || !is_log || call.wants_logs;
            may_want && !call.is_subscription && !call.sender.is_closed()
        };
        let mut calls = self.calls.iter().rev().filter(takes);
        let newest = calls.next().map(|call| &call.sender);
        let newest = newest.filter(|_| self.clients == Clients::One || calls.next().is_none());
        let place = if is_about_the_server {
            stream.or(newest)
        } else {
            newest.or(stream)
        };
        place.cloned().map_or(Recipient::Nobody, Recipient::Client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> WireMessage {
        WireMessage::parse(text).unwrap()
    }

    fn lines(messages: &mut Messages) -> Vec<String> {
        std::iter::from_fn(|| messages.try_recv().ok())
            .map(|item| item.map_or_else(|reason| reason, |message| message.line()))
            .collect()
    }

    /// Two requests with the same id and the same token, and the table in which they wait.
    fn two() -> (PendingRequests, Messages, Messages) {
        let pending = PendingRequests::default();
        let mut seen = Vec::new();
        let mut call = || {
            let mut request = message(
                r#"{"id":"x","method":"tools/call","params":{"_meta":{"progressToken":"t"}}}"#,
            );
            let (_, messages) = pending.register(&mut request).unwrap();
            seen.push(request.line());
            messages
        };
        let (one, two) = (call(), call());
        let expected = |id: u8| {
            format!(
                r#"{{"id":{id},"method":"tools/call","params":{{"_meta":{{"progressToken":{id}}}}}}}"#
            )
        };
        assert_eq!(seen, [expected(1), expected(2)]);
        (pending, one, two)
    }

    #[test]
    fn each_client_gets_what_belongs_to_its_request_under_its_own_names() {
        let (pending, mut one, mut two) = two();
        for text in [
            r#"{"method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#,
            r#"{"id":2,"result":{}}"#,
            r#"{"id":1,"result":{"a":1}}"#,
            r#"{"id":1,"result":{"again":1}}"#,
            r#"{"id":9,"result":{}}"#,
        ] {
            assert!(matches!(pending.deliver(message(text)), Delivered::Done));
        }
        assert_eq!(
            lines(&mut one),
            [
                r#"{"method":"notifications/progress","params":{"progress":1,"progressToken":"t"}}"#,
                r#"{"id":"x","result":{"a":1}}"#
            ]
        );
        assert_eq!(lines(&mut two), [r#"{"id":"x","result":{}}"#]);
        assert!(pending.is_idle());
    }

    #[test]
    fn requests_of_the_server_go_to_the_newest_call_and_are_refused_without_one() {
        let (pending, mut one, mut two) = two();
        let asks = r#"{"id":5,"method":"roots/list"}"#;
        assert!(matches!(pending.deliver(message(asks)), Delivered::Done));
        assert_eq!((lines(&mut one).len(), lines(&mut two).len()), (0, 1));
        pending.end("ended");
        for mut messages in [one, two] {
            assert_eq!(lines(&mut messages), ["ended"]);
            assert!(messages.blocking_recv().is_none());
        }
        assert!(
            matches!(pending.deliver(message(asks)), Delivered::Refused(line) if line.contains("\"id\":5"))
        );
        let tells = r#"{"method":"notifications/message","params":{}}"#;
        assert!(matches!(pending.deliver(message(tells)), Delivered::Done));
        let mut stream = pending.open_stream();
        pending.deliver(message(asks));
        pending.deliver(message(tells));
        assert_eq!(lines(&mut stream).len(), 2);
    }

    #[test]
    fn a_cancelled_request_waits_no_longer() {
        let pending = PendingRequests::default();
        let mut request = message(r#"{"id":"x","method":"tools/call"}"#);
        let (_, mut messages) = pending.register(&mut request).unwrap();
        let mut cancels =
            message(r#"{"method":"notifications/cancelled","params":{"requestId":"x"}}"#);
        assert!(pending.cancel(&mut cancels));
        assert_eq!(cancels.cancels().as_deref(), Some("1"));
        assert!(pending.is_idle());
        assert_eq!(
            lines(&mut messages),
            ["does not answer, since the client has cancelled the request"]
        );
        let mut unknown =
            message(r#"{"method":"notifications/cancelled","params":{"requestId":"y"}}"#);
        assert!(!pending.cancel(&mut unknown));
        assert!(pending.cancel(&mut message(r#"{"method":"notifications/initialized"}"#)));
    }

    #[test]
    fn a_subscription_gets_its_own_notifications() {
        let pending = PendingRequests::default();
        let mut listen = message(r#"{"id":"s","method":"subscriptions/listen"}"#);
        let (_, mut messages) = pending.register(&mut listen).unwrap();
        pending.deliver(message(r#"{"method":"notifications/message"}"#));
        pending.deliver(message(
            r#"{"method":"n","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}"#,
        ));
        assert_eq!(
            lines(&mut messages),
            [r#"{"method":"n","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}"#]
        );
    }

    #[test]
    fn no_client_gets_what_may_belong_to_another() {
        let pending = PendingRequests::new(Clients::Many);
        let call = || message(r#"{"id":1,"method":"tools/call"}"#);
        let logged = || {
            message(
                r#"{"id":1,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/logLevel":"info"}}}"#,
            )
        };
        let (_, mut one) = pending.register(&mut call()).unwrap();
        let tells = r#"{"method":"notifications/message","params":{}}"#;
        pending.deliver(message(tells));
        assert_eq!(lines(&mut one), [""; 0]);
        let (_, mut two) = pending.register(&mut call()).unwrap();
        pending.deliver(message(tells));
        assert_eq!((lines(&mut one).len(), lines(&mut two).len()), (0, 0));
        // Of several calls, only this one wants log messages.
        let (_, mut three) = pending.register(&mut logged()).unwrap();
        pending.deliver(message(tells));
        assert_eq!(lines(&mut three), [tells]);
        assert_eq!((lines(&mut one).len(), lines(&mut two).len()), (0, 0));
    }

    #[test]
    fn what_is_about_a_call_that_has_ended_goes_to_no_other() {
        for clients in [Clients::One, Clients::Many] {
            let pending = PendingRequests::new(clients);
            let mut call = message(r#"{"id":1,"method":"tools/call"}"#);
            let (_, mut messages) = pending.register(&mut call).unwrap();
            for text in [
                r#"{"method":"notifications/progress","params":{"progressToken":7,"progress":1}}"#,
                // No request asked for it.
                r#"{"method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#,
                r#"{"method":"n","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7}}}"#,
            ] {
                assert!(matches!(pending.deliver(message(text)), Delivered::Done));
            }
            assert_eq!(lines(&mut messages), [""; 0], "{clients:?}");
        }
    }

    #[test]
    fn a_response_has_its_place_however_many_messages_wait() {
        let pending = PendingRequests::default();
        let (_, mut messages) = pending
            .register(&mut message(r#"{"id":"x","method":"m"}"#))
            .unwrap();
        let tells = r#"{"method":"notifications/message"}"#;
        for _ in 0..MAX_MESSAGES {
            assert!(matches!(pending.deliver(message(tells)), Delivered::Done));
        }
        let Delivered::Full(sender, _) = pending.deliver(message(tells)) else {
            panic!("a place");
        };
        pending.deliver(message(r#"{"id":1,"result":{}}"#));
        let lines = lines(&mut messages);
        assert_eq!(lines.len(), MAX_MESSAGES + 1);
        assert_eq!(lines[MAX_MESSAGES], r#"{"id":"x","result":{}}"#);

        let mut stream = pending.open_stream();
        pending.close(&sender);
        assert!(matches!(pending.deliver(message(tells)), Delivered::Done));
        assert_eq!(self::lines(&mut stream), [tells]);
    }

    #[test]
    fn the_number_of_requests_is_limited() {
        let pending = PendingRequests::default();
        let call = || message(r#"{"id":1,"method":"m"}"#);
        let kept: Vec<_> = (0..MAX_CALLS)
            .map(|_| pending.register(&mut call()).unwrap())
            .collect();
        assert!(pending.register(&mut call()).is_none());
        assert!(pending.forget(kept[0].0) && !pending.forget(kept[0].0));
        assert!(pending.register(&mut call()).is_some());
    }
}
