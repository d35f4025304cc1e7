//! The tree that the clients use: a platform that sells to two main accounts, one with clients who share its wallet, one
//! that runs out of credits; a rule of the built-in kind is live at each seller.

use anyhow::{Context, Result};
use canopy::config::Sources;
use canopy::house::{self, Pending, Tokens};
use canopy_domain::accounts::{CreateSubaccount, NewRoot};
use canopy_domain::auth::NewApiKey;
use canopy_domain::entity::account::AccountKind;
use canopy_domain::entity::rule_version::RuleKind;
use canopy_domain::entity::{AccountId, PermissionKey, PlanId};
use canopy_domain::rules::{ChangeRule, RuleSource, RuleStep, UploadRule};
use canopy_domain::{AccountView, Actor, Domain};
use serde_json::json;

use crate::backends::Postgres;
use crate::nodes::SECRET;

/// An account with an API key that may do everything there.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) key: String,
}

pub(crate) struct World {
    /// From the top down, each before those below it.
    pub(crate) places: Vec<Place>,
    pub(crate) domain: Domain,
    system: Actor,
}

/// The accounts below the platform: name, the one above by its place in the list of all, and credits to begin with.
const ACCOUNTS: [(&str, usize, &str); 9] = [
    ("reseller", 0, "1000000"),
    ("short of credits", 0, "6"),
    ("client a", 1, ""),
    ("client b", 1, ""),
    ("client c", 1, ""),
    ("branch of a", 3, ""),
    ("other branch of a", 3, ""),
    ("branch of b", 4, ""),
    ("last credit", 0, ""),
];

/// What each seller charges for a unit of anything.
const PRICES: [(usize, &str); 4] = [(0, "0.01"), (1, "0.02"), (3, "0.05"), (4, "0.03")];

/// The place of the account with the last credit.
pub(crate) const LAST_CREDIT: usize = 9;

impl World {
    /// Makes all of it in an empty database.
    pub(crate) async fn make(port: u16, cache: &std::path::Path) -> Result<Self> {
        let url = Postgres::url(port);
        let cache = cache.display().to_string();
        let config = Sources::default()
            .flag("--database", "database.url", Some(url.as_str()))
            .flag("--secret", "auth.secret", Some(SECRET))
            .flag("--cache", "rules.cache_dir", Some(cache.as_str()))
            .flag("--compiler", "rules.compiler", Some(env!("CARGO_BIN_EXE_canopy")))
            .load()?
            .config;
        let domain = house::open(&config, Pending::Apply, Tokens::Needed).await?;
        let platform = new_root(None, AccountKind::Platform, "platform", None)?;
        let platform = domain.create_root(platform).await.map_err(told)?;
        let system = domain.system_actor(&platform.id, &platform.path);
        let mut world = Self {
            places: Vec::new(),
            domain,
            system,
        };
        world.add("platform", &platform.id).await?;
        for (name, above, credits) in ACCOUNTS {
            let above = AccountId::parse(&world.places[above].id).context("an id of ours")?;
            let id = world.account(name, above).await?;
            let view = world.add(name, &id).await?;
            if !credits.is_empty() {
                world.grant(&view, credits).await?;
            }
        }
        for (seller, price) in PRICES {
            world.price(seller, price).await?;
        }
        Ok(world)
    }

    async fn account(&self, name: &'static str, above: AccountId) -> Result<AccountId> {
        if above.as_str() == self.places[0].id {
            let new = new_root(Some(above), AccountKind::Main, name, Some("pln_itellico"))?;
            return Ok(self.domain.create_root(new).await.map_err(told)?.id);
        }
        let new = CreateSubaccount {
            parent_id: above,
            name: name.to_owned(),
            plan_id: None,
            credit_mode: None,
            external_ref: None,
            time_zone: None,
        };
        let made = self
            .domain
            .create_subaccount(&self.system, new, None)
            .await
            .map_err(told)?;
        Ok(made.value.id().clone())
    }

    async fn add(&mut self, name: &'static str, id: &AccountId) -> Result<AccountView> {
        let view = self.domain.account(&self.system, id).await.map_err(told)?;
        let key = NewApiKey {
            name: name.to_owned(),
            levels: PermissionKey::all().map(|key| (key, key.max_level())).collect(),
            expires_at: None,
            allowed_ips: Vec::new(),
        };
        let made = self
            .domain
            .create_api_key(&self.system, &view, key)
            .await
            .map_err(told)?;
        self.places.push(Place {
            name,
            id: id.as_str().to_owned(),
            path: view.path().as_str().to_owned(),
            key: made.secret,
        });
        Ok(view)
    }

    async fn grant(&self, view: &AccountView, credits: &str) -> Result<()> {
        let credits = credits.parse().ok().context("an amount")?;
        self.domain
            .grant_credits(&self.system, view, credits)
            .await
            .map_err(told)?;
        Ok(())
    }

    /// Grants credits to a place, as an operator would.
    pub(crate) async fn fund(&self, place: usize, credits: &str) -> Result<()> {
        let id = AccountId::parse(&self.places[place].id).context("an id of ours")?;
        let view = self.domain.account(&self.system, &id).await.map_err(told)?;
        self.grant(&view, credits).await
    }

    async fn price(&self, seller: usize, price: &str) -> Result<()> {
        let upload = UploadRule {
            account_id: AccountId::parse(&self.places[seller].id).context("an id of ours")?,
            kind: RuleKind::Pricing,
            name: "prices".to_owned(),
            source: RuleSource::Builtin("tiered-pricing".to_owned()),
            configuration: json!({"meters": {"*": {"unit_price": price}}}),
            failure_policy: None,
            check: true,
        };
        let uploaded = self
            .domain
            .upload_rule(&self.system, upload, None)
            .await
            .map_err(told)?;
        let activate = ChangeRule::new(RuleStep::Activate, uploaded.value.row.id);
        self.domain
            .change_rule(&self.system, activate, None)
            .await
            .map_err(told)?;
        Ok(())
    }
}

fn new_root(parent: Option<AccountId>, kind: AccountKind, name: &str, plan: Option<&str>) -> Result<NewRoot> {
    let plan = plan.map(PlanId::parse).transpose();
    Ok(NewRoot {
        parent,
        kind,
        name: name.to_owned(),
        currency: "USD".to_owned(),
        plan_id: plan.ok().context("the id of a preset")?,
        time_zone: None,
    })
}

fn told(error: canopy_domain::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:?}")
}
