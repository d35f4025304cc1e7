//! Prices of holds: by the rules that are live when one is made, and by the very same when it is settled.

use std::collections::HashMap;

use canopy_entity::time;
use canopy_entity::usage_event::{self, RatingStatus};
use canopy_entity::{RuleVersionId, UsageBatchId, UsageEventId, rule_version, usage_hold, usage_hold_edge};
use canopy_rules_host::PeriodTotals;
use sea_orm::FromQueryResult;

use super::write::{Ready, ToSettle};
use crate::ledger::{Currency, Held};
use crate::pricing::{EdgePrice, Line, Outcome, Pin, Totals};
use crate::statement::{list, statement};
use crate::usage::commit::line;
use crate::usage::{record, values};
use crate::{Actor, Domain, Error, Micros, Result};

const EDGES: &str = "SELECT * FROM usage_hold_edges WHERE hold_id = $1 ORDER BY edge";

const VERSIONS: &str = "SELECT * FROM rule_versions WHERE id IN [$1]";

impl Domain {
    /// `draft` with the prices of now.
    pub(super) async fn quoted(&self, actor: &Actor, draft: &usage_hold::Model) -> Result<Ready> {
        let facts = self.facts_of([&draft.path]).await?;
        if !facts.all_active(&draft.path) {
            return Err(record::inactive());
        }
        if facts.stood(&draft.account_id, draft.created_at) != Some(&draft.path) {
            return Err(Error::conflict(
                &["accountId"],
                "The account was just moved; try again.",
            ));
        }
        let event = event(draft, draft.quantity);
        if let Some(unfit) = values::unfit(&facts, &event) {
            return Err(Error::bad_input(&[unfit.field], unfit.message));
        }
        let lines = [line(&event)];
        let totals = Totals::read(&self.0.db, &facts, &lines).await?;
        let outcome = self.rate(&facts, &lines, totals).await?.pop();
        let outcome = outcome.ok_or_else(|| Error::internal("a line without an outcome"))?;
        let edges = charged_now(actor, outcome)?;
        self.0.faults.check("hold.priced")?;
        let receipt = edges.last().and_then(|edge| edge.receipt.as_ref());
        Ok(Ready {
            hold: usage_hold::Model {
                price: edges.last().map_or(0, |edge| edge.price),
                rule_version_id: receipt.map(|receipt| receipt.rule_version_id.clone()),
                rule_digest: receipt.map(|receipt| receipt.rule_digest.as_ref().to_owned()),
                ..draft.clone()
            },
            facts,
            edges,
        })
    }

    /// What `quantity` of `hold` costs by the versions that priced it, from what they were told then.
    pub(super) async fn priced_again(
        &self,
        actor: &Actor,
        hold: usage_hold::Model,
        quantity: Micros,
    ) -> Result<ToSettle> {
        let db = &self.0.db;
        let backend = db.get_database_backend();
        let held = statement(backend, EDGES, [hold.id.as_str().into()]);
        let held = usage_hold_edge::Model::find_by_statement(held).all(db).await?;
        let ids = held.iter().filter_map(|edge| edge.rule_version_id.as_ref());
        let versions = rule_version::Model::find_by_statement(statement(backend, VERSIONS, [list(ids)]));
        let versions = versions.all(db).await?.into_iter();
        let versions: HashMap<RuleVersionId, rule_version::Model> =
            versions.map(|version| (version.id.clone(), version)).collect();

        let facts = self.facts_of([&hold.path]).await?;
        let event = event(&hold, quantity.get());
        let line = line(&event);
        let pins: Vec<Pin> = held.iter().map(|edge| pin(edge, &versions, &line)).collect();
        let edges = charged_now(actor, self.rate_pinned(&facts, line, &pins).await?)?;
        let held: Vec<Held> = held.into_iter().map(|edge| part(&hold, edge)).collect();
        let is_within = |(edge, held): (&EdgePrice, &Held)| edge.price <= held.price;
        if edges.len() != held.len() || !edges.iter().zip(&held).all(is_within) {
            return Err(Error::RuleFailed(
                "A pricing rule asks more for this than for all that is held. The credits stay held: settle another quantity, \
                 or void the hold and record the usage."
                    .to_owned(),
            ));
        }
        self.0.faults.check("hold.settle.priced")?;
        Ok(ToSettle {
            hold,
            held,
            event,
            facts,
            edges,
        })
    }
}

/// The prices of an outcome that is charged at once or not at all: nothing is held for a price that comes later.
fn charged_now(actor: &Actor, outcome: Outcome) -> Result<Vec<EdgePrice>> {
    match outcome {
        Outcome::Rated(edges) => Ok(edges),
        Outcome::Pending => Err(Error::RuleFailed(
            "There is no price for this usage now: no seller above has a rule for it, or one has no answer."
                .to_owned(),
        )),
        Outcome::Denied { seller, message } => Err(record::denied(actor, &seller, &message)),
        Outcome::Throttled => Err(Error::busy()),
    }
}

/// The event that `quantity` of a hold makes: used when it was quoted, so that the rules are told the same time.
fn event(hold: &usage_hold::Model, quantity: i64) -> usage_event::Model {
    usage_event::Model {
        id: UsageEventId::new(),
        account_id: hold.account_id.clone(),
        path: hold.path.clone(),
        batch_id: UsageBatchId::new(),
        place: 0,
        // Which nobody else has for a key, unless to be in the way.
        idempotency_key: hold.id.to_string(),
        payload_digest: hold.payload_digest.clone(),
        meter: hold.meter.clone(),
        quantity,
        occurred_at: hold.created_at,
        recorded_at: time::now(),
        attributes: hold.attributes.clone(),
        rating_status: RatingStatus::Rated,
        rating_attempts: 0,
        ratings: None,
        rated_batch_id: None,
        correction: None,
        corrects_id: None,
        reason: None,
        corrected_by: None,
        counted_at: None,
        adjusts: None,
    }
}

fn pin(
    edge: &usage_hold_edge::Model,
    versions: &HashMap<RuleVersionId, rule_version::Model>,
    line: &Line<'_>,
) -> Pin {
    let id = edge.rule_version_id.as_ref();
    Pin {
        seller: edge.seller_account_id.clone(),
        buyer: edge.buyer_account_id.clone(),
        version: id.and_then(|id| versions.get(id)).cloned(),
        buyer_plan: edge.buyer_plan.clone(),
        period: PeriodTotals {
            start: line.month().timestamp(),
            quantity: edge.period_quantity,
            lines: edge.period_lines,
        },
    }
}

/// An edge of `hold` as it is kept.
pub(super) fn part(hold: &usage_hold::Model, edge: usage_hold_edge::Model) -> Held {
    Held {
        seller: edge.seller_account_id,
        buyer: edge.buyer_account_id,
        currency: Currency::of(&hold.currency),
        price: edge.price,
        purchased: edge.purchased,
        pool: edge.pool,
    }
}
