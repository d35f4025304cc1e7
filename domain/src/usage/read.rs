//! Reading usage: sums by bucket, single events, and their ratings.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, Level, PermissionKey, RatingId, UsageEventId, rating, usage_event};
use sea_orm::FromQueryResult;
use sea_orm::sea_query::Condition;

use super::asked::Asked;
use super::building::Building;
use super::ratings;
use super::values::KnownValues;
use super::zone::{Clocks, Granularity, Zone};
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
    /// By whose clocks buckets begin.
    pub clocks: Clocks,
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
    /// The time zone in which buckets begin.
    pub zone: Zone,
    /// The sum of each meter, by name.
    pub totals: Vec<UsageTotal>,
    /// The sum of each bucket that has any, by start and meter.
    pub buckets: Vec<UsageBucket>,
}

/// The most meters that may be named.
pub const MAX_METERS: usize = 50;
/// The most sums that one read answers, over all its accounts.
const MAX_SUMS: usize = 50_000;

const EVENTS: &str = "SELECT * FROM usage_events WHERE id IN [$1]";

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

impl Domain {
    /// Usage of each account. One without `USAGE` FULL is missing from the answer.
    pub async fn usage(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
        query: &UsageQuery,
    ) -> Result<HashMap<AccountId, UsageView>> {
        check_meters(query.meters.as_deref())?;
        let visible = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Usage, Level::Full));
        let asked = Asked::new(query, visible.clone())?;
        let mut meters = self.meters_of(visible.clone()).await?;
        let views = visible.filter_map(|account| {
            let meters = meters.remove(account.id()).unwrap_or_default();
            let currency = account.row().currency.clone();
            let zoned = asked.zoned(account.id())?;
            Some((account.id().clone(), Building::new(zoned, currency, meters)))
        });
        let mut views: HashMap<AccountId, Building> = views.collect();
        if views.is_empty() {
            return Ok(HashMap::new());
        }
        let parts = self.sums_of(&asked, query, MAX_SUMS + 1).await?;
        let known = self.known_values(&views, &asked, query).await?;
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
        asked: &Asked,
        query: &UsageQuery,
    ) -> Result<KnownValues> {
        let is_wanted = |name: &str| {
            let wanted = query.meters.as_ref();
            wanted.is_none_or(|wanted| wanted.iter().any(|wanted| wanted == name))
        };
        let keeps_values = |view: &&Building| view.meters.keep_values();
        let mut names = BTreeSet::new();
        for view in views.values().filter(keeps_values) {
            let of_plan = view.meters.declared();
            let of_plan = of_plan.filter(|(name, meter)| meter.keeps_values() && is_wanted(name));
            names.extend(of_plan.map(|(name, _)| name));
        }
        if names.is_empty() {
            return Ok(KnownValues::new());
        }
        let names: Vec<&str> = names.into_iter().collect();
        let accounts = |id: &AccountId| views.get(id).as_ref().is_some_and(keeps_values);
        self.values_of(asked, accounts, &names, query).await
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
        let mut of_events = HashMap::with_capacity(events.len());
        for event in events {
            of_events.insert(event.id.clone(), ratings::of(event)?);
        }
        let buyers = of_events
            .values()
            .flatten()
            .map(|rating| &rating.buyer_account_id);
        let readable = self.readable(actor, buyers).await?;
        for ratings in of_events.values_mut() {
            ratings.retain(|rating| readable.contains(&rating.buyer_account_id));
        }
        Ok(of_events)
    }

    /// The ratings with these ids that the actor may see.
    pub async fn ratings_by_id(
        &self,
        actor: &Actor,
        ids: &[RatingId],
    ) -> Result<HashMap<RatingId, rating::Model>> {
        let db = &self.0.db;
        let named: HashSet<&UsageEventId> = ids.iter().map(RatingId::event).collect();
        let statement = statement(db.get_database_backend(), EVENTS, [list(named)]);
        let events = usage_event::Model::find_by_statement(statement).all(db).await?;
        let of_events = self.ratings_of(actor, &events).await?;
        let ratings = of_events.into_values().flatten();
        let ratings = ratings.filter(|rating| ids.contains(&rating.id));
        Ok(ratings.map(|rating| (rating.id.clone(), rating)).collect())
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
