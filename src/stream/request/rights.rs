//! What a caller may do (`authorization`), and what lists show of it.

use std::rc::Rc;

use crate::gateway::translate::translation::Translation;
use crate::http::Headers;
use crate::mcp::Message;
use crate::mcp::list::ListKind;
use crate::policy::Refusal;
use crate::policy::access::Access;
use crate::stream::response::routed::RoutedRequest;
use crate::stream::{Effect, HostFacts, Phase, Stream};

impl Stream {
    /// That the caller may do what `message` wants.
    ///
    /// # Errors
    /// It may not.
    pub(in crate::stream) fn permit(
        &self,
        message: &Message<'_>,
        known: &HostFacts,
    ) -> Result<(), Refusal> {
        match &self.config.authorization {
            Some(authorization) => authorization.permit(&known.rights, &Access::of(message)?),
            None => Ok(()),
        }
    }

    /// In policy mode: a list that was asked for is to show what the caller may
    /// use, and nothing else.
    pub(in crate::stream) fn lists(
        &mut self,
        message: &Message<'_>,
        known: &Rc<HostFacts>,
    ) -> Option<Effect> {
        self.config.authorization.as_ref()?;
        let kind = ListKind::of(message.method())?;
        let id = message.id()?.to_owned();
        let translation = self.translation(known, Some((kind, id)));
        self.reads_lists(translation);
        self.config.hold.then(uncompressed)
    }

    /// In policy mode: what a legacy server goes on with on GET may be a list.
    pub(in crate::stream) fn listen_unread(
        &mut self,
        headers: &Headers,
        known: &Rc<HostFacts>,
    ) -> Option<Effect> {
        self.config.authorization.as_ref()?;
        let is_stream = headers.get(":method") == Some(b"GET");
        is_stream.then(|| {
            let translation = self.translation(known, None);
            self.reads_lists(translation);
            uncompressed()
        })
    }

    /// Without hold: the headers go on before it is known whether this is a list.
    pub(in crate::stream) fn unheld(&self) -> Option<Effect> {
        let may_be_cut = self.config.authorization.is_some() && !self.config.hold;
        may_be_cut.then(uncompressed)
    }

    fn translation(&self, known: &HostFacts, list: Option<(ListKind, String)>) -> Translation {
        Translation::policy_mode(Rc::clone(&self.config), known.rights.clone(), list)
    }

    fn reads_lists(&mut self, translation: Translation) {
        self.phase = Phase::Routed(RoutedRequest::behind(translation));
    }
}

/// What is compressed cannot be looked into.
fn uncompressed() -> Effect {
    Effect::RemoveRequestHeader("accept-encoding".to_owned())
}
