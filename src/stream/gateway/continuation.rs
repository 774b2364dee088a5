//! The next step of a request after all calls of a fan-out have results.

use std::rc::Rc;

use crate::config::ServerId;
use crate::gateway::fanout::Fanout;
use crate::gateway::fanout::collision::Collision;
use crate::http::Headers;
use crate::http::Reply;
use crate::mcp::{Invalid, Message};
use crate::policy::Refusal;
use crate::policy::Status;
use crate::policy::attributes::Attributes;
use crate::policy::failed_request::FailedRequest;
use crate::stream::context::GatewayContext;
use crate::stream::event::{Effect, HostFacts};
use crate::stream::gateway::initialize::Initialization;
use crate::stream::gateway::lookup::NameLookup;
use crate::stream::gateway::pins::route_to_listed;
use crate::stream::gateway::route::route_to_opened;
use crate::stream::gateway::session::session_ended;
use crate::stream::gateway::tool_search::{self, warn_of_name};
use crate::stream::gateway::{Client, IncomingMessage, Rewritten, dispatch, short_names, views};
use crate::stream::phase::Transition;
use crate::stream::request::refused::refuse_message;

/// The next step after all calls have results.
pub(super) enum Continuation {
    /// The client gets the merged results.
    AnswerClient {
        /// The JSON text of the request's id.
        id: String,
        facts: Rc<HostFacts>,
    },
    /// The session of a legacy client begins.
    StartSession(Initialization),
    /// The session of a legacy client is over.
    EndSession,
    /// The lists of several servers show which server has what the request names.
    FindServer(Box<SuspendedRequest>, NameLookup),
    /// The list of this server shows whether the called tool has its pinned definition.
    CheckPins(Box<SuspendedRequest>, ServerId),
    /// The request goes to this server, since its protocol is known now.
    RouteTo(Box<SuspendedRequest>, ServerId),
    /// The request goes to this server, since its list has shown the headers of the tool.
    CallViewed(Box<SuspendedRequest>, ServerId),
    /// The request goes on with the full name of the tool, which the lists show.
    ResolveName(Box<SuspendedRequest>),
    /// The lists of tools show how to answer a call of `search_tools` or `call_tool`.
    SearchTools(Box<SuspendedRequest>),
}

/// A request that waits until the gateway knows which server gets it.
pub(super) struct SuspendedRequest {
    headers: Headers,
    /// The text of the message.
    text: String,
    has_trailers: bool,
    client: Client,
    facts: Rc<HostFacts>,
    rewritten: Option<Rc<Rewritten>>,
}

/// The function that continues a suspended request.
type Resume<'f, 'c> =
    dyn FnMut(&mut GatewayContext<'c>, IncomingMessage<'_>) -> Result<Transition, Refusal> + 'f;

impl Continuation {
    /// About how many bytes of memory it takes up.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::AnswerClient { id, .. } => id.len(),
            Self::StartSession(initialization) => initialization.size(),
            Self::EndSession => 0,
            Self::FindServer(request, _)
            | Self::CheckPins(request, _)
            | Self::RouteTo(request, _)
            | Self::CallViewed(request, _)
            | Self::ResolveName(request)
            | Self::SearchTools(request) => request.size(),
        }
    }

    /// Continues with the results.
    pub(super) fn resume(self, cx: &mut GatewayContext<'_>, fanout: Fanout) -> Transition {
        match self {
            Self::AnswerClient { id, facts } => answer_client(cx, fanout, &id, &facts),
            Self::StartSession(initialization) => initialization.finish(cx, fanout),
            Self::EndSession => Transition::reply(session_ended()),
            Self::FindServer(request, lookup) => {
                request.resume(cx, None, |cx, request| lookup.finish(cx, &fanout, request))
            }
            Self::CheckPins(request, server) => request.resume(cx, Some(server), |cx, request| {
                route_to_listed(cx, &fanout, request, server)
            }),
            Self::RouteTo(request, server) => request.resume(cx, Some(server), |cx, request| {
                route_to_opened(cx, &fanout, request, server)
            }),
            Self::SearchTools(request) => request.resume(cx, None, |cx, request| {
                tool_search::finish(cx, fanout, request)
            }),
            Self::ResolveName(request) => request.resume_by_whole_name(cx, &fanout),
            Self::CallViewed(request, server) => request.resume(cx, Some(server), |cx, request| {
                let server = cx.gateway.server(server).ok_or(Refusal::Internal)?;
                views::call_listed(cx, &fanout, request, server)
            }),
        }
    }
}

/// Answers the client's request `id` with the merged results.
fn answer_client(
    cx: &mut GatewayContext<'_>,
    fanout: Fanout,
    id: &str,
    facts: &HostFacts,
) -> Transition {
    let era = fanout.caller().era;
    let authorization = cx.config.authorization.as_ref();
    let rights = authorization.map(|authorization| (authorization, &facts.rights));
    let mut effects = short_names::report(cx, &fanout);
    let outcome = fanout.outcome(id, cx.gateway, rights);
    if let Some((server, name)) = outcome.names.taken {
        warn_of_name(cx, server, name);
    }
    let collisions = &outcome.names.collisions;
    if !collisions.is_empty() {
        let left_out = u64::try_from(collisions.len()).unwrap_or(u64::MAX);
        effects.push(Effect::Count(cx.config.metrics.collisions, left_out));
    }
    for collision in collisions {
        let Collision {
            kind, name, server, ..
        } = collision;
        if cx.worker.collisions.is_new(*kind, name, *server) {
            let line = collision.for_log(cx.gateway);
            effects.push(Effect::Log(log::Level::Warn, line));
        }
    }
    let answered = match outcome.response {
        Ok(body) => Transition::reply(Reply::json(200, body, Status::Ok.as_str())),
        Err(refusal) => {
            let request = FailedRequest::of_client(id, era);
            Transition::refuse_request(cx.config, &refusal, request)
        }
    };
    answered.after(effects)
}

impl SuspendedRequest {
    /// The parts of `request` that the gateway needs to continue later.
    pub(super) fn of(request: &IncomingMessage<'_>) -> Box<Self> {
        Box::new(Self {
            headers: request.headers.clone(),
            text: request.message.text.to_owned(),
            has_trailers: request.has_trailers,
            client: request.client.clone(),
            facts: Rc::clone(request.facts),
            rewritten: request.rewritten.clone(),
        })
    }

    /// The same request with the message `text` in place of its own. `param_headers` are the
    /// headers that repeat arguments of that message: names and values.
    pub(super) fn rewritten(
        request: &IncomingMessage<'_>,
        text: String,
        param_headers: Vec<(String, String)>,
    ) -> Self {
        Self {
            headers: request.headers.clone(),
            text,
            has_trailers: request.has_trailers,
            client: request.client.clone(),
            facts: Rc::clone(request.facts),
            rewritten: Some(Rc::new(Rewritten {
                param_headers: Some(param_headers),
            })),
        }
    }

    fn size(&self) -> usize {
        self.text.len().saturating_add(self.headers.size())
    }

    /// Continues with the full name of the tool in the message, as if the client had sent that
    /// name. The lists of `fanout` show the full name.
    fn resume_by_whole_name(mut self, cx: &mut GatewayContext<'_>, fanout: &Fanout) -> Transition {
        let whole = match Message::read(&self.text) {
            Ok(message) => short_names::with_whole_name(cx, fanout, &message),
            Err(_) => Err(Refusal::Internal),
        };
        let resolved = whole.map(|text| {
            if let Some(text) = text {
                self.text = text;
                let by_name = || {
                    Rc::new(Rewritten {
                        param_headers: None,
                    })
                };
                self.rewritten.get_or_insert_with(by_name);
            }
        });
        self.resume(cx, None, |cx, request| {
            resolved?;
            let era = request.client.era();
            dispatch(cx, request, era)
        })
    }

    /// Reads the message again, and continues with it. If `server` is given, the request goes
    /// there.
    pub(super) fn resume<'c>(
        &self,
        cx: &mut GatewayContext<'c>,
        server: Option<ServerId>,
        then: impl FnOnce(&mut GatewayContext<'c>, IncomingMessage<'_>) -> Result<Transition, Refusal>,
    ) -> Transition {
        let mut then = Some(then);
        self.resume_once(cx, server, &mut |cx, request| match then.take() {
            Some(then) => then(cx, request),
            None => Err(Refusal::Internal),
        })
    }

    /// The same, not generic over `resume`, so that the compiler emits this code only once.
    fn resume_once<'c>(
        &self,
        cx: &mut GatewayContext<'c>,
        server: Option<ServerId>,
        then: &mut Resume<'_, 'c>,
    ) -> Transition {
        let Ok(message) = Message::read(&self.text) else {
            // The text was a message before, so this does not happen.
            let refusal = Refusal::Body(Invalid::NotJsonRpc("it has changed"));
            return Transition::refuse(cx.config, &refusal, None);
        };
        let attributes = Attributes::of(&message, &self.headers, &cx.config.rules);
        let resumed = attributes.and_then(|attributes| {
            let request = IncomingMessage {
                message: &message,
                attributes,
                client: self.client.with_joined(cx),
                headers: &self.headers,
                facts: &self.facts,
                has_trailers: self.has_trailers,
                rewritten: self.rewritten.clone(),
            };
            then(cx, request)
        });
        resumed.unwrap_or_else(|refusal| {
            let understood = (&message, &self.headers);
            let era = Some(self.client.era());
            let at = (cx.config, Some(cx.gateway));
            refuse_message(at, &refusal, understood, era, server)
        })
    }
}
