//! Runs a document as a request with one answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Response, Schema, ServerError, ValidationMode, Value, Variables};
use canopy_domain::entity::AccountId;
use canopy_domain::{Actor, Domain, Error};
use futures_util::FutureExt;

use crate::cost::Top;
use crate::documents::{Bill, Documents};
use crate::idempotency::Carried;
use crate::loaders::drive::Driven;
use crate::planned::{KeptPlan, PlannedReads, Written};
use crate::session::Session;
use crate::shape::Shape;
use crate::validator::Validator;
use crate::{
    ClientAddress, Data, Document, DocumentHash, Introspection, Mutation, Operation, Query, Reply, RequestId,
    SchemaSettings, Subscription, Uploads, cost, errors, idempotency,
};

type Executable = Schema<Query, Mutation, Subscription>;

/// The executable schema. Cheap to clone.
#[derive(Clone)]
pub struct CanopySchema(Arc<Inner>);

struct Inner {
    /// Validates each document that it runs.
    strict: Executable,
    /// Runs what was valid before: async-graphql would validate a document for each request again.
    trusting: Executable,
    validator: Validator,
    domain: Domain,
    documents: Documents,
    /// None if all reads go through async-graphql.
    planned: Option<PlannedReads>,
    introspection: Introspection,
}

/// A request, read but not looked at.
pub struct Ask {
    /// What it runs.
    pub document: Arc<Document>,
    /// Which operation of it, if it has several.
    pub operation_name: Option<String>,
    /// The values of the operation's variables.
    pub variables: Variables,
    /// The files that came with it.
    pub uploads: Uploads,
    /// Makes it safe to send a mutation again, where its input has no key.
    pub idempotency_key: Option<String>,
    /// Where it comes from, if that is known.
    pub client_address: Option<ClientAddress>,
    /// The id under which the process logs it.
    pub request_id: RequestId,
}

impl Ask {
    /// A request that brings nothing but values of its variables.
    pub fn of(
        document: Arc<Document>,
        operation_name: Option<String>,
        variables: serde_json::Map<String, serde_json::Value>,
    ) -> Self {
        Self {
            document,
            operation_name,
            variables: Variables::from_json(serde_json::Value::Object(variables)),
            uploads: Uploads::default(),
            idempotency_key: None,
            client_address: None,
            request_id: RequestId::default(),
        }
    }
}

/// A request that is within all bounds that hold whoever asks.
pub struct Prepared {
    ask: Ask,
    /// The operation that it runs.
    pub operation: Operation,
    bill: Bill,
    /// The plan that answers it, if it has one.
    plan: Option<KeptPlan>,
}

impl Prepared {
    /// The hash of the document, which names it in logs.
    pub fn document(&self) -> DocumentHash {
        self.ask.document.hash()
    }

    pub(crate) fn request_id(&self) -> &RequestId {
        &self.ask.request_id
    }

    pub(crate) fn into_parts(self) -> (Ask, Bill) {
        (self.ask, self.bill)
    }
}

impl CanopySchema {
    pub(crate) fn new(domain: Domain, settings: SchemaSettings) -> Self {
        let build = |mode| {
            let builder = Schema::build(Query, Mutation::default(), Subscription)
                .data(domain.clone())
                .validation_mode(mode);
            match settings.introspection {
                Introspection::Anyone => builder.finish(),
                // An unknown field must not be answered with the names of known ones.
                Introspection::SignedIn | Introspection::Nobody => builder.disable_suggestions().finish(),
            }
        };
        Self(Arc::new(Inner {
            strict: build(ValidationMode::Strict),
            trusting: build(ValidationMode::Fast),
            validator: Validator::new(settings.introspection),
            documents: Documents::new(&crate::sdl(), settings.bounds, settings.kept_documents),
            planned: settings
                .planned_reads
                .then(|| PlannedReads::new(settings.kept_plans)),
            introspection: settings.introspection,
            domain,
        }))
    }

    /// The document with this text, within its bounds; the errors as a reply without data.
    pub fn read(&self, text: String) -> Result<Arc<Document>, Box<Reply>> {
        self.0.documents.read(text).map_err(refused)
    }

    /// Holds a document that is to be run later against the bounds and the schema: its hash, or what is wrong with it.
    pub async fn validate(&self, text: &str) -> Result<DocumentHash, String> {
        let document = self
            .0
            .documents
            .read(text.to_owned())
            .map_err(|error| error.message)?;
        self.0.validator.check(&document).await?;
        Ok(document.hash())
    }

    /// The document with this hash, if it was read lately.
    pub fn known(&self, hash: &DocumentHash) -> Option<Arc<Document>> {
        self.0.documents.known(hash)
    }

    /// Finds the operation, and holds its variables and, as far as the document tells, the points of its answer against
    /// their bounds; the errors as a reply without data.
    pub fn prepare(&self, mut ask: Ask) -> Result<Prepared, Box<Reply>> {
        let name = ask.operation_name.as_deref();
        let operation = ask.document.operation(name).map_err(refused)?;
        let documents = &self.0.documents;
        let held = documents.hold(&ask.document, name, &mut ask.variables);
        held.map_err(refused)?;
        let plan = match (&self.0.planned, operation.kind) {
            (Some(planned), OperationType::Query) => {
                planned.plan(documents, &ask.document, name, &ask.variables)
            }
            _ => None,
        };
        let points = plan.as_ref().and_then(KeptPlan::points);
        let bill = documents.price(&ask.document, name, &ask.variables, points);
        Ok(Prepared {
            operation,
            bill: bill.map_err(refused)?,
            ask,
            plan,
        })
    }

    /// Answers a query or a mutation of `actor`; of nobody in particular if there is none. Each error of the answer has
    /// an `extensions.code`.
    pub async fn execute(&self, prepared: Prepared, actor: Option<Actor>) -> Reply {
        let request_id = prepared.ask.request_id.clone();
        let reply = match self.answered(prepared, actor).await {
            Ok(reply) => reply,
            Err(error) => Reply::from_errors(vec![error]),
        };
        errors::finish(reply, &request_id)
    }

    async fn answered(&self, prepared: Prepared, actor: Option<Actor>) -> Result<Reply, ServerError> {
        self.require_introspection(&prepared.operation, actor.is_some())?;
        let points = self.afford(&prepared.bill, actor.as_ref()).await?;
        let charge = match &actor {
            Some(actor) => Some(self.0.domain.charge(actor, points).await.map_err(top_level)?),
            None => None,
        };
        let (mut reply, actual) = match self.planned(&prepared, actor.as_ref()).boxed().await {
            Some(written) => {
                let reply = Reply {
                    data: Data::Written(written.data),
                    errors: written.errors,
                    extensions: BTreeMap::new(),
                };
                (reply, written.points)
            }
            None => self.resolved(prepared, actor).boxed().await?,
        };
        let budget = match charge {
            Some(charge) => charge.settle(actual).await,
            None => None,
        };
        let told = cost::told(points, actual, budget);
        reply.extensions.insert("cost".to_owned(), told);
        Ok(reply)
    }

    /// The answer of the plan to a query of somebody, if it has one.
    async fn planned(&self, prepared: &Prepared, actor: Option<&Actor>) -> Option<Written> {
        let plan = prepared.plan.as_ref()?;
        plan.answer(&self.0.domain, actor?, &prepared.ask.variables).await
    }

    /// The answer that resolvers put together, and its points.
    async fn resolved(&self, prepared: Prepared, actor: Option<Actor>) -> Result<(Reply, u64), ServerError> {
        let (document, bill) = (Arc::clone(&prepared.ask.document), prepared.bill);
        let name = prepared.ask.operation_name.clone();
        let (request, carried) = self.request(prepared.ask)?;
        let session = Arc::new(Session::new(&self.0.domain, actor));
        let resolvers = self.executable(&document).execute(request.data(session.clone()));
        let mut response = match &session.caller {
            Some(caller) => Driven::new(resolvers, caller.loaders.clone()).await,
            None => resolvers.await,
        };
        note_validity(&document, &response);
        if carried.is_some_and(|carried| carried.take(&mut response.data)) {
            response.extensions.insert("idempotency".to_owned(), replayed());
        }
        let documents = &self.0.documents;
        let points = documents.points(&document, name.as_deref(), &bill, &response.data);
        Ok((response.into(), points))
    }

    pub(crate) fn domain(&self) -> &Domain {
        &self.0.domain
    }

    /// The points that the answer to `actor` may cost, or a refusal. Accounts are counted only where the sizes of the
    /// pages alone would have it refused.
    pub(crate) async fn afford(&self, bill: &Bill, actor: Option<&Actor>) -> Result<u64, ServerError> {
        let (documents, requested) = (&self.0.documents, &bill.requested);
        if requested.plain <= documents.max_cost() {
            return Ok(requested.plain);
        }
        self.affordable(bill, actor).boxed().await
    }

    async fn affordable(&self, bill: &Bill, actor: Option<&Actor>) -> Result<u64, ServerError> {
        let (documents, requested) = (&self.0.documents, &bill.requested);
        let most = requested.accounts_for(documents.max_cost());
        let mut below: HashMap<&Top, u64> = HashMap::new();
        for (top, actor) in requested.tops().filter_map(|top| Some((top, actor?))) {
            let id = match top {
                Top::ActingAs => actor.acting_as().cloned(),
                Top::Id(text) => AccountId::parse(text).ok(),
            };
            if let (Some(id), false) = (id, below.contains_key(top)) {
                let count = self.0.domain.accounts_below(actor, &id, most).await;
                below.insert(top, count.map_err(top_level)?);
            }
        }
        let points = requested.with(|top| below.get(top).copied().unwrap_or(0));
        documents.affordable(points).map_err(coded)
    }

    pub(crate) fn shape(&self) -> &Shape {
        self.0.documents.shape()
    }

    pub(crate) fn executable(&self, document: &Document) -> &Executable {
        match document.is_valid() {
            true => &self.0.trusting,
            false => &self.0.strict,
        }
    }

    pub(crate) fn require_introspection(
        &self,
        operation: &Operation,
        signed_in: bool,
    ) -> Result<(), ServerError> {
        match self.0.introspection {
            _ if !operation.introspects => Ok(()),
            Introspection::Anyone => Ok(()),
            Introspection::SignedIn if signed_in => Ok(()),
            Introspection::SignedIn => Err(top_level(Error::Unauthenticated)),
            Introspection::Nobody => Err(ServerError::new("Introspection is switched off.", None)),
        }
    }

    /// The request as async-graphql takes it, without a session.
    pub(crate) fn request(&self, ask: Ask) -> Result<(Request, Option<Carried>), ServerError> {
        let mut parsed = ask.document.parsed().clone();
        let mut variables = ask.variables;
        let carried = match ask.idempotency_key {
            Some(key) => {
                let name = ask.operation_name.as_deref();
                idempotency::carry(self.0.documents.shape(), &mut parsed, name, &mut variables, &key)?
            }
            None => None,
        };
        let mut request = Request::new(String::new()).variables(variables);
        request.operation_name = ask.operation_name;
        request.set_parsed_query(parsed);
        if let Some(address) = ask.client_address {
            request = request.data(address);
        }
        // For what is to be validated in turn.
        let request = request.data(self.clone());
        Ok((request.data(ask.uploads), carried))
    }
}

/// Validation found nothing wrong if something was executed.
pub(crate) fn note_validity(document: &Document, response: &Response) {
    let ran = response.errors.iter().all(|error| !error.path.is_empty());
    if ran {
        document.set_valid();
    }
}

/// An error of the domain that is none of a field.
pub(crate) fn top_level(error: Error) -> ServerError {
    let mut error = async_graphql::Error::from(error).into_server_error(async_graphql::Pos::default());
    error.locations.clear();
    error
}

fn refused(error: ServerError) -> Box<Reply> {
    Box::new(Reply::from_errors(vec![coded(error)]))
}

/// What is wrong with a request that is not told otherwise.
fn coded(mut error: ServerError) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("code").is_none() {
        extensions.set("code", canopy_domain::ErrorCode::BadUserInput.as_str());
    }
    error
}

fn replayed() -> Value {
    Value::Object(
        [(async_graphql::Name::new("replayed"), Value::Boolean(true))]
            .into_iter()
            .collect(),
    )
}
