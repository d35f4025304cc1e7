//! Streams of answers: a subscription is told of each piece of news, and news that many ask the same about is answered
//! once.
//!
//! A subscription begins like any request: its resolver checks what may be followed and opens the stream of news. That
//! stream is then taken out of the resolver's hands. Each piece of news is answered by running the document for this
//! piece alone, and the text is kept with the news for all whose answer is the same; [`question`] says whose is. What may
//! be followed is still checked for each subscriber alone, by the stream.
//!
//! Subscriptions whose news is not shared run in async-graphql's own stream.

mod question;

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Context, Response, ServerError, Variables};
use canopy_domain::events::{self, What};
use canopy_domain::{Actor, Result};
use futures_util::FutureExt;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use tokio::sync::oneshot;

use crate::execute::{note_validity, top_level};
use crate::loaders::drive::Driven;
use crate::session::Session;
use crate::types::usage_update::UsageUpdate;
use crate::{Ask, CanopySchema, Document, Prepared, Reply, RequestId, errors};

/// One answer of a stream.
#[derive(Debug)]
pub enum StreamAnswer {
    /// To this subscriber alone.
    Own(Box<Reply>),
    /// The JSON text of an answer without errors, the same for all who asked the same.
    Shared(Arc<str>),
}

type News = BoxStream<'static, Result<Arc<events::UsageUpdate>>>;

/// In the data of a request that begins a subscription: where its resolver leaves the news.
struct Handover(Mutex<Option<oneshot::Sender<News>>>);

/// In the data of a request that answers one piece of news: that piece.
struct Given(Mutex<Option<Result<Arc<events::UsageUpdate>>>>);

/// What the resolver of a subscription gives.
pub(crate) type Updates = BoxStream<'static, Result<UsageUpdate>>;

/// The one piece of news that the request answers, if it does.
pub(crate) fn given(ctx: &Context<'_>) -> Option<Updates> {
    let given: &Given = ctx.data_opt()?;
    let news = given.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    Some(stream::iter([news.map(UsageUpdate::from)]).boxed())
}

/// Leaves the news to whoever runs the request, if it is to be had; otherwise gives it on.
pub(crate) fn hand_over(ctx: &Context<'_>, news: News) -> Updates {
    let handover = ctx.data_opt::<Handover>();
    let handover = handover.and_then(|own| own.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    let kept = match handover {
        Some(handover) => handover.send(news),
        None => Err(news),
    };
    match kept {
        Ok(()) => stream::pending().boxed(),
        Err(news) => news.map(|update| update.map(UsageUpdate::from)).boxed(),
    }
}

/// A subscriber whose news is answered here.
struct Follower {
    schema: CanopySchema,
    actor: Actor,
    document: Arc<Document>,
    operation_name: Option<String>,
    variables: Variables,
    request_id: RequestId,
    /// What its answers depend on besides the news.
    what: What,
}

impl CanopySchema {
    /// Answers an operation of any kind as a stream: a subscription as often as there is news, others once.
    pub fn execute_stream(
        &self,
        prepared: Prepared,
        actor: Option<Actor>,
    ) -> impl Stream<Item = StreamAnswer> + Send + use<> {
        let request_id = prepared.request_id().clone();
        let schema = self.clone();
        let answers = async move {
            match schema.followed(prepared, actor).await {
                Ok(answers) => answers,
                Err(error) => {
                    let response = errors::finish(Reply::from_errors(vec![error]), &request_id);
                    stream::iter([StreamAnswer::Own(Box::new(response))]).boxed()
                }
            }
        };
        // Boxed, so that what only the beginning needs is not kept as long as the stream.
        stream::once(answers.boxed()).flatten()
    }

    async fn followed(
        &self,
        prepared: Prepared,
        actor: Option<Actor>,
    ) -> Result<BoxStream<'static, StreamAnswer>, ServerError> {
        self.require_introspection(&prepared.operation, actor.is_some())?;
        let (ask, bill) = prepared.into_parts();
        let points = self.afford(&bill, actor.as_ref()).await?;
        if let Some(actor) = &actor {
            let charge = self.domain().charge(actor, points).await;
            charge.map_err(top_level)?.settle(points).await;
        }
        let (document, request_id) = (Arc::clone(&ask.document), ask.request_id.clone());
        let follower = actor.as_ref().and_then(|actor| self.follower(&ask, actor));
        let (mut request, _) = self.request(ask)?;
        let (handover, mut handed) = oneshot::channel();
        if follower.is_some() {
            request = request.data(Handover(Mutex::new(Some(handover))));
        }
        let session = Arc::new(Session::new(self.domain(), actor));
        let answers = self.run(&document, request, session.clone());
        let mut answers = answers.map(move |response| {
            session.tick();
            StreamAnswer::Own(Box::new(errors::finish(response, &request_id)))
        });
        tokio::select! {
            first = answers.next() => Ok(stream::iter(first).chain(answers).boxed()),
            Ok(news) = &mut handed => {
                document.set_valid();
                drop(answers);
                Ok(match follower {
                    Some(follower) => follower.follow(news).boxed(),
                    None => stream::empty().boxed(),
                })
            }
        }
    }

    /// The responses of a request, run together with the loaders of its session.
    fn run(
        &self,
        document: &Arc<Document>,
        request: async_graphql::Request,
        session: Arc<Session>,
    ) -> BoxStream<'static, Response> {
        let resolvers = self
            .executable(document)
            .execute_stream(request.data(session.clone()));
        let resolvers = match &session.caller {
            Some(caller) => Driven::new(resolvers, caller.loaders.clone()).boxed(),
            None => resolvers,
        };
        let document = Arc::clone(document);
        resolvers
            .inspect(move |response| note_validity(&document, response))
            .boxed()
    }

    /// The subscriber, if the operation has one field alone, so that it has one stream of news.
    fn follower(&self, ask: &Ask, actor: &Actor) -> Option<Follower> {
        let operation = ask.operation_name.as_deref();
        question::only_field(&ask.document, operation)?;
        Some(Follower {
            schema: self.clone(),
            actor: actor.clone(),
            document: Arc::clone(&ask.document),
            operation_name: ask.operation_name.clone(),
            variables: ask.variables.clone(),
            request_id: ask.request_id.clone(),
            what: question::what(self.shape(), &ask.document, operation, &ask.variables, actor),
        })
    }
}

impl Follower {
    fn follow(self, news: News) -> impl Stream<Item = StreamAnswer> + Send + use<> {
        stream::unfold((self, news), |(follower, mut news)| async move {
            let answer = match news.next().await? {
                Ok(update) => follower.shared(update).await,
                Err(error) => follower.own(Err(error)).await,
            };
            Some((answer, (follower, news)))
        })
    }

    /// The answer that all with the same question get, unless it has errors: those name the request.
    async fn shared(&self, update: Arc<events::UsageUpdate>) -> StreamAnswer {
        // What rights the answer was made with, it may show.
        let version = self.schema.domain().rights_version();
        let render = async || match self.own(Ok(Arc::clone(&update))).await {
            StreamAnswer::Own(response) if response.errors.is_empty() => Ok(response.to_json().into()),
            with_errors => Err(with_errors),
        };
        let key = (&self.what, version);
        let rendered = update.renderings.get_or_render(key, || render().boxed());
        match rendered.await {
            Ok(text) => StreamAnswer::Shared(text),
            Err(own) => own,
        }
    }

    /// Runs the document for one piece of news.
    async fn own(&self, news: Result<Arc<events::UsageUpdate>>) -> StreamAnswer {
        let schema = &self.schema;
        let mut request = async_graphql::Request::new(String::new()).variables(self.variables.clone());
        request.operation_name.clone_from(&self.operation_name);
        request.set_parsed_query(self.document.parsed().clone());
        let request = request.data(Given(Mutex::new(Some(news))));
        let session = Arc::new(Session::new(schema.domain(), Some(self.actor.clone())));
        let response = schema.run(&self.document, request, session).next().await;
        let response = response.unwrap_or_else(|| Response::new(async_graphql::Value::Null));
        StreamAnswer::Own(Box::new(errors::finish(response, &self.request_id)))
    }
}
