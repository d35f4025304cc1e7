//! The one configuration of the process: what each key means to the code.
//!
//! `config/default.toml` documents every key for people and gives its default; the types here are the
//! same keys. This module must not know what the values are used for, and holds no defaults of its own.

mod error;
mod layers;
mod mask;
mod nearest;
mod settings;
mod show;
mod units;

pub use error::ConfigError;
pub use layers::{Loaded, Origin, Sources};
pub(crate) use mask::without_password;
pub use settings::{
    AddressHeader, AuthConfig, Config, DatabaseConfig, GraphqlConfig, HttpConfig, Introspection, JwksConfig,
    LogConfig, LogFormat, NatsConfig, RulesConfig, SignInConfig, SubscriptionsConfig, TelemetryConfig,
    UsageConfig, WebhooksConfig, WorkersConfig,
};
pub use show::Format;
pub use units::{AddressRange, Size, Span, WebOrigin};

/// The text of `config/default.toml`, which is also the documentation of the keys.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");
