//! Opens the house from the configuration: the database, the sandbox for rules, the domain.

use std::{fs, num::NonZeroUsize, path::PathBuf};

use canopy_domain::store::is_near;
use canopy_domain::{
    Domain, Settings,
    auth::{SignInSettings, TokenSettings, Tries},
    budgets::BudgetSettings,
    events::StreamSettings,
    heard::Hearing,
    rules::QuarantineSettings,
    rules_host::{CacheSettings, CompilerCommand, Host, HostSettings},
    usage::{HoldSettings, IntakeSettings, UsageWindow},
};
use sha2::{Digest, Sha256};

use crate::config::{AuthConfig, Config, ConfigError, RulesConfig, SignInConfig};
use crate::database::{connect, migrate, missing, pipeline};
use crate::{jwks, webhooks};

/// The least length of the key that signs tokens.
const MIN_SECRET: usize = 32;
/// How many compiled rules the cache keeps.
const CACHED_RULES: usize = 2000;

/// Why the house cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be reached or used.
    #[error("cannot open the database {url}: {source}")]
    Database { url: String, source: sea_orm::DbErr },
    /// The tables are older than this version of Canopy.
    #[error("the database lacks {0} migration(s): run `canopy migrate`, or set database.migrate = true")]
    Outdated(usize),
    #[error("cannot migrate the database: {0}")]
    Migrate(sea_orm::DbErr),
    #[error("cannot start the sandbox for rules: {0}")]
    Rules(String),
    #[error("cannot open the domain: {0:?}")]
    Domain(canopy_domain::Error),
}

/// What to do about migrations that are not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Apply them.
    Apply,
    /// Refuse to go on.
    Refuse,
}

/// Whether the command makes or checks tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// auth.secret must be set.
    Needed,
    /// No token is made or checked, so that a throw-away key will do.
    Unused,
}

/// Connects, brings the tables up to date or insists on it, and opens the domain with its built-in plans and rules.
pub async fn open(config: &Config, pending: Pending, tokens: Tokens) -> Result<Domain, OpenError> {
    open_heard(config, pending, tokens, None).await
}

/// The same, with somebody who hears all statements that are sent.
pub async fn open_heard(
    config: &Config,
    pending: Pending,
    tokens: Tokens,
    hearing: Option<&Hearing>,
) -> Result<Domain, OpenError> {
    let secret = match tokens {
        Tokens::Needed => secret(&config.auth)?,
        Tokens::Unused => random_secret().into_bytes(),
    };
    let mut database = connect(config).await?;
    if let Some(hearing) = hearing {
        hearing.listen(&mut database);
    }
    match pending {
        Pending::Apply => drop(migrate(&database).await?),
        Pending::Refuse => match missing(&database).await?.len() {
            0 => {}
            count => return Err(OpenError::Outdated(count)),
        },
    }
    let rules = Host::new(host_settings(&config.rules, &secret, tokens == Tokens::Needed)?)
        .map_err(|e| OpenError::Rules(e.to_string()))?;
    let settings = Settings {
        tokens: TokenSettings {
            secret,
            issuer: config.auth.issuer.clone(),
            audience: config.auth.audience.clone(),
            lifetime: config.auth.token_ttl.get(),
            leeway: config.auth.leeway.get(),
        },
        foreign: jwks::foreign(&config.auth)?,
        sign_in: sign_in(&config.auth.sign_in),
        streams: StreamSettings {
            max_lag: config.subscriptions.max_lag,
        },
        quarantine: QuarantineSettings {
            failures: config.rules.quarantine.failures.clamp(1, 100),
            window: config.rules.quarantine.window.get(),
        },
        usage_window: UsageWindow {
            max_age: config.usage.max_age.get(),
            max_ahead: config.usage.max_ahead.get(),
        },
        webhooks: webhooks::settings(&config.webhooks),
        holds: HoldSettings {
            usual: config.usage.hold_for.get(),
            longest: config.usage.hold_longest.get(),
        },
        budget: BudgetSettings {
            capacity: config.budget.capacity,
            restored: config.budget.restore_rate,
            child_share: u64::from(config.budget.child_share.min(100)),
            least: config.graphql.max_cost,
        },
        intake: IntakeSettings {
            batch: config.usage.batch.max(1),
            waiting: usize::try_from(config.usage.max_waiting.0).unwrap_or(usize::MAX),
            own_thread: threads(config) == 1 && processors() > 1,
        },
        remember: config.auth.remember.get(),
        pipeline: pipeline(config),
        listener: hearing.map(Hearing::listener),
        faults: canopy_domain::domain::Faults::default(),
    };
    let domain = Domain::open(database, rules, settings).map_err(OpenError::Domain)?;
    domain.ensure_builtins().await.map_err(OpenError::Domain)?;
    Ok(domain)
}

fn sign_in(config: &SignInConfig) -> SignInSettings {
    SignInSettings {
        account: Tries {
            burst: config.account_tries,
            every: config.account_every.get(),
        },
        address: Tries {
            burst: config.address_tries,
            every: config.address_every.get(),
        },
        remembered: config.remembered,
    }
}

/// How many threads a server works on: as many as are configured, or as find a processor free. A thread that takes turns
/// with the database's own process makes both late.
pub fn threads(config: &Config) -> usize {
    let taken = match pipeline(config) {
        Some(pipeline) if is_near(&pipeline.url) => pipeline.connections,
        _ => 0,
    };
    match config.http.threads {
        0 => processors().saturating_sub(taken).max(1),
        configured => configured,
    }
}

/// The processors that this process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The key that signs tokens, from auth.secret or the file it names.
fn secret(auth: &AuthConfig) -> Result<Vec<u8>, ConfigError> {
    let secret = match (auth.secret.as_str(), auth.secret_file.as_str()) {
        ("", "") => {
            return Err(ConfigError::Missing {
                key: "auth.secret",
                how: "set CANOPY__AUTH__SECRET, for example to the output of `openssl rand -hex 32`, or auth.secret_file",
            });
        }
        ("", file) => fs::read_to_string(file)
            .map_err(|source| ConfigError::Unreadable {
                path: PathBuf::from(file),
                source,
            })?
            .trim()
            .to_owned(),
        (secret, _) => secret.to_owned(),
    };
    if secret.len() < MIN_SECRET {
        return Err(ConfigError::Missing {
            key: "auth.secret",
            how: "the key must have at least 32 bytes",
        });
    }
    Ok(secret.into_bytes())
}

/// A key for a process that keeps none: 256 bits, in hex.
pub(crate) fn random_secret() -> String {
    let bytes: [u8; 32] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn host_settings(config: &RulesConfig, secret: &[u8], keeps: bool) -> Result<HostSettings, OpenError> {
    let program = match config.compiler.as_str() {
        "" => std::env::current_exe().map_err(|e| OpenError::Rules(e.to_string()))?,
        path => PathBuf::from(path),
    };
    let mut settings = HostSettings::new(CompilerCommand {
        program,
        args: vec!["compile-rule".to_owned()],
    });
    settings.cache = keeps.then(|| cache(config, secret)).flatten();
    let small = &mut settings.small;
    small.upload = config.max_upload.bytes();
    small.memory = config.memory.bytes();
    small.places = config.concurrency.max(1);
    small.fuel = config.fuel;
    small.deadline = config.deadline.get();
    small.compile.deadline = config.compile_timeout.get();
    small.compile.memory = config.compile_memory.bytes();
    let (given, interpreter) = (&config.interpreter, &mut settings.interpreter);
    interpreter.upload = given.max_upload.bytes();
    interpreter.memory = given.memory.bytes();
    interpreter.places = given.concurrency.max(1);
    interpreter.fuel = given.fuel;
    interpreter.deadline = given.deadline.get();
    interpreter.compile.deadline = given.compile_timeout.get();
    interpreter.compile.memory = given.compile_memory.bytes();
    settings.fuel_per_minute = (config.fuel_per_minute > 0).then_some(config.fuel_per_minute);
    Ok(settings)
}

/// Where compiled rules are kept, authenticated with a key that follows from the secret. Each key has a folder of its
/// own, so that two servers with different secrets do not throw each other's files away.
fn cache(config: &RulesConfig, secret: &[u8]) -> Option<CacheSettings> {
    let key: [u8; 32] = Sha256::new()
        .chain_update(b"canopy compiled rules")
        .chain_update(secret)
        .finalize()
        .into();
    let name: [u8; 32] = Sha256::digest(key).into();
    let name: String = name.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Some(CacheSettings {
        folder: cache_folder(config)?.join(name),
        key,
        files: CACHED_RULES,
    })
}

fn cache_folder(config: &RulesConfig) -> Option<PathBuf> {
    match config.cache_dir.as_str() {
        "none" => None,
        "" => {
            let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
            base.filter(|path| path.is_absolute())
                .or_else(home)
                .map(|path| path.join("canopy").join("rules"))
        }
        given => Some(PathBuf::from(given)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn config(url: &str, threads: usize) -> Config {
        let sources = Sources::of_process(None)
            .flag("--database-url", "database.url", Some(url.to_owned()))
            .flag("--threads", "http.threads", Some(threads));
        sources.load().expect("a good configuration").config
    }

    #[test]
    fn a_database_next_door_is_left_the_processors_that_it_works_on() {
        let (near, far) = ("postgres://localhost/canopy", "postgres://db.example.com/canopy");
        let (all, lanes) = (
            processors(),
            pipeline(&config(near, 0)).expect("PostgreSQL").connections,
        );
        assert_eq!(threads(&config(near, 0)), all.saturating_sub(lanes).max(1));
        assert_eq!(threads(&config(far, 0)), all);
        assert_eq!(threads(&config("sqlite://canopy.db", 0)), all);
        assert_eq!(threads(&config(near, 7)), 7);
    }
}
