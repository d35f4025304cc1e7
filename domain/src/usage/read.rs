//! Reading usage: sums by bucket, single events, and their ratings.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use canopy_entity::time::Timestamp;
use canopy_entity::usage_aggregate::Granularity;
use canopy_entity::{AccountId, Level, PermissionKey, RatingId, UsageEventId, rating, usage_event};
use chrono::Datelike;
use sea_orm::FromQueryResult;
use sea_orm::sea_query::Condition;

use super::bucket;
use super::building::Building;
use super::values::KnownValues;
use crate::page::{List, Pages};
use crate::plans::Aggregation;
use crate::statement::{list, statement};
use crate::{AccountView, Actor, Domain, Error, Micros, Money, PageArgs, Result};

/// A span of time, half-open: `start` belongs to it, `end` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    /// The first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

/// Which usage is wanted; the same for all accounts of one read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UsageQuery {
    /// The span; its ends are moved out to whole buckets.
    pub period: Period,
    /// The length of a bucket.
    pub granularity: Granularity,
    /// Only these meters; all if none.
    pub meters: Option<Vec<String>>,
    /// Whether everything below counts too.
    pub include_descendants: bool,
    /// Whether nobody looks at the buckets, so that there are none in the answer.
    pub only_totals: bool,
}

/// The sum over the whole period, of one meter.
#[derive(Debug, Clone)]
pub struct UsageTotal {
    /// What was measured.
    pub meter: String,
    /// In what; none if the plan does not say.
    pub unit: Option<Arc<str>>,
    /// How it is added up.
    pub aggregation: Aggregation,
    /// How much, as the aggregation has it.
    pub quantity: Micros,
    /// How many events; below zero if more were taken out of closed periods than came in.
    pub events: i64,
    /// What was charged so far: what each account with usage pays to its own seller.
    pub amount: Money,
}

/// The sum over one bucket, of one meter.
#[derive(Debug, Clone)]
pub struct UsageBucket {
    /// The bucket's first instant.
    pub start: Timestamp,
    /// What it holds.
    pub total: UsageTotal,
}

/// Usage of an account.
#[derive(Debug, Clone)]
pub struct UsageView {
    /// The period, moved out to whole buckets.
    pub period: Period,
    /// The sum of each meter, by name.
    pub totals: Vec<UsageTotal>,
    /// The sum of each bucket that has any, by start and meter.
    pub buckets: Vec<UsageBucket>,
}

/// The most buckets that a period may have.
pub const MAX_BUCKETS: i64 = 1_000;
/// The most meters that may be named.
pub const MAX_METERS: usize = 50;
/// The most sums that one read answers, over all its accounts.
const MAX_SUMS: usize = 50_000;

const EVENTS: &str = "SELECT * FROM usage_events WHERE id IN [$1]";
const RATINGS: &str = "SELECT * FROM ratings WHERE id IN [$1]";
const RATINGS_OF: &str = "SELECT * FROM ratings WHERE event_id IN [$1] ORDER BY event_id, edge";

/// A part of the usage of an account: a sum of one meter.
pub(super) struct Part {
    pub(super) account: AccountId,
    /// Of which bucket, if that was asked.
    pub(super) bucket_start: Option<Timestamp>,
    pub(super) meter: String,
    pub(super) quantity: i64,
    pub(super) events: i64,
    pub(super) amount: i64,
}

impl UsageQuery {
    /// The period, moved out to whole buckets.
    fn whole_buckets(&self) -> Result<Period> {
        let wrong = |message: String| Error::bad_input(&["period"], message);
        let granularity = self.granularity;
        let Period { start, end } = self.period;
        if start >= end {
            return Err(wrong("A period ends after it starts.".to_owned()));
        }
        if start.year() < 1970 || end.year() > 9998 {
            return Err(wrong("A period lies between the years 1970 and 9998.".to_owned()));
        }
        let start = bucket::start_of(granularity, start);
        let last = bucket::start_of(granularity, end);
        let end = match last == end {
            true => end,
            false => bucket::end_of(granularity, last)
                .ok_or_else(|| wrong("The period is too long.".to_owned()))?,
        };
        if bucket::count(granularity, start, end) > MAX_BUCKETS {
            return Err(wrong(format!(
                "A period has at most {MAX_BUCKETS} buckets: ask for a shorter one or for longer buckets."
            )));
        }
        Ok(Period { start, end })
    }
}

impl Domain {
    /// Usage of each account. One without `USAGE` FULL is missing from the answer.
    pub async fn usage(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
        query: &UsageQuery,
    ) -> Result<HashMap<AccountId, UsageView>> {
        let period = query.whole_buckets()?;
        check_meters(query.meters.as_deref())?;
        let visible = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Usage, Level::Full));
        let mut meters = self.meters_of(visible.clone()).await?;
        let mut views: HashMap<AccountId, Building> = visible
            .map(|account| {
                let meters = meters.remove(account.id()).unwrap_or_default();
                let currency = account.row().currency.clone();
                (account.id().clone(), Building::new(period, currency, meters))
            })
            .collect();
        if views.is_empty() {
            return Ok(HashMap::new());
        }
        let accounts: Vec<&AccountId> = views.keys().collect();
        let parts = self.sums_of(&accounts, period, query, MAX_SUMS + 1).await?;
        let known = self.known_values(&views, period, query).await?;
        if parts.len() > MAX_SUMS {
            return Err(Error::bad_input(
                &["period"],
                "There are too many sums to answer at once: ask for fewer meters, accounts or buckets.",
            ));
        }
        for part in parts {
            if let Some(view) = views.get_mut(&part.account) {
                view.add(part, &known)?;
            }
        }
        views
            .into_iter()
            .map(|(id, view)| {
                let view = view.finish(&id, &known)?;
                Ok((id, view))
            })
            .collect()
    }

    /// The values of those meters that need them, by the plan of each account; nothing is read where there are none.
    async fn known_values(
        &self,
        views: &HashMap<AccountId, Building>,
        period: Period,
        query: &UsageQuery,
    ) -> Result<KnownValues> {
        let is_wanted = |name: &str| {
            let wanted = query.meters.as_ref();
            wanted.is_none_or(|wanted| wanted.iter().any(|wanted| wanted == name))
        };
        let with_values = views.iter().filter(|(_, view)| view.meters.keep_values());
        let (mut accounts, mut names) = (Vec::new(), BTreeSet::new());
        for (id, view) in with_values {
            accounts.push(id);
            let of_plan = view.meters.declared();
            let of_plan = of_plan.filter(|(name, meter)| meter.keeps_values() && is_wanted(name));
            names.extend(of_plan.map(|(name, _)| name));
        }
        if names.is_empty() {
            return Ok(KnownValues::new());
        }
        let names: Vec<&str> = names.into_iter().collect();
        self.values_of(&accounts, &names, period, query).await
    }

    /// A page of the events of each account, in the order in which they were recorded. `USAGE` FULL, as above.
    pub async fn usage_events(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
        page: &PageArgs,
    ) -> Result<Pages<AccountId, usage_event::Model>> {
        let owners: Vec<AccountId> = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Usage, Level::Full))
            .map(|account| account.id().clone())
            .collect();
        let events = List::<usage_event::Entity> {
            parent: usage_event::Column::AccountId,
            id: usage_event::Column::Id,
            condition: Condition::all(),
        };
        events.pages(&self.0.db, &owners, page).await
    }

    /// The events with these ids that the actor may see.
    pub async fn usage_events_by_id(
        &self,
        actor: &Actor,
        ids: &[UsageEventId],
    ) -> Result<HashMap<UsageEventId, usage_event::Model>> {
        let db = &self.0.db;
        let statement = statement(db.get_database_backend(), EVENTS, [list(ids)]);
        let mut events = usage_event::Model::find_by_statement(statement).all(db).await?;
        let readable = self
            .readable(actor, events.iter().map(|event| &event.account_id))
            .await?;
        events.retain(|event| readable.contains(&event.account_id));
        Ok(events
            .into_iter()
            .map(|event| (event.id.clone(), event))
            .collect())
    }

    /// The ratings of each event whose buyer the actor may see the usage of, from the topmost edge down.
    pub async fn ratings_of(
        &self,
        actor: &Actor,
        events: &[usage_event::Model],
    ) -> Result<HashMap<UsageEventId, Vec<rating::Model>>> {
        let mut of_events: HashMap<UsageEventId, Vec<rating::Model>> = events
            .iter()
            .map(|event| (event.id.clone(), Vec::new()))
            .collect();
        for rating in self.ratings(actor, RATINGS_OF, list(of_events.keys())).await? {
            if let Some(ratings) = of_events.get_mut(&rating.event_id) {
                ratings.push(rating);
            }
        }
        Ok(of_events)
    }

    /// The ratings with these ids that the actor may see.
    pub async fn ratings_by_id(
        &self,
        actor: &Actor,
        ids: &[RatingId],
    ) -> Result<HashMap<RatingId, rating::Model>> {
        let ratings = self.ratings(actor, RATINGS, list(ids)).await?;
        Ok(ratings
            .into_iter()
            .map(|rating| (rating.id.clone(), rating))
            .collect())
    }

    /// The ratings that `sql` selects by `ids`, in its order, as far as the actor may see the usage of their buyers.
    async fn ratings(&self, actor: &Actor, sql: &str, ids: sea_orm::Value) -> Result<Vec<rating::Model>> {
        let db = &self.0.db;
        let statement = statement(db.get_database_backend(), sql, [ids]);
        let mut ratings = rating::Model::find_by_statement(statement).all(db).await?;
        let buyers = ratings.iter().map(|rating| &rating.buyer_account_id);
        let readable = self.readable(actor, buyers).await?;
        ratings.retain(|rating| readable.contains(&rating.buyer_account_id));
        Ok(ratings)
    }

    /// Those of `accounts` that are in the actor's scope with `USAGE` FULL.
    async fn readable(
        &self,
        actor: &Actor,
        accounts: impl Iterator<Item = &AccountId>,
    ) -> Result<HashSet<AccountId>> {
        let distinct: HashSet<&AccountId> = accounts.collect();
        let ids: Vec<AccountId> = distinct.into_iter().cloned().collect();
        let views = self.accounts(actor, &ids).await?;
        Ok(views
            .into_iter()
            .filter(|(_, account)| account.access().allows(PermissionKey::Usage, Level::Full))
            .map(|(id, _)| id)
            .collect())
    }
}

/// An error if more meters are named than may be.
pub(crate) fn check_meters(meters: Option<&[String]>) -> Result<()> {
    if meters.is_some_and(|meters| meters.len() > MAX_METERS) {
        return Err(Error::bad_input(
            &["meters"],
            format!("At most {MAX_METERS} meters may be named."),
        ));
    }
    Ok(())
}
