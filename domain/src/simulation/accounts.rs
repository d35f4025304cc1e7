//! The accounts that turn up in the pages of a simulation: where they stood, whether they are asked about, and their
//! tallies. An account that was moved below its seller turns up in each place that it had. What is here grows with the
//! accounts and not with the events.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use canopy_entity::{AccountId, AccountPath};
use sea_orm::ConnectionTrait;

use super::tally::Tally;
use crate::statement::{list, statement};
use crate::{Error, Result};

/// The most accounts that one simulation may meet.
pub(super) const MAX_ACCOUNTS: usize = 50_000;

const PLANS: &str = "SELECT id, COALESCE(plan_id, '') AS plan FROM accounts WHERE id IN [$1]";

/// The accounts that were met, each with its place in the order in which it was.
#[derive(Debug)]
pub(super) struct Accounts {
    seller: AccountId,
    roots: Vec<AccountId>,
    /// By the paths from behind the seller.
    places: HashMap<String, usize>,
    met: Vec<Met>,
    /// The plan of each buyer, as it is now.
    plans: HashMap<String, String>,
}

/// An account that used something.
#[derive(Debug)]
pub(super) struct Met {
    id: AccountId,
    /// The path from the seller on, as its rule is told it.
    pub(super) seen: AccountPath,
    /// The seller's direct customer on the path.
    pub(super) buyer: AccountId,
    /// Whether it is one of those that were asked about.
    pub(super) asked: bool,
    pub(super) tally: Tally,
}

impl Accounts {
    /// None yet. Those at or below `roots` are asked about, or all if there are none.
    pub(super) fn below(seller: &AccountId, roots: Vec<AccountId>) -> Self {
        Self {
            seller: seller.clone(),
            roots,
            places: HashMap::new(),
            met: Vec::new(),
            plans: HashMap::new(),
        }
    }

    /// The place of an account that was met where it stood `below` the seller.
    pub(super) fn place(&self, below: &str) -> Option<usize> {
        self.places.get(below).copied()
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

    /// What each account came to that anything was counted for, in the order of their paths.
    pub(super) fn tallies(&self) -> Vec<(&AccountId, Tally)> {
        let counted = self.met.iter().filter(|met| met.tally.events > 0);
        let by_path: BTreeMap<&str, &Met> = counted.map(|met| (met.seen.as_str(), met)).collect();
        let mut tallies: Vec<(&AccountId, Tally)> = Vec::with_capacity(by_path.len());
        let mut places = HashMap::new();
        for met in by_path.into_values() {
            let place = *places.entry(&met.id).or_insert(tallies.len());
            match tallies.get_mut(place) {
                Some((_, tally)) => tally.merge(&met.tally),
                None => tallies.push((&met.id, met.tally.clone())),
            }
        }
        tallies
    }

    /// All that they came to together.
    pub(super) fn total(&self) -> Tally {
        self.met.iter().fold(Tally::default(), |mut total, met| {
            total.merge(&met.tally);
            total
        })
    }

    /// Makes sure that the accounts were met which stood `below` the seller.
    pub(super) async fn meet(&mut self, db: &impl ConnectionTrait, below: BTreeSet<&str>) -> Result<()> {
        if self.met.len() + below.len() > MAX_ACCOUNTS {
            return Err(Error::bad_input(
                &["accountIds"],
                format!("A simulation has at most {MAX_ACCOUNTS} accounts: name some of them."),
            ));
        }
        let mut buyers = BTreeSet::new();
        for below in below {
            let Ok(seen) = format!("{}/{below}", self.seller).parse::<AccountPath>();
            let (id, buyer) = (seen.at(seen.depth()), seen.at(1));
            let (Some(id), Some(buyer)) = (id, buyer) else {
                return Err(Error::internal(
                    "usage of an account that is not below its seller",
                ));
            };
            if !self.plans.contains_key(buyer.as_str()) {
                buyers.insert(buyer.clone());
            }
            self.places.insert(below.to_owned(), self.met.len());
            self.met.push(Met {
                asked: self.roots.is_empty() || self.roots.iter().any(|root| seen.leads_through(root)),
                id,
                seen,
                buyer,
                tally: Tally::default(),
            });
        }
        if buyers.is_empty() {
            return Ok(());
        }
        let plans = statement(db.get_database_backend(), PLANS, [list(&buyers)]);
        for row in db.query_all_raw(plans).await? {
            self.plans
                .insert(row.try_get("", "id")?, row.try_get("", "plan")?);
        }
        Ok(())
    }
}
