//! A main account that sells to clients below it, made by the product's own services.

use std::path::PathBuf;

use anyhow::{Context, Result};
use canopy::config::{Config, Sources};
use canopy_domain::accounts::{CreateSubaccount, NewRoot};
use canopy_domain::auth::TokenSettings;
use canopy_domain::entity::account::{self, AccountKind};
use canopy_domain::entity::rule_version::RuleKind;
use canopy_domain::entity::{PlanId, RuleVersionId};
use canopy_domain::rules::{ChangeRule, RuleSource, RuleStep, UploadRule};
use canopy_domain::rules_host::{CompilerCommand, Host, HostSettings};
use canopy_domain::{Actor, Domain, Settings};
use sea_orm::DatabaseConnection;
use serde_json::{Value, json};

/// The seller, and the domain that it is in.
pub(crate) struct Seller {
    pub(crate) domain: Domain,
    pub(crate) actor: Actor,
    pub(crate) account: account::Model,
}

/// What a seller charges: less for each unit the more is used in a month.
pub(crate) fn tiers() -> Value {
    json!({"meters": {"*": {"tiers": [
        {"up_to": "1000", "unit_price": "0.09"}, {"up_to": "10000", "unit_price": "0.075"}, {"unit_price": "0.06"}
    ]}}})
}

/// Connects as the product does, and brings the tables up to date.
pub(crate) async fn database(url: &str) -> Result<DatabaseConnection> {
    let db = canopy::database::connect(&config(url)).await?;
    canopy::database::migrate(&db).await?;
    Ok(db)
}

/// The sandbox for rules, as the product has it.
pub(crate) fn host() -> Result<Host> {
    let compiler = CompilerCommand {
        program: PathBuf::from(env!("CARGO_BIN_EXE_canopy")),
        args: vec!["compile-rule".to_owned()],
    };
    Ok(Host::new(HostSettings::new(compiler))?)
}

fn config(url: &str) -> Config {
    let sources = Sources::default().flag("--database", "database.url", Some(url));
    sources.load().expect("the defaults are valid").config
}

impl Seller {
    /// A seller on a plan that Canopy ships, alone in the database.
    pub(crate) async fn settle(db: &DatabaseConnection, host: Host, plan: &str) -> Result<Self> {
        let settings = Settings::new(TokenSettings {
            secret: vec![7; 32],
            issuer: "canopy".to_owned(),
            audience: "canopy".to_owned(),
            lifetime: std::time::Duration::from_secs(900),
            leeway: std::time::Duration::from_secs(5),
        });
        let domain = Domain::open(db.clone(), host, settings)?;
        domain.ensure_builtins().await?;
        let new = NewRoot {
            parent: None,
            kind: AccountKind::Main,
            name: "Seller".to_owned(),
            currency: "USD".to_owned(),
            plan_id: Some(PlanId::parse(plan).context("a plan's id")?),
            time_zone: None,
        };
        let account = domain.create_root(new).await?;
        let actor = domain.system_actor(&account.id, &account.path);
        Ok(Self {
            domain,
            actor,
            account,
        })
    }

    /// Makes a built-in rule of prices live, with [`tiers`].
    pub(crate) async fn price(&self) -> Result<RuleVersionId> {
        let upload = UploadRule {
            account_id: self.account.id.clone(),
            kind: RuleKind::Pricing,
            name: "prices".to_owned(),
            source: RuleSource::Builtin("tiered-pricing".to_owned()),
            configuration: tiers(),
            failure_policy: None,
            check: true,
        };
        let uploaded = self.domain.upload_rule(&self.actor, upload, None).await?;
        let rule = uploaded.value.row.id;
        let activate = ChangeRule::new(RuleStep::Activate, rule.clone());
        self.domain.change_rule(&self.actor, activate, None).await?;
        Ok(rule)
    }

    /// So many accounts directly below.
    pub(crate) async fn clients(&self, accounts: usize) -> Result<Vec<account::Model>> {
        let mut clients = Vec::with_capacity(accounts);
        for number in 0..accounts {
            let new = CreateSubaccount {
                parent_id: self.account.id.clone(),
                name: format!("Client {number}"),
                plan_id: None,
                credit_mode: None,
                external_ref: None,
                time_zone: None,
            };
            let created = self.domain.create_subaccount(&self.actor, new, None).await?;
            clients.push(created.value.row().clone());
        }
        Ok(clients)
    }
}
