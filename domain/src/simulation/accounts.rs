//! The accounts that turn up in the pages of a simulation: where they stand, whether they are asked about, and their
//! tallies. What is here grows with the accounts and not with the events.

use std::collections::{BTreeSet, HashMap};

use canopy_entity::{AccountId, AccountPath};
use sea_orm::ConnectionTrait;

use super::tally::Tally;
use crate::statement::{list, statement};
use crate::{Error, Result};

/// The most accounts that one simulation may meet.
pub(super) const MAX_ACCOUNTS: usize = 50_000;

const PLACES: &str = "SELECT id, path, COALESCE(plan_id, '') AS plan FROM accounts WHERE id IN [$1]";

/// The accounts that were met, each with its place in the order in which it was.
#[derive(Debug)]
pub(super) struct Accounts {
    /// How many ids stand before the buyer's in a path.
    depth: usize,
    roots: Vec<AccountPath>,
    places: HashMap<String, usize>,
    met: Vec<Met>,
    /// The plan of each buyer, as it is now.
    plans: HashMap<String, String>,
}

/// An account that used something.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) id: AccountId,
    pub(super) path: AccountPath,
    /// The path from the seller on, as its rule is told it.
    pub(super) seen: String,
    /// The seller's direct customer on the path.
    pub(super) buyer: AccountId,
    /// Whether it is one of those that were asked about.
    pub(super) asked: bool,
    pub(super) tally: Tally,
}

impl Accounts {
    /// None yet. Those at or below `roots` are asked about, or all if there are none.
    pub(super) fn below(seller: &AccountPath, roots: Vec<AccountPath>) -> Self {
        Self {
            depth: seller.ids().len(),
            roots,
            places: HashMap::new(),
            met: Vec::new(),
            plans: HashMap::new(),
        }
    }

    /// The place of an account that was met.
    pub(super) fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// The account at a place.
    pub(super) fn at(&self, place: usize) -> &Met {
        &self.met[place]
    }

    /// The tally of the account at a place.
    pub(super) fn tally(&mut self, place: usize) -> &mut Tally {
        &mut self.met[place].tally
    }

    /// The plan that a buyer is on now; empty for none.
    pub(super) fn plan_now(&self, buyer: &AccountId) -> &str {
        self.plans.get(buyer.as_str()).map_or("", String::as_str)
    }

    /// All that were met.
    pub(super) fn met(&self) -> &[Met] {
        &self.met
    }

    /// All that they came to together.
    pub(super) fn total(&self) -> Tally {
        self.met.iter().fold(Tally::default(), |mut total, met| {
            total.merge(&met.tally);
            total
        })
    }

    /// Makes sure that all of `ids` were met.
    pub(super) async fn meet(&mut self, db: &impl ConnectionTrait, ids: BTreeSet<&str>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        if self.met.len() + ids.len() > MAX_ACCOUNTS {
            return Err(Error::bad_input(
                &["accountIds"],
                format!("A simulation has at most {MAX_ACCOUNTS} accounts: name some of them."),
            ));
        }
        let backend = db.get_database_backend();
        let mut buyers = BTreeSet::new();
        for row in db.query_all_raw(statement(backend, PLACES, [list(ids)])).await? {
            let (id, path): (AccountId, AccountPath) = (row.try_get("", "id")?, row.try_get("", "path")?);
            let Some(buyer) = path.ids().get(self.depth).cloned() else {
                return Err(Error::internal(
                    "usage of an account that is not below its seller",
                ));
            };
            let seen = path.seen_from(self.depth - 1).unwrap_or_default().to_owned();
            let asked = self.roots.is_empty() || self.roots.iter().any(|root| root.contains(&path));
            if !self.plans.contains_key(buyer.as_str()) {
                buyers.insert(buyer.clone());
            }
            self.places.insert(id.to_string(), self.met.len());
            self.met.push(Met {
                id,
                path,
                seen,
                buyer,
                asked,
                tally: Tally::default(),
            });
        }
        for row in db
            .query_all_raw(statement(backend, PLACES, [list(&buyers)]))
            .await?
        {
            self.plans
                .insert(row.try_get("", "id")?, row.try_get("", "plan")?);
        }
        Ok(())
    }
}
