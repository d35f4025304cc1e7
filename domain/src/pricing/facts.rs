//! What a price depends on beside the usage itself: the accounts of the path and the rules that are live there. With it, the
//! thresholds that usage is held against when it is recorded.
//!
//! The database counts, tree by tree, how often any of that changed. So it is read once and remembered, and a
//! transaction that writes prices locks the counts of its trees instead of the rows of all its accounts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use canopy_entity::account::{self, AccountStatus, BillingMode, CreditMode};
use canopy_entity::rule_version::{self, FailurePolicy, RuleKind};
use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, AccountPath, PlanId, usage_alert};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};

use super::positions::{self, Positions};
use super::terms::{self, Terms};
use crate::memory::Memory;
use crate::plans::Meters;
use crate::rules::{LiveRule, active_rules};
use crate::statement::{list, statement};
use crate::{Domain, Result};

/// The most that is remembered, in bytes.
const REMEMBERED: u64 = 64 << 20;
/// About what the facts of an account take, without its rule's configuration.
const SIZE: usize = 512;
/// About what an alert takes, and what a place does that an account had.
const ALERT_SIZE: usize = 512;
const POSITION_SIZE: usize = 128;

/// What one account of a path is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AccountFacts {
    pub(crate) path: AccountPath,
    /// Where it stood before it was moved.
    pub(super) positions: Positions,
    pub(crate) status: AccountStatus,
    pub(crate) currency: String,
    pub(crate) plan_id: Option<PlanId>,
    pub(crate) billing_mode: BillingMode,
    pub(crate) credit_mode: CreditMode,
    /// Whether its plan lets it sell for less than it pays.
    pub(crate) allow_below_cost: bool,
    /// What its plan says of meters.
    pub(crate) meters: Arc<Meters>,
    /// The thresholds on its usage.
    pub(crate) alerts: Vec<usage_alert::Model>,
}

/// The accounts of some paths, and the pricing rules that are live there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) accounts: HashMap<AccountId, Arc<AccountFacts>>,
    pub(crate) rules: HashMap<AccountId, Arc<LiveRule>>,
    /// The terms of each tree before the facts were read.
    terms: Terms,
}

/// What is known of an account, and its live rule if it has one.
type Known = (Arc<AccountFacts>, Option<Arc<LiveRule>>);

/// Facts that were read a moment ago, each for as long as its tree's terms stay as they were.
pub(crate) struct RememberedFacts(Memory<AccountId, Known>);

const ACCOUNTS: &str = "
SELECT a.*, p.limits_configuration AS terms, p.meters,
  EXISTS (SELECT 1 FROM usage_alerts u WHERE u.account_id = a.id) AS has_alerts,
  EXISTS (SELECT 1 FROM account_positions s WHERE s.account_id = a.id) AS has_moved
FROM accounts a LEFT JOIN plans p ON p.id = a.plan_id WHERE a.id IN [$1] ORDER BY a.id
";

const ALERTS: &str = "SELECT * FROM usage_alerts WHERE account_id IN [$1] ORDER BY id";

impl RememberedFacts {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self(Memory::new("facts", REMEMBERED, lifetime))
    }

    /// What holds for all accounts of `paths`, whose trees have these terms.
    async fn of(
        &self,
        db: &impl ConnectionTrait,
        terms: Terms,
        paths: BTreeSet<&AccountPath>,
    ) -> Result<Facts> {
        let mut facts = Facts {
            terms,
            ..Facts::default()
        };
        let mut missing: BTreeMap<AccountId, u64> = BTreeMap::new();
        for path in paths {
            let version = facts.version(path);
            for id in path.each_id() {
                if facts.accounts.contains_key(&id) || missing.contains_key(&id) {
                    continue;
                }
                match self.0.get(&id, version) {
                    Some(known) => facts.learn(id, known),
                    None => drop(missing.insert(id, version)),
                }
            }
        }
        if !missing.is_empty() {
            let mut read = read(db, missing.keys()).await?;
            for (id, version) in missing {
                let Some(known) = read.remove(&id) else { continue };
                let rule = known.1.as_ref();
                let configuration = rule.map_or(0, |rule| rule.version.configuration.to_string().len());
                let alerts = known.0.alerts.len() * ALERT_SIZE;
                let size = SIZE + configuration + alerts + known.0.positions.count() * POSITION_SIZE;
                self.0.keep(id.clone(), version, known.clone(), size);
                facts.learn(id, known);
            }
        }
        Ok(facts)
    }
}

impl Domain {
    /// What holds for all accounts of `paths`: what was read a moment ago is not read again while its tree's terms stay.
    pub(crate) async fn facts_of(&self, paths: impl IntoIterator<Item = &AccountPath>) -> Result<Facts> {
        let paths: BTreeSet<&AccountPath> = paths.into_iter().collect();
        let terms = self.tree_terms(&roots(&paths)).await?;
        self.0.facts.of(&self.0.db, terms, paths).await
    }

    /// How often anything changed that the facts of a tree hold.
    pub(crate) async fn terms_version(&self, root: &AccountId) -> Result<u64> {
        let terms = self.tree_terms(&BTreeSet::from([root.clone()])).await?;
        Ok(terms[root].version.unsigned_abs())
    }
}

impl Facts {
    /// Reads what holds for all accounts of `paths`.
    pub(crate) async fn read(
        db: &impl ConnectionTrait,
        paths: impl IntoIterator<Item = &AccountPath>,
    ) -> Result<Self> {
        let paths: BTreeSet<&AccountPath> = paths.into_iter().collect();
        let terms = terms::read(db, &roots(&paths)).await?;
        RememberedFacts::new(Duration::ZERO).of(db, terms, paths).await
    }

    /// Whether all of this still holds; if so, it will until the transaction `txn` ends: who changes an account or
    /// activates a rule for it waits.
    pub(crate) async fn hold(&self, txn: &impl ConnectionTrait) -> Result<bool> {
        let roots: BTreeSet<AccountId> = self.terms.keys().cloned().collect();
        Ok(terms::hold(txn, &roots).await? == self.terms)
    }

    fn learn(&mut self, id: AccountId, (account, rule): Known) {
        if let Some(rule) = rule {
            self.rules.insert(id.clone(), rule);
        }
        self.accounts.insert(id, account);
    }

    /// The version of the terms of the tree that `path` is in.
    fn version(&self, path: &AccountPath) -> u64 {
        let term = self.terms.get(&path.root_id());
        term.map_or(0, |term| term.version.unsigned_abs())
    }

    /// The end of the last closed month of the tree that `path` is in; none if none is closed.
    pub(crate) fn closed_until(&self, path: &AccountPath) -> Option<Timestamp> {
        self.terms.get(&path.root_id())?.closed_until
    }

    /// Where the account stood when it used something; none if the account is not among those that are known.
    pub(crate) fn stood(&self, account: &AccountId, at: Timestamp) -> Option<&AccountPath> {
        let account = self.accounts.get(account)?;
        Some(account.positions.at(at).unwrap_or(&account.path))
    }

    /// Only what holds for the tree of `path`.
    pub(crate) fn of_path(&self, path: &AccountPath) -> Self {
        let ids = path.ids();
        let accounts = ids
            .iter()
            .filter_map(|id| Some((id.clone(), self.accounts.get(id)?.clone())));
        let rules = ids
            .iter()
            .filter_map(|id| Some((id.clone(), self.rules.get(id)?.clone())));
        let root = path.root_id();
        Self {
            accounts: accounts.collect(),
            rules: rules.collect(),
            terms: self
                .terms
                .get_key_value(&root)
                .into_iter()
                .map(|(root, term)| (root.clone(), *term))
                .collect(),
        }
    }

    /// The version that prices the edge of the seller `ids[edge]` when that seller's own rule has no answer. None if
    /// the usage waits then, or is refused.
    pub(super) fn stand_in(&self, ids: &[AccountId], edge: usize) -> Option<&rule_version::Model> {
        let rule = self.rules.get(&ids[edge])?;
        match rule.policy() {
            FailurePolicy::Deny | FailurePolicy::KeepPending => None,
            FailurePolicy::LastGood => rule.last_good.as_ref(),
            FailurePolicy::ParentRule => {
                let mut above = ids[..edge].iter().rev();
                above.find_map(|seller| self.rules.get(seller)?.standing())
            }
        }
    }

    /// Whether a plan has a meter that needs more than sums and counts.
    pub(crate) fn keep_values(&self) -> bool {
        self.accounts.values().any(|account| account.meters.keep_values())
    }

    /// True if the account at `path` and all above it are in use.
    pub(crate) fn all_active(&self, path: &AccountPath) -> bool {
        path.each_id().all(|id| {
            self.accounts
                .get(&id)
                .is_some_and(|account| account.status == AccountStatus::Active)
        })
    }
}

fn roots(paths: &BTreeSet<&AccountPath>) -> BTreeSet<AccountId> {
    paths.iter().map(|path| path.root_id()).collect()
}

async fn read(
    db: &impl ConnectionTrait,
    ids: impl Iterator<Item = &AccountId> + Clone,
) -> Result<HashMap<AccountId, Known>> {
    let mut rules = active_rules(db, RuleKind::Pricing, ids.clone()).await?;
    let rows = db
        .query_all_raw(statement(db.get_database_backend(), ACCOUNTS, [list(ids)]))
        .await?;
    let mut alerts = alerts(db, &marked(&rows, "has_alerts")?).await?;
    let mut positions = positions::read(db, &marked(&rows, "has_moved")?).await?;
    let known = rows.iter().map(|row| {
        let account = account::Model::from_query_result(row, "")?;
        let terms: Option<serde_json::Value> = row.try_get("", "terms")?;
        let meters: Option<serde_json::Value> = row.try_get("", "meters")?;
        let meters = meters.map(|meters| Meters::read(&meters)).transpose()?;
        let rule = rules.remove(&account.id).map(Arc::new);
        let facts = AccountFacts {
            positions: positions.remove(&account.id).unwrap_or_default(),
            alerts: alerts.remove(&account.id).unwrap_or_default(),
            ..of(&account, terms, meters.unwrap_or_default())
        };
        Ok((account.id, (Arc::new(facts), rule)))
    });
    known.collect()
}

/// Those accounts of `rows` that have something more to be read; most have not, and nothing is asked for them.
fn marked(rows: &[QueryResult], mark: &str) -> Result<Vec<AccountId>> {
    let mut marked = Vec::new();
    for row in rows {
        if row.try_get("", mark)? {
            marked.push(row.try_get("", "id")?);
        }
    }
    Ok(marked)
}

async fn alerts(
    db: &impl ConnectionTrait,
    watched: &[AccountId],
) -> Result<HashMap<AccountId, Vec<usage_alert::Model>>> {
    let mut alerts: HashMap<AccountId, Vec<usage_alert::Model>> = HashMap::new();
    if watched.is_empty() {
        return Ok(alerts);
    }
    let read = statement(db.get_database_backend(), ALERTS, [list(watched)]);
    for alert in usage_alert::Model::find_by_statement(read).all(db).await? {
        alerts.entry(alert.account_id.clone()).or_default().push(alert);
    }
    Ok(alerts)
}

fn of(account: &account::Model, terms: Option<serde_json::Value>, meters: Meters) -> AccountFacts {
    let allow_below_cost = terms
        .and_then(|terms| terms.get("allow_below_cost")?.as_bool())
        .unwrap_or(false);
    AccountFacts {
        path: account.path.clone(),
        positions: Positions::default(),
        status: account.status,
        currency: account.currency.clone(),
        plan_id: account.plan_id.clone(),
        billing_mode: account.billing_mode,
        credit_mode: account.credit_mode,
        allow_below_cost,
        meters: Arc::new(meters),
        alerts: Vec::new(),
    }
}
