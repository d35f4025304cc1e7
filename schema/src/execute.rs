//! Runs a document: as a request with one answer, or as a stream of answers.

use std::any::TypeId;
use std::sync::Arc;

use async_graphql::{Request, Response, ServerError};
use canopy_domain::{Actor, Domain};
use futures_util::{Stream, StreamExt, stream};

use crate::loaders::drive::Driven;
use crate::session::Session;
use crate::{CanopySchema, RequestId, SchemaSettings, bounds, errors};

/// Answers a query or a mutation of `actor`; of nobody in particular if there is none. Each error of the
/// answer has an `extensions.code`.
pub async fn execute(schema: &CanopySchema, request: Request, actor: Option<Actor>) -> Response {
    let request_id = request_id(&request);
    let response = match prepare(schema, request, actor) {
        Ok((request, session)) => {
            let resolvers = schema.execute(request);
            match &session.caller {
                Some(caller) => Driven::new(resolvers, caller.loaders.clone()).await,
                None => resolvers.await,
            }
        }
        Err(error) => Response::from_errors(vec![error]),
    };
    errors::finish(response, request_id.as_ref())
}

/// Answers an operation of any kind as a stream: a subscription as often as there is news, others once. The
/// actor and the loaders stay for the whole stream.
pub fn execute_stream(
    schema: &CanopySchema,
    request: Request,
    actor: Option<Actor>,
) -> impl Stream<Item = Response> + Send + 'static {
    let request_id = request_id(&request);
    let responses = match prepare(schema, request, actor) {
        Ok((request, session)) => {
            let resolvers = schema.execute_stream(request);
            let resolvers = match &session.caller {
                Some(caller) => Driven::new(resolvers, caller.loaders.clone()).boxed(),
                None => resolvers,
            };
            resolvers.inspect(move |_| session.tick()).boxed()
        }
        Err(error) => stream::iter([Response::from_errors(vec![error])]).boxed(),
    };
    responses.map(move |response| errors::finish(response, request_id.as_ref()))
}

fn request_id(request: &Request) -> Option<RequestId> {
    let id = request.data.get(&TypeId::of::<RequestId>())?;
    id.downcast_ref::<RequestId>().cloned()
}

/// Checks the document's size and gives the request its session.
fn prepare(
    schema: &CanopySchema,
    mut request: Request,
    actor: Option<Actor>,
) -> Result<(Request, Arc<Session>), ServerError> {
    let settings: &SchemaSettings = schema.data().expect("`build` puts the settings into the schema");
    bounds::check_text(&request)?;
    bounds::check(request.parsed_query()?, settings.max_complexity)?;
    let domain: &Domain = schema.data().expect("`build` puts the domain into the schema");
    let session = Arc::new(Session::new(domain, actor));
    Ok((request.data(session.clone()), session))
}
