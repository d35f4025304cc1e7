//! The chain of sellers behind ratings, as far as the actor may see it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use canopy_entity::{
    AccountId, Level, PermissionKey, RatingId, RuleVersionId, UsageEventId, rating, usage_event,
};
use sea_orm::FromQueryResult;

use super::again::Receipt;
use super::{PriceStep, Replayed, Reruns};
use crate::statement::{list, statement};
use crate::usage::ratings;
use crate::{Actor, Domain, Error, Result};

const EVENTS: &str = "SELECT * FROM usage_events WHERE id IN [$1] ORDER BY id";

impl Domain {
    /// How each of `ratings`, which the actor may see, came about: the steps of its event from the topmost seller
    /// down. A step is told to those who see the usage of its buyer; its receipt only to those who see the seller
    /// and, with `BILLING` FULL, the owner of the rule.
    pub async fn explain_ratings(
        &self,
        actor: &Actor,
        ratings: &[rating::Model],
        reruns: &Reruns,
    ) -> Result<HashMap<RatingId, Vec<PriceStep>>> {
        let mut of_events: HashMap<UsageEventId, Vec<PriceStep>> = HashMap::new();
        for step in self.steps(actor, ratings, None, reruns).await? {
            let event = step.rating.event_id.clone();
            of_events.entry(event).or_default().push(step);
        }
        Ok(ratings
            .iter()
            .map(|rating| {
                let steps = of_events.get(&rating.event_id).cloned().unwrap_or_default();
                (rating.id.clone(), steps)
            })
            .collect())
    }

    /// The steps of the events of `ratings` that the actor may see, by event and edge; only those of `wanted`, if
    /// that is given.
    pub(super) async fn steps(
        &self,
        actor: &Actor,
        ratings: &[rating::Model],
        wanted: Option<&HashSet<RatingId>>,
        reruns: &Reruns,
    ) -> Result<Vec<PriceStep>> {
        if ratings.is_empty() {
            return Ok(Vec::new());
        }
        let chains = self.chains(ratings).await?;
        let accounts: BTreeSet<&AccountId> = chains
            .ratings
            .iter()
            .flat_map(|rating| [&rating.seller_account_id, &rating.buyer_account_id])
            .collect();
        let accounts: Vec<AccountId> = accounts.into_iter().cloned().collect();
        let accounts = self.accounts(actor, &accounts).await?;
        let is_shown = |rating: &&rating::Model| {
            let buyer = accounts.get(&rating.buyer_account_id);
            wanted.is_none_or(|wanted| wanted.contains(&rating.id))
                && buyer.is_some_and(|buyer| buyer.access().allows(PermissionKey::Usage, Level::Full))
        };
        let shown: Vec<&rating::Model> = chains.ratings.iter().filter(is_shown).collect();
        let sees_seller = |rating: &rating::Model| accounts.contains_key(&rating.seller_account_id);

        let rules: BTreeSet<RuleVersionId> = shown
            .iter()
            .filter(|rating| sees_seller(rating))
            .filter_map(|rating| rating.rule_version_id.clone())
            .collect();
        let rules = self
            .rule_versions_by_id(actor, &rules.into_iter().collect::<Vec<_>>())
            .await?;

        let mut receipts: Vec<Receipt<'_>> = Vec::new();
        for rating in &shown {
            let version = rating.rule_version_id.as_ref();
            let rule = version.and_then(|id| rules.get(id)).map(|rule| &rule.row);
            if sees_seller(rating) && version.is_some() == rule.is_some() {
                receipts.push(chains.receipt(rating, rule)?);
            }
        }
        let replayed = self.run_again(actor, &receipts, reruns).await?;
        let mut replayed: HashMap<&RatingId, Arc<Replayed>> = receipts
            .iter()
            .map(|receipt| &receipt.rating.id)
            .zip(replayed.into_iter().map(Arc::new))
            .collect();
        let steps = shown.into_iter().map(|rating| PriceStep {
            rule: rating
                .rule_version_id
                .as_ref()
                .filter(|_| sees_seller(rating))
                .and_then(|id| rules.get(id).cloned()),
            replayed: replayed.remove(&rating.id),
            rating: rating.clone(),
        });
        Ok(steps.collect())
    }

    async fn chains(&self, ratings: &[rating::Model]) -> Result<Chains> {
        let ids: BTreeSet<&UsageEventId> = ratings.iter().map(|rating| &rating.event_id).collect();
        let events = self.events_of(ids).await?;
        let corrected: BTreeSet<&UsageEventId> = events
            .iter()
            .filter_map(|event| event.corrects_id.as_ref())
            .collect();
        let corrected = match corrected.is_empty() {
            true => Vec::new(),
            false => self.events_of(corrected).await?,
        };
        Ok(Chains {
            ratings: all_of(&events)?,
            reversed: all_of(&corrected)?
                .into_iter()
                .map(|rating| (rating.id.clone(), rating))
                .collect(),
            events: events
                .into_iter()
                .map(|event| (event.id.clone(), event))
                .collect(),
        })
    }

    /// In the order of their ids.
    async fn events_of(&self, ids: BTreeSet<&UsageEventId>) -> Result<Vec<usage_event::Model>> {
        let db = &self.0.db;
        let events = statement(db.get_database_backend(), EVENTS, [list(ids)]);
        Ok(usage_event::Model::find_by_statement(events).all(db).await?)
    }
}

fn all_of(events: &[usage_event::Model]) -> Result<Vec<rating::Model>> {
    let ratings = events.iter().map(ratings::of).collect::<Result<Vec<_>>>()?;
    Ok(ratings.into_iter().flatten().collect())
}

/// Events with all their ratings, whoever may see them.
struct Chains {
    events: HashMap<UsageEventId, usage_event::Model>,
    /// By event and edge.
    ratings: Vec<rating::Model>,
    /// Those that some of them take back.
    reversed: HashMap<RatingId, rating::Model>,
}

impl Chains {
    fn receipt<'a>(
        &'a self,
        rating: &'a rating::Model,
        version: Option<&'a canopy_entity::rule_version::Model>,
    ) -> Result<Receipt<'a>> {
        let event = self.events.get(&rating.event_id);
        let is_above =
            |above: &&rating::Model| above.event_id == rating.event_id && above.edge + 1 == rating.edge;
        Ok(Receipt {
            rating,
            event: event.ok_or_else(|| Error::internal("a rating has an event"))?,
            version,
            above: self.ratings.iter().find(is_above).map_or(0, |above| above.price),
            reversed: rating.reverses_id.as_ref().and_then(|id| self.reversed.get(id)),
        })
    }
}
