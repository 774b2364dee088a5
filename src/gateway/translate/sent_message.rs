//! What a client sent to a server, as far as it says which answer is expected.

/// What went to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentMessage {
    /// A request: the server must answer it, and the answer ends the exchange.
    Request,
    /// The client's response to a request of the server: it has no answer.
    Response,
    /// No message: a GET, which opens a stream of events.
    Nothing,
}
