//! What each seller of the chain charged for an event. The prices of an event lie in its row, as one text: they are written
//! with it, read with it, and as final as it is. The database shows them as rows, too, in the view `ratings`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::digest;
use crate::time::Timestamp;
use crate::usage_event::{self, CorrectionPart};
use crate::{AccountId, RatingId, RuleVersionId, UsageBatchId, UsageEventId};

/// What one seller charged one buyer for one event, with its receipt.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The id.
    pub id: RatingId,
    /// The event.
    pub event_id: UsageEventId,
    /// Place in the chain; 0 is the topmost seller.
    pub edge: i32,
    /// The batch that rated the event, and paid for it.
    pub batch_id: UsageBatchId,
    /// The rating that it takes back, with what was paid for it; none if it charges for something.
    pub reverses_id: Option<RatingId>,
    /// Who sold.
    pub seller_account_id: AccountId,
    /// Who bought: the seller's child.
    pub buyer_account_id: AccountId,
    /// The rule that priced it; none if the seller passed its cost through, or if it takes another rating back. Then all
    /// of its receipt is none, down to the fuel.
    pub rule_version_id: Option<RuleVersionId>,
    /// SHA-256 of the rule's wasm, in hex.
    pub rule_digest: Option<String>,
    /// SHA-256 of what the rule was given, in hex.
    pub input_digest: Option<String>,
    /// SHA-256 of what it answered, in hex.
    pub output_digest: Option<String>,
    /// The engine that ran the rule, with its version.
    pub engine: Option<String>,
    /// Id of the plan that the buyer was on, as the rule was told; empty if it was on none.
    pub buyer_plan: Option<String>,
    /// First second of the calendar month (UTC) that the period's totals are of, since 1970.
    pub period_start: Option<i64>,
    /// What the buyer and all below it had used of the meter in the period before, in micro-units.
    pub period_quantity: Option<i64>,
    /// In how many events.
    pub period_lines: Option<i64>,
    /// What the call used, in wasmtime's fuel.
    pub fuel: Option<i64>,
    /// What the seller itself paid, in micro-units.
    pub cost: i64,
    /// What the buyer pays, in micro-units.
    pub price: i64,
    /// ISO 4217 code of all amounts.
    pub currency: String,
    /// How the price came about.
    pub line_items: serde_json::Value,
    /// When it was rated.
    pub created_at: Timestamp,
    /// When its price counts, if the period in which its event counts was closed before it was rated.
    pub counted_at: Option<Timestamp>,
}

/// The prices of an event as its row keeps them.
///
/// What each seller charged, and its receipt, are arrays and not objects, and digests are in base64: names would be a third of
/// what is written with each event.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stored<'a> {
    /// ISO 4217 code of all amounts; empty where nobody sold anything.
    #[serde(borrow)]
    pub currency: &'a str,
    /// When they were made, if that was later than the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// When they count, if the period was closed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_at: Option<Timestamp>,
    /// From the topmost seller down.
    #[serde(borrow)]
    pub edges: Vec<StoredEdge<'a>>,
}

/// What one seller charged, as it is kept: amounts in micro-units.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(from = "EdgeArray<'a>", into = "EdgeArray<'a>")]
pub struct StoredEdge<'a> {
    /// What the seller paid.
    pub cost: i64,
    /// What the buyer pays.
    pub price: i64,
    /// None if no rule priced it.
    #[serde(borrow)]
    pub receipt: Option<StoredReceipt<'a>>,
    /// How the price came about: a JSON array of [`StoredItem`]; none if it is empty.
    #[serde(borrow)]
    pub items: Option<&'a RawValue>,
}

/// The members of a [`StoredEdge`] in their order.
type EdgeArray<'a> = (i64, i64, Option<StoredReceipt<'a>>, Option<&'a RawValue>);

impl<'a> From<EdgeArray<'a>> for StoredEdge<'a> {
    fn from((cost, price, receipt, items): EdgeArray<'a>) -> Self {
        Self {
            cost,
            price,
            receipt,
            items,
        }
    }
}

impl<'a> From<StoredEdge<'a>> for EdgeArray<'a> {
    fn from(edge: StoredEdge<'a>) -> Self {
        (edge.cost, edge.price, edge.receipt, edge.items)
    }
}

/// The receipt of a price, as it is kept: see [`Model`] for what each is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(from = "ReceiptArray<'a>", into = "ReceiptArray<'a>")]
pub struct StoredReceipt<'a> {
    /// Id of the rule version.
    pub rule: &'a str,
    /// Digest of the rule's wasm, in hex as its version has it.
    pub digest: &'a str,
    /// Digest of the question, as [`digest::kept`] writes it.
    pub input: &'a str,
    /// Digest of the answer, as [`digest::kept`] writes it.
    pub output: &'a str,
    /// The engine.
    pub engine: &'a str,
    /// The buyer's plan.
    pub plan: &'a str,
    /// What was used before: the beginning of the month, how much, and in how many events.
    pub period: (i64, i64, i64),
    /// What the call used.
    pub fuel: i64,
}

/// The members of a [`StoredReceipt`] in their order.
type ReceiptArray<'a> = (
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    (i64, i64, i64),
    i64,
);

impl<'a> From<ReceiptArray<'a>> for StoredReceipt<'a> {
    fn from((rule, digest, input, output, engine, plan, period, fuel): ReceiptArray<'a>) -> Self {
        Self {
            rule,
            digest,
            input,
            output,
            engine,
            plan,
            period,
            fuel,
        }
    }
}

impl<'a> From<StoredReceipt<'a>> for ReceiptArray<'a> {
    fn from(receipt: StoredReceipt<'a>) -> Self {
        let StoredReceipt { rule, digest, .. } = receipt;
        let (input, output, engine) = (receipt.input, receipt.output, receipt.engine);
        (
            rule,
            digest,
            input,
            output,
            engine,
            receipt.plan,
            receipt.period,
            receipt.fuel,
        )
    }
}

/// A line item as it is kept: what it is for, the quantity that it charges for, and how much it adds to the price.
pub type StoredItem<'a> = (Cow<'a, str>, i64, i64);

/// The ratings in the row of `event`, from the topmost edge down; none while its price is pending.
pub fn of(event: &usage_event::Model) -> serde_json::Result<Vec<Model>> {
    let Some(text) = &event.ratings else {
        return Ok(Vec::new());
    };
    let stored: Stored<'_> = serde_json::from_str(text)?;
    let edges = (0..).zip(&stored.edges);
    edges
        .map(|(edge, charged)| one(event, &stored, edge, charged))
        .collect()
}

/// What the account of `event` pays to its own seller, or gets back: the currency, and how much in micro-units. None while
/// its price is pending, or if nobody sells to it.
pub fn own_charge(event: &usage_event::Model) -> serde_json::Result<Option<(&str, i64)>> {
    let Some(text) = &event.ratings else {
        return Ok(None);
    };
    let stored: Stored<'_> = serde_json::from_str(text)?;
    Ok(stored.edges.last().map(|edge| (stored.currency, edge.price)))
}

fn one(
    event: &usage_event::Model,
    stored: &Stored<'_>,
    edge: u16,
    charged: &StoredEdge<'_>,
) -> serde_json::Result<Model> {
    use serde::de::Error;

    let sides = (
        event.path.at(usize::from(edge)),
        event.path.at(usize::from(edge) + 1),
    );
    let (Some(seller), Some(buyer)) = sides else {
        return Err(Error::custom("more prices than sellers"));
    };
    let receipt = charged.receipt.as_ref();
    let text = |text: fn(&StoredReceipt<'_>) -> String| receipt.map(text);
    let digest_of = |kept: for<'r> fn(&StoredReceipt<'r>) -> &'r str| {
        let digest = receipt.map(|receipt| digest::in_hex(kept(receipt)));
        digest.transpose().map_err(Error::custom)
    };
    let rule = receipt.map(|receipt| receipt.rule.parse().map_err(Error::custom));
    let is_reversal = event.correction == Some(CorrectionPart::Reversal);
    let reversed = event.corrects_id.as_ref().filter(|_| is_reversal);
    Ok(Model {
        id: RatingId::new(&event.id, edge),
        event_id: event.id.clone(),
        edge: i32::from(edge),
        batch_id: event.rated_batch_id.as_ref().unwrap_or(&event.batch_id).clone(),
        reverses_id: reversed.map(|event| RatingId::new(event, edge)),
        seller_account_id: seller,
        buyer_account_id: buyer,
        rule_version_id: rule.transpose()?,
        rule_digest: text(|receipt| receipt.digest.to_owned()),
        input_digest: digest_of(|receipt| receipt.input)?,
        output_digest: digest_of(|receipt| receipt.output)?,
        engine: text(|receipt| receipt.engine.to_owned()),
        buyer_plan: text(|receipt| receipt.plan.to_owned()),
        period_start: receipt.map(|receipt| receipt.period.0),
        period_quantity: receipt.map(|receipt| receipt.period.1),
        period_lines: receipt.map(|receipt| receipt.period.2),
        fuel: receipt.map(|receipt| receipt.fuel),
        cost: charged.cost,
        price: charged.price,
        currency: stored.currency.to_owned(),
        line_items: line_items(charged.items)?,
        created_at: stored.at.unwrap_or(event.recorded_at),
        counted_at: stored.counted_at,
    })
}

fn line_items(stored: Option<&RawValue>) -> serde_json::Result<serde_json::Value> {
    let items: Vec<StoredItem<'_>> = match stored {
        Some(items) => serde_json::from_str(items.get())?,
        None => Vec::new(),
    };
    let items = items.into_iter().map(|(description, quantity, amount)| {
        json!({"description": description, "quantity": quantity, "amount": amount})
    });
    Ok(items.collect())
}
