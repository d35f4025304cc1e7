//! The house for one test: a database of its own, the domain and the schema on it, and callers with real
//! credentials. It goes no other way than a request would, except to set up what no mutation can make yet.

pub(crate) mod answer;
pub(crate) mod books;
pub(crate) mod chain;
pub(crate) mod database;
pub(crate) mod faults;
pub(crate) mod process;
pub(crate) mod rules;
pub(crate) mod served;
pub(crate) mod socket;
pub(crate) mod statements;
pub(crate) mod tree;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Variables;
use canopy_domain::auth::TokenSettings;
use canopy_domain::rules_host::Host;
use canopy_domain::{Actor, Credentials, Domain, Settings};
use canopy_schema::{
    Ask, Bounds, CanopySchema, Introspection, Prepared, Reply, RequestId, SchemaSettings, StreamAnswer,
    Uploads,
};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use sea_orm::DatabaseConnection;
use serde_json::Value;

pub(crate) use self::answer::Answer;
use self::database::TestDatabase;
use self::faults::FaultSwitch;
use self::statements::Recorder;

/// The longest that a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The key that signs tokens in tests.
pub(crate) const SECRET: &str = "a key for tests, of 32 bytes and more";

/// What a request carries to say who asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    pub(crate) authorization: Option<String>,
    pub(crate) sub_account: Option<String>,
}

impl Caller {
    pub(crate) fn nobody() -> Self {
        Self::default()
    }

    pub(crate) fn bearer(secret: &str) -> Self {
        Self {
            authorization: Some(format!("Bearer {secret}")),
            sub_account: None,
        }
    }

    /// The same caller, narrowed by `X-Sub-Account-Id`.
    pub(crate) fn acting_on(&self, account: impl ToString) -> Self {
        Self {
            authorization: self.authorization.clone(),
            sub_account: Some(account.to_string()),
        }
    }

    /// The token or key, without `Bearer`.
    pub(crate) fn secret(&self) -> &str {
        let given = self
            .authorization
            .as_deref()
            .expect("this caller has a credential");
        given.trim_start_matches("Bearer ")
    }
}

/// A house.
pub(crate) struct App {
    pub(crate) domain: Domain,
    pub(crate) statements: Recorder,
    pub(crate) faults: FaultSwitch,
    /// A connection that nobody counts, for looking behind the curtain.
    pub(crate) probe: DatabaseConnection,
    schema: CanopySchema,
    // The last field: the database goes when nobody uses it any more.
    pub(crate) database: Arc<TestDatabase>,
}

impl App {
    /// A house on a new database.
    pub(crate) async fn start() -> Self {
        Self::on(Arc::new(TestDatabase::create().await)).await
    }

    /// A house on a database that is there already, as after a restart.
    pub(crate) async fn on(database: Arc<TestDatabase>) -> Self {
        Self::with_tokens(database, token_settings(SECRET, "canopy")).await
    }

    /// The same, with other keys for tokens.
    pub(crate) async fn with_tokens(database: Arc<TestDatabase>, tokens: TokenSettings) -> Self {
        Self::with(database, tokens, rules::host(), |_| ()).await
    }

    /// A house on a new database, with a sandbox of its own.
    pub(crate) async fn with_sandbox(host: Host) -> Self {
        Self::with(
            Arc::new(TestDatabase::create().await),
            token_settings(SECRET, "canopy"),
            host,
            |_| (),
        )
        .await
    }

    /// A house on a new database, with other settings.
    pub(crate) async fn configured(configure: impl FnOnce(&mut Settings)) -> Self {
        Self::on_configured(Arc::new(TestDatabase::create().await), configure).await
    }

    /// The same on a database that is there already.
    pub(crate) async fn on_configured(
        database: Arc<TestDatabase>,
        configure: impl FnOnce(&mut Settings),
    ) -> Self {
        let tokens = token_settings(SECRET, "canopy");
        Self::with(database, tokens, rules::host(), configure).await
    }

    async fn with(
        database: Arc<TestDatabase>,
        tokens: TokenSettings,
        host: Host,
        configure: impl FnOnce(&mut Settings),
    ) -> Self {
        log();
        let (statements, faults) = (Recorder::default(), FaultSwitch::default());
        let mut connection = database.connect().await;
        statements.listen(&mut connection);
        let mut settings = Settings::new(tokens);
        settings.faults = faults.as_faults();
        settings.pipeline = canopy::database::pipeline(&database::config(database.url()));
        settings.listener = Some(statements.listener());
        configure(&mut settings);
        let domain = Domain::open(connection, host, settings).expect("the settings are good");
        domain
            .ensure_builtins()
            .await
            .expect("the built-in plans and rules are good");
        let schema = canopy_schema::build(domain.clone(), schema_settings());
        Self {
            domain,
            statements,
            faults,
            probe: database.connect().await,
            schema,
            database,
        }
    }

    /// Runs a query or a mutation as `caller`. A refused credential answers as HTTP would: errors, no data.
    pub(crate) async fn run(&self, caller: &Caller, document: &str, variables: Value) -> Answer {
        Answer::new(self.run_whole(caller, document, variables).await)
    }

    /// The same with the answer's extensions.
    pub(crate) async fn run_whole(&self, caller: &Caller, document: &str, variables: Value) -> Value {
        let actor = match self.domain.authenticate(&credentials(caller)).await {
            Ok(actor) => actor,
            Err(error) => return Answer::refused(&error).0,
        };
        let response = match self.prepared(document, variables) {
            Ok(prepared) => self.schema.execute(prepared, actor).await,
            Err(response) => *response,
        };
        json(&response)
    }

    /// Opens a subscription as `caller`.
    pub(crate) async fn subscribe(
        &self,
        caller: &Caller,
        document: &str,
        variables: Value,
    ) -> BoxStream<'static, Answer> {
        let actor = match self.domain.authenticate(&credentials(caller)).await {
            Ok(actor) => actor,
            Err(error) => return futures_util::stream::iter([Answer::refused(&error)]).boxed(),
        };
        let prepared = match self.prepared(document, variables) {
            Ok(prepared) => prepared,
            Err(response) => {
                let refusal = Answer::new(json(&response));
                return futures_util::stream::iter([refusal]).boxed();
            }
        };
        self.schema
            .execute_stream(prepared, actor)
            .map(|answer| match answer {
                StreamAnswer::Own(response) => json(&response),
                StreamAnswer::Shared(text) => serde_json::from_str(&text).expect("an answer is JSON"),
            })
            .map(Answer::new)
            .boxed()
    }

    fn prepared(&self, document: &str, variables: Value) -> Result<Prepared, Box<Reply>> {
        prepared(&self.schema, document, variables)
    }

    /// Another schema on the same domain, with other settings.
    pub(crate) fn schema_with(&self, configure: impl FnOnce(&mut SchemaSettings)) -> CanopySchema {
        let mut settings = schema_settings();
        configure(&mut settings);
        canopy_schema::build(self.domain.clone(), settings)
    }

    /// Who `caller` is; none for nobody.
    pub(crate) async fn actor(&self, caller: &Caller) -> Option<Actor> {
        let actor = self.domain.authenticate(&credentials(caller)).await;
        actor.expect("the credential is good")
    }

    /// Publishes what the outbox holds.
    pub(crate) async fn relay(&self) -> u64 {
        let mut published = 0;
        loop {
            match self.domain.relay_outbox(1_000).await.expect("the relay works") {
                0 => return published,
                count => published += count,
            }
        }
    }
}

/// What a schema answers to somebody, or to nobody.
pub(crate) async fn answered(
    schema: &CanopySchema,
    actor: Option<&Actor>,
    document: &str,
    variables: Value,
) -> Reply {
    match prepared(schema, document, variables) {
        Ok(prepared) => schema.execute(prepared, actor.cloned()).await,
        Err(refused) => *refused,
    }
}

fn prepared(schema: &CanopySchema, document: &str, variables: Value) -> Result<Prepared, Box<Reply>> {
    schema.prepare(Ask {
        document: schema.read(document.to_owned())?,
        operation_name: None,
        variables: Variables::from_json(variables),
        uploads: Uploads::default(),
        idempotency_key: None,
        client_address: None,
        request_id: RequestId::default(),
    })
}

/// The next item of a stream; `None` if it ended. Fails when nothing comes.
pub(crate) async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    within("the next item of a stream", stream.next()).await
}

/// Waits for a future, but not for ever.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

/// Asks again and again until the answer is there.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    within(what, async {
        loop {
            ticks.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    })
    .await
}

/// Writes the log of the house among a test's output where CANOPY_TEST_LOG says what of it, such as `debug`.
fn log() {
    use tracing_subscriber::util::SubscriberInitExt;
    if let Ok(filter) = std::env::var("CANOPY_TEST_LOG") {
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_test_writer();
        // All tests but the first find that it is done.
        let _ = log.finish().try_init();
    }
}

pub(crate) fn token_settings(secret: &str, audience: &str) -> TokenSettings {
    TokenSettings {
        secret: secret.as_bytes().to_vec(),
        issuer: "canopy".to_owned(),
        audience: audience.to_owned(),
        // Longer than any test takes on a busy machine.
        lifetime: Duration::from_secs(3_600),
        leeway: Duration::from_secs(5),
    }
}

fn json(reply: &Reply) -> Value {
    serde_json::from_str(&reply.to_json()).expect("an answer is JSON")
}

fn credentials(caller: &Caller) -> Credentials {
    Credentials {
        authorization: caller.authorization.clone(),
        sub_account: caller.sub_account.clone(),
        address: None,
    }
}

/// Bounds that no test reaches by accident; those of documents are tried through the server, which has the defaults.
pub(crate) fn schema_settings() -> SchemaSettings {
    SchemaSettings {
        bounds: Bounds {
            max_bytes: 1 << 20,
            max_tokens: 1_000_000,
            max_selections: 100_000,
            max_depth: 64,
            max_aliases: 10_000,
            max_directives: 10_000,
            max_root_fields: 10_000,
            max_cost: u64::MAX,
        },
        introspection: Introspection::Anyone,
        kept_documents: 1 << 20,
        planned_reads: true,
        kept_plans: 1 << 20,
    }
}
