//! One socket from its upgrade to its close: a loop over what comes in, what goes out, and the clock.
//!
//! Thousands of sockets rest at any time. What they do rarely is awaited in a box, so that a resting socket is small.

use std::{collections::VecDeque, future::poll_fn, sync::Arc, time::Duration};

use async_graphql::parser::types::OperationType;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use canopy_domain::{Actor, Credentials, ErrorCode, events::RightsWatch};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tracing::{debug, info};

use super::{
    super::{Gateway, answer::Answer, document, engine::SUB_ACCOUNT, request_id::RequestId},
    message::{self, Client, Close, Refused, Server},
    operations::{Operations, Step, StepKind},
    pulse::{Pulse, patience},
    watch::{Watch, expired},
};

/// How many messages go out in one write.
const AT_ONCE: usize = 32;
/// How long a close frame may take to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a socket ended.
enum End {
    /// The connection broke.
    Gone,
    /// The client closed it.
    Left,
    /// The server closes it.
    Close(Close),
}

/// Who is on the socket.
enum State {
    /// `connection_init` has not come yet.
    Waiting,
    /// Acknowledged. Nobody, or someone.
    Ready(Option<Actor>),
}

struct Session {
    gateway: Arc<Gateway>,
    id: RequestId,
    from_headers: Credentials,
    state: State,
    rights: RightsWatch,
    operations: Operations,
    socket: WebSocket,
    /// What is to be sent and was not yet.
    unsent: VecDeque<Message>,
}

/// Serves one socket until either side closes it.
pub(super) async fn run(gateway: Arc<Gateway>, id: RequestId, from_headers: Credentials, socket: WebSocket) {
    metrics::gauge!("canopy_websockets_open").increment(1.0);
    let (sender, steps) = mpsc::channel(gateway.config.subscriptions.buffer.max(1));
    let operations = Operations::new(sender, id.0.clone());
    let request_id = id.0.clone();
    let mut session = Session {
        rights: gateway.engine.domain.watch_rights(),
        gateway,
        id,
        from_headers,
        state: State::Waiting,
        operations,
        socket,
        unsent: VecDeque::new(),
    };
    let end = session.serve(steps).await;
    let Session {
        socket, operations, ..
    } = session;
    drop(operations);
    match end {
        End::Close(why) => {
            info!(request_id, code = why.code(), "closing the socket");
            close(socket, &why).await;
        }
        End::Left => {
            debug!(request_id, "the client closed the socket");
            // The library has the reply ready: reading on sends it.
            drain(socket).await;
        }
        End::Gone => debug!(request_id, "the connection broke"),
    }
    metrics::gauge!("canopy_websockets_open").decrement(1.0);
}

/// Sends a close frame and waits a moment for the client's own.
pub(super) async fn close(mut socket: WebSocket, why: &Close) {
    let frame = CloseFrame {
        code: why.code(),
        reason: why.reason().into(),
    };
    if let Ok(Ok(())) = tokio::time::timeout(CLOSE_TIMEOUT, socket.send(Message::Close(Some(frame)))).await {
        drain(socket).await;
    }
}

/// Reads to the end of the connection, for a moment: a client that does not end it is dropped.
async fn drain(mut socket: WebSocket) {
    let rest = async { while let Some(Ok(_)) = socket.next().await {} };
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, rest).await;
}

impl Session {
    async fn serve(&mut self, mut steps: mpsc::Receiver<Step>) -> End {
        let bounds = &self.gateway.config.subscriptions;
        let mut pulse = Pulse::new(bounds);
        let mut watch = Watch::new(&self.gateway.draining, bounds.init_timeout.get());
        let mut waiting = true;
        loop {
            // A turn may be long: it ends when the client has taken what is sent to it. What ends the socket does not
            // wait for that.
            let turn = tokio::select! {
                biased;
                close = watch.over() => Err(End::Close(close)),
                turn = self.turn(&mut steps, &mut pulse) => turn,
            };
            match turn {
                Ok(()) => {}
                Err(End::Close(Close::GoingAway)) => return Box::pin(self.finish(&mut steps)).await,
                Err(end) => return end,
            }
            if let State::Ready(actor) = &self.state
                && waiting
            {
                waiting = false;
                watch.ready(actor.as_ref());
            }
        }
    }

    /// The server is going away: subscriptions end here, to be resumed elsewhere, and what else is running is answered.
    async fn finish(&mut self, steps: &mut mpsc::Receiver<Step>) -> End {
        self.operations.stop_subscriptions();
        let bound = self.gateway.config.http.shutdown_timeout.get();
        let answered = async {
            self.flush().await?;
            while !self.operations.is_empty() {
                tokio::select! {
                    Some(step) = steps.recv() => self.forward_ready(step, steps).await?,
                    incoming = self.socket.recv() => match incoming {
                        Some(Ok(Message::Close(_))) => return Err(End::Left),
                        // Nothing new is begun.
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => return Err(End::Gone),
                    }
                }
            }
            Ok(())
        };
        match tokio::time::timeout(bound, answered).await {
            Ok(Err(end)) => end,
            Ok(Ok(())) | Err(_) => End::Close(Close::GoingAway),
        }
    }

    /// Waits for one thing to do, and does it.
    async fn turn(&mut self, steps: &mut mpsc::Receiver<Step>, pulse: &mut Pulse) -> Result<(), End> {
        tokio::select! {
            () = self.rights.changed() => match self.is_concerned() {
                true => Box::pin(self.check_credential()).await,
                false => Ok(()),
            },
            incoming = self.socket.recv() => {
                pulse.heard();
                match incoming {
                    Some(Ok(message)) => self.receive(message).await,
                    Some(Err(_)) => Err(End::Close(Close::Malformed)),
                    None => Err(End::Gone),
                }
            }
            Some(step) = steps.recv() => self.forward_ready(step, steps).await,
            () = pulse.beat() => {
                if pulse.is_silent() {
                    Err(End::Close(Close::Silent))
                } else {
                    self.send_frame(Message::Ping(Default::default())).await
                }
            }
        }
    }

    /// Whether rights have changed since this was asked, and they may be those of the socket's actor.
    fn is_concerned(&mut self) -> bool {
        match &self.state {
            State::Ready(Some(actor)) => self.rights.take(actor),
            State::Ready(None) | State::Waiting => false,
        }
    }

    /// Closes the socket if the credential that it was opened with does not hold any more; otherwise what it allows is
    /// what it allows now.
    async fn check_credential(&mut self) -> Result<(), End> {
        let State::Ready(Some(actor)) = &self.state else {
            return Ok(());
        };
        match self.gateway.engine.domain.renewed(actor).await {
            Ok(renewed) => {
                self.state = State::Ready(Some(renewed));
                Ok(())
            }
            Err(_) if actor.has_expired() => Err(End::Close(expired(actor))),
            Err(error) if error.code() == ErrorCode::Internal => {
                tracing::error!(request_id = self.id.0, error = ?error, "a credential could not be checked");
                Err(End::Close(Close::Internal))
            }
            Err(_) => Err(End::Close(Close::Forbidden(Refused::Revoked))),
        }
    }

    async fn receive(&mut self, message: Message) -> Result<(), End> {
        match message {
            Message::Text(text) => {
                document::check_values(text.as_bytes(), self.gateway.config.graphql.max_values)
                    .map_err(|refusal| End::Close(Close::BadMessage(refusal.message)))?;
                self.handle(message::parse(&text).map_err(End::Close)?).await
            }
            Message::Binary(_) => Err(End::Close(Close::BadMessage(
                "Messages must be text, not binary".to_owned(),
            ))),
            Message::Close(_) => Err(End::Left),
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        }
    }

    async fn handle(&mut self, message: Client) -> Result<(), End> {
        match message {
            Client::Init(payload) => Box::pin(self.init(&payload)).await,
            Client::Ping(payload) => self.send(&Server::Pong { payload }).await,
            Client::Pong => Ok(()),
            Client::Subscribe { id, payload } => Box::pin(self.subscribe(id, payload)).await,
            Client::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
        }
    }

    async fn init(&mut self, payload: &Map<String, Value>) -> Result<(), End> {
        if matches!(self.state, State::Ready(_)) {
            return Err(End::Close(Close::TooManyInits));
        }
        let given = credentials(payload, &self.from_headers).map_err(End::Close)?;
        let actor = self
            .gateway
            .engine
            .authenticate(given, &self.id.0)
            .await
            .map_err(|refusal| {
                let ours = refusal.status.is_server_error();
                End::Close(if ours {
                    Close::Internal
                } else {
                    Close::Forbidden(Refused::Invalid)
                })
            })?;
        self.state = State::Ready(actor);
        self.send(&Server::ConnectionAck).await
    }

    async fn subscribe(&mut self, id: String, payload: Map<String, Value>) -> Result<(), End> {
        if matches!(self.state, State::Waiting) {
            return Err(End::Close(Close::Unauthorized));
        }
        if self.operations.contains(&id) {
            return Err(End::Close(Close::DuplicateId(id)));
        }
        let malformed =
            |refusal: super::super::refusal::Refusal| End::Close(Close::BadMessage(refusal.message));
        let request = document::from_fields(payload).map_err(malformed)?;
        let bound = self.gateway.config.subscriptions.max_per_socket;
        if self.operations.len() >= bound {
            let message = format!("At most {bound} operations run on one socket.");
            let error = async_graphql::ServerError::new(message, None);
            let response = canopy_schema::Reply::from_errors(vec![error]);
            return self.refuse(&id, response).await;
        }
        // An operation counts as a request of its own: with what the credential allows now.
        Box::pin(self.check_credential()).await?;
        let State::Ready(actor) = &self.state else {
            return Err(End::Close(Close::Unauthorized));
        };
        let actor = actor.clone();
        match self
            .gateway
            .engine
            .prepare(request, actor.as_ref(), &self.id)
            .await
        {
            Ok(prepared) => {
                let is_subscription = prepared.operation.kind == OperationType::Subscription;
                let responses = self.gateway.engine.stream(prepared, actor, &self.id);
                self.operations.start(id, responses, is_subscription);
                Ok(())
            }
            Err(response) => self.refuse(&id, *response).await,
        }
    }

    async fn refuse(&mut self, id: &str, response: canopy_schema::Reply) -> Result<(), End> {
        let answer = Answer::new(response, &self.id.0);
        self.send_text(message::error(id, &answer.errors_to_json())).await
    }

    /// Forwards a step and all that wait behind it, in one write.
    async fn forward_ready(&mut self, first: Step, steps: &mut mpsc::Receiver<Step>) -> Result<(), End> {
        let mut next = Some(first);
        while let Some(step) = next {
            let frame = self.forwarded(step).await?;
            self.unsent.extend(frame);
            next = match self.unsent.len() < AT_ONCE {
                true => steps.try_recv().ok(),
                false => None,
            };
        }
        self.flush().await
    }

    /// The message that a step makes; none if its operation has ended since.
    async fn forwarded(&mut self, step: Step) -> Result<Option<Message>, End> {
        let lacks_credential = step.lacks_credential;
        let Some((id, kind)) = self.operations.take(step) else {
            return Ok(None);
        };
        // What was on its way when the credential was withdrawn is not sent any more; and a stream that ends for want
        // of a credential, which it may find out before the socket does, ends the socket.
        if self.is_concerned() || lacks_credential {
            Box::pin(self.check_credential()).await?;
        }
        let text = match kind {
            StepKind::Next(answer) => message::next(&id, &answer),
            StepKind::Failed(errors) => message::error(&id, &errors),
            StepKind::Done => message::write(&Server::Complete { id: &id }),
        };
        Ok(Some(Message::text(text)))
    }

    async fn send(&mut self, message: &Server<'_>) -> Result<(), End> {
        self.send_text(message::write(message)).await
    }

    async fn send_text(&mut self, text: String) -> Result<(), End> {
        self.send_frame(Message::text(text)).await
    }

    async fn send_frame(&mut self, frame: Message) -> Result<(), End> {
        self.unsent.push_back(frame);
        self.flush().await
    }

    /// Sends what is unsent, when the client has taken enough of what was sent before. One that takes nothing for too long
    /// is as silent as one that says nothing. What a turn that was cut short left unsent is sent by the next.
    async fn flush(&mut self) -> Result<(), End> {
        let longest = patience(&self.gateway.config.subscriptions);
        let Self { socket, unsent, .. } = self;
        let sent = async {
            while !unsent.is_empty() {
                poll_fn(|context| socket.poll_ready_unpin(context)).await?;
                if let Some(frame) = unsent.pop_front() {
                    socket.start_send_unpin(frame)?;
                }
            }
            socket.flush().await
        };
        match tokio::time::timeout(longest, sent).await {
            Ok(sent) => sent.map_err(|_| End::Gone),
            Err(_) => Err(End::Close(Close::Silent)),
        }
    }
}

/// The credentials of `connection_init`; what it does not name is taken from the headers.
fn credentials(payload: &Map<String, Value>, headers: &Credentials) -> Result<Credentials, Close> {
    let named = |wanted: &str| {
        let found = payload
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value);
        match found {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Close::BadMessage(format!("{wanted} must be a string"))),
        }
    };
    Ok(Credentials {
        authorization: named("authorization")?.or_else(|| headers.authorization.clone()),
        sub_account: named(SUB_ACCOUNT)?.or_else(|| headers.sub_account.clone()),
        address: headers.address,
    })
}
