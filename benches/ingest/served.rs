//! The gateway as it is shipped, in a process of its own.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use canopy_domain::auth::NewApiKey;
use canopy_domain::entity::PermissionKey;
use sea_orm::Iterable;
use tokio::process::{Child, Command};

use crate::port::{free_port, until_it_listens};
use crate::seller::Seller;

/// Points that no run uses up: costs are counted and drawn, and nobody is refused.
const BUDGET: &str = "1000000000000";

pub(crate) struct Served {
    pub(crate) port: u16,
    pub(crate) pid: u32,
    pub(crate) key: String,
    _process: Child,
}

/// A key that may do everything at the seller and below.
pub(crate) async fn key(seller: &Seller) -> Result<String> {
    let account = seller.domain.account(&seller.actor, &seller.account.id).await?;
    let levels: HashMap<_, _> = PermissionKey::iter().map(|key| (key, key.max_level())).collect();
    let new = NewApiKey {
        name: "benchmark".to_owned(),
        levels,
        expires_at: None,
        allowed_ips: Vec::new(),
    };
    Ok(seller
        .domain
        .create_api_key(&seller.actor, &account, new)
        .await?
        .secret)
}

impl Served {
    /// On the database at `url`, with its files in `folder`.
    pub(crate) async fn start(url: &str, folder: &Path, key: String) -> Result<Self> {
        let port = free_port()?;
        let process = Command::new(env!("CARGO_BIN_EXE_canopy"))
            .arg("serve")
            .env("CANOPY__DATABASE__URL", url)
            .env("CANOPY__HTTP__PORT", port.to_string())
            .env(
                "CANOPY__AUTH__SECRET",
                "a key for benchmarks, of 32 bytes and more",
            )
            .env("CANOPY__RULES__CACHE_DIR", folder.join("rules"))
            .env("CANOPY__BUDGET__CAPACITY", BUDGET)
            .env("CANOPY__BUDGET__RESTORE_RATE", BUDGET)
            .env("CANOPY__LOG__FILTER", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start canopy")?;
        until_it_listens(port).await.context("canopy does not listen")?;
        Ok(Self {
            port,
            pid: process.id().context("it has ended")?,
            key,
            _process: process,
        })
    }
}
