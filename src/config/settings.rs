//! The keys of the configuration as types. Their meaning, unit and default: `config/default.toml`.

use std::{net::IpAddr, path::PathBuf};

use canopy_domain::auth::KeyAlgorithm;
use serde::Deserialize;

use super::{AddressRange, Size, Span, WebOrigin};

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub database: DatabaseConfig,
    pub http: HttpConfig,
    pub subscriptions: SubscriptionsConfig,
    pub graphql: GraphqlConfig,
    pub documents: DocumentsConfig,
    pub budget: BudgetConfig,
    pub usage: UsageConfig,
    pub auth: AuthConfig,
    pub rules: RulesConfig,
    pub workers: WorkersConfig,
    pub webhooks: WebhooksConfig,
    pub nats: NatsConfig,
    pub log: LogConfig,
    pub telemetry: TelemetryConfig,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    pub url: String,
    pub max_connections: u32,
    pub read_connections: u32,
    pub acquire_timeout: Span,
    pub migrate: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    pub address: IpAddr,
    pub port: u16,
    pub threads: usize,
    pub max_body: Size,
    pub request_timeout: Span,
    pub shutdown_timeout: Span,
    pub max_connections: usize,
    pub header_timeout: Span,
    pub max_header: Size,
    pub idle_timeout: Span,
    pub peer_timeout: Span,
    pub trusted_proxies: Vec<AddressRange>,
    pub client_address_header: AddressHeader,
    pub cors_origins: Vec<WebOrigin>,
    pub cors_max_age: Span,
    pub hsts: Span,
    pub graphiql: bool,
    pub graphiql_dir: PathBuf,
}

/// The header in which a trusted proxy says whom it heard.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum AddressHeader {
    /// The usual one.
    XForwardedFor,
    /// The standard one.
    Forwarded,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionsConfig {
    pub init_timeout: Span,
    pub heartbeat: Span,
    pub max_per_socket: usize,
    pub buffer: usize,
    pub max_lag: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphqlConfig {
    pub max_document: Size,
    pub max_tokens: usize,
    pub max_depth: usize,
    pub max_selections: usize,
    pub max_aliases: usize,
    pub max_directives: usize,
    pub max_root_fields: usize,
    pub max_cost: u64,
    pub max_batch: usize,
    pub max_values: usize,
    pub kept_documents: Size,
    pub planned_reads: bool,
    pub kept_plans: Size,
    pub introspection: Introspection,
}

/// Who may ask the schema about itself.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Introspection {
    /// Whoever asks.
    Anyone,
    /// Whoever presents a credential.
    Authenticated,
    /// Nobody.
    Nobody,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentsConfig {
    pub automatic: bool,
    pub directory: PathBuf,
    pub persisted_only: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetConfig {
    pub capacity: u64,
    pub restore_rate: u64,
    pub child_share: u8,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageConfig {
    pub max_age: Span,
    pub max_ahead: Span,
    pub close_after: Span,
    pub hold_for: Span,
    pub hold_longest: Span,
    pub batch: usize,
    pub max_waiting: Size,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    pub secret: String,
    pub secret_file: String,
    pub issuer: String,
    pub audience: String,
    pub token_ttl: Span,
    pub leeway: Span,
    pub remember: Span,
    pub sign_in: SignInConfig,
    pub jwks: JwksConfig,
}

/// How often one may try to sign in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInConfig {
    pub account_tries: u32,
    pub account_every: Span,
    pub address_tries: u32,
    pub address_every: Span,
    pub remembered: usize,
}

/// Of another issuer whose tokens are taken.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwksConfig {
    pub url: String,
    pub file: String,
    pub issuer: String,
    pub audience: String,
    pub algorithms: Vec<KeyAlgorithm>,
    pub user_claim: String,
    pub refresh: Span,
    pub cooldown: Span,
    pub timeout: Span,
}

impl JwksConfig {
    /// Whether such tokens are taken.
    pub fn is_on(&self) -> bool {
        !(self.url.is_empty() && self.file.is_empty())
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesConfig {
    pub cache_dir: String,
    pub compiler: String,
    pub max_upload: Size,
    pub memory: Size,
    pub concurrency: u32,
    pub fuel: u64,
    pub deadline: Span,
    pub compile_timeout: Span,
    pub compile_memory: Size,
    pub fuel_per_minute: u64,
    pub interpreter: InterpreterConfig,
    pub quarantine: QuarantineConfig,
}

/// Of the rules that bring an interpreter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterpreterConfig {
    pub max_upload: Size,
    pub memory: Size,
    pub concurrency: u32,
    pub fuel: u64,
    pub deadline: Span,
    pub compile_timeout: Span,
    pub compile_memory: Size,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuarantineConfig {
    pub failures: u32,
    pub window: Span,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkersConfig {
    pub lease: Span,
    pub outbox_interval: Span,
    pub outbox_batch: u32,
    pub rating_interval: Span,
    pub rating_batch: u32,
    pub simulation_interval: Span,
    pub simulations: u32,
    pub max_backoff: Span,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksConfig {
    pub interval: Span,
    pub concurrency: usize,
    pub timeout: Span,
    pub retry_for: Span,
    pub secret_overlap: Span,
    pub keep: Span,
    pub allow_http: bool,
    pub allow_networks: Vec<AddressRange>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    pub format: LogFormat,
    pub filter: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    pub otlp_endpoint: String,
    pub service_name: String,
    pub sample_ratio: f64,
    pub filter: String,
    pub slow_operation: Span,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsConfig {
    pub url: String,
    pub credentials_file: String,
    pub ca_file: String,
    pub stream: String,
    pub replicas: u8,
    pub max_age: Span,
    pub max_bytes: Size,
    pub poll_interval: Span,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty where standard error is a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

impl std::fmt::Debug for DatabaseConfig {
    /// Without the URL: it may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("max_connections", &self.max_connections)
            .field("read_connections", &self.read_connections)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for NatsConfig {
    /// Without the URL: it may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NatsConfig")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for AuthConfig {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthConfig")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("token_ttl", &self.token_ttl)
            .finish_non_exhaustive()
    }
}
