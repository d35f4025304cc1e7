//! `canopy bench`: what benchmarks need and users do not.

use std::{
    collections::HashMap,
    io::{Write, stdout},
};

use canopy_domain::{
    Domain,
    auth::NewApiKey,
    entity::{AccountId, AccountPath, Level, PermissionKey},
    forest::{Forest, ForestSize},
};
use sea_orm::Iterable;
use serde_json::{Map, Value, json};

use super::{arguments::BenchCommand, progress};
use crate::{
    config::Config,
    house::{self, Pending, Tokens},
};

pub(super) async fn run(config: &Config, command: BenchCommand) -> anyhow::Result<()> {
    match command {
        BenchCommand::Seed { trees } => seed(config, ForestSize { trees }).await,
    }
}

async fn seed(config: &Config, size: ForestSize) -> anyhow::Result<()> {
    let domain = house::open(config, Pending::Apply, Tokens::Unused).await?;
    let tell = |step: &str| progress::tell(&format!("seed: {step}"));
    let forest = domain.plant_forest(size, &tell).await?;
    let platform = key(&domain, &forest.platform).await?;
    let root = key(&domain, &forest.roots[0]).await?;
    writeln!(stdout().lock(), "{}", told(&forest, &platform, &root))?;
    Ok(())
}

/// What a program needs that goes on with the forest.
fn told(forest: &Forest, platform: &str, root: &str) -> Value {
    let rows = forest.rows.iter();
    let rows: Map<String, Value> = rows
        .map(|(table, rows)| ((*table).to_owned(), json!(rows)))
        .collect();
    let roots = forest.roots.iter().map(|(id, _)| id);
    json!({
        "rows": rows,
        "usage": { "start": forest.usage.start, "end": forest.usage.end },
        "platform": forest.platform.0,
        "roots": roots.collect::<Vec<_>>(),
        "keys": { "platform": platform, "root": root },
    })
}

/// A key that may do everything in an account and below.
async fn key(domain: &Domain, (id, path): &(AccountId, AccountPath)) -> anyhow::Result<String> {
    let actor = domain.system_actor(id, path);
    let account = domain.account(&actor, id).await?;
    let levels: HashMap<PermissionKey, Level> =
        PermissionKey::iter().map(|key| (key, key.max_level())).collect();
    let new = NewApiKey {
        name: "benchmark".to_owned(),
        levels,
        expires_at: None,
        allowed_ips: Vec::new(),
    };
    Ok(domain.create_api_key(&actor, &account, new).await?.secret)
}
