//! What kind of message a client sent to a server. It says whether the server answers.

/// The kind of message that the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentMessage {
    /// A request: the server must answer it, and the answer ends the exchange.
    Request,
    /// The client's response to a request of the server: it has no answer.
    Response,
    /// No message: a GET, which opens a stream of events.
    Nothing,
}
