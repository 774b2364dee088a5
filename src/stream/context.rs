//! The data that the handlers of an event use.

use std::rc::Rc;

use super::endpoint::Endpoint;
use crate::config::{Config, Gateway};
use crate::gateway::worker::Worker;
use crate::gateway::worker::calls::StreamId;
use crate::stream::request::body_hold::BodyHold;

/// The data that a handler uses in both modes.
pub(in crate::stream) struct StreamContext<'c> {
    pub(in crate::stream) id: StreamId,
    pub(in crate::stream) config: &'c Rc<Config>,
    /// The requirements of the endpoint for the response, see [`Endpoint`].
    pub(in crate::stream) endpoint: &'c mut Option<Endpoint>,
    pub(in crate::stream) worker: &'c mut Worker,
}

/// The data that a handler uses in gateway mode.
pub(in crate::stream) struct GatewayContext<'c> {
    pub(in crate::stream) id: StreamId,
    pub(in crate::stream) config: &'c Config,
    /// The gateway of the request's endpoint.
    pub(in crate::stream) gateway: &'c Gateway,
    pub(in crate::stream) worker: &'c mut Worker,
}

impl<'c> StreamContext<'c> {
    /// The gateway of the request's endpoint; `None` in policy mode.
    pub(in crate::stream) fn gateway(&self) -> Option<&'c Gateway> {
        let endpoint = self.endpoint.as_ref()?.id?;
        self.config.gateway.as_ref()?.at(endpoint)
    }

    /// Remembers that a part of a request's body arrived, or its end.
    pub(in crate::stream) fn note_body(&mut self) {
        if self.config.hold {
            BodyHold::Works.remember();
        }
    }

    /// The context for gateway mode; `None` in policy mode.
    pub(in crate::stream) fn in_gateway(&mut self) -> Option<GatewayContext<'_>> {
        Some(GatewayContext {
            id: self.id,
            config: self.config,
            gateway: self.gateway()?,
            worker: self.worker,
        })
    }
}
