//! Usage for a file: all events or sums of an account and those below it, as many as there are, by the page.

mod statements;
mod walk;

use canopy_entity::time::Timestamp;
use canopy_entity::usage_event::{CorrectionPart, RatingStatus};
use canopy_entity::{AccountId, Level, PermissionKey, UsageEventId};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use sea_orm::FromQueryResult;

use self::walk::Walk;
use super::read::{MAX_METERS, Period};
use super::zone::{Granularity, Zone};
use crate::{Actor, Domain, Error, Result};

/// Which usage is wanted.
#[derive(Debug, Clone)]
pub struct ExportUsage {
    /// Whose.
    pub account_id: AccountId,
    /// Whether everything below it is wanted too.
    pub include_descendants: bool,
    /// When it counts; the ends are moved out to whole buckets.
    pub period: Period,
    /// The length of the buckets that are wanted, in UTC; none for single events.
    pub granularity: Option<Granularity>,
    /// Only these meters, at most [`MAX_METERS`]; all if none.
    pub meters: Option<Vec<String>>,
}

/// Some rows of an export, in their order.
#[derive(Debug)]
pub enum ExportedRows {
    /// If events were asked for.
    Events(Vec<ExportedEvent>),
    /// If sums were asked for.
    Sums(Vec<ExportedSum>),
}

impl ExportedRows {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            ExportedRows::Events(rows) => rows.len(),
            ExportedRows::Sums(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An event, and what its account is charged for it.
#[derive(Debug, FromQueryResult)]
pub struct ExportedEvent {
    /// The id.
    pub id: UsageEventId,
    /// Who used something.
    pub account_id: AccountId,
    /// The name of the account.
    #[sea_orm(skip)]
    pub account_name: String,
    /// The key under which it was counted.
    pub idempotency_key: String,
    /// What was measured.
    pub meter: String,
    /// How much, in micro-units.
    pub quantity: i64,
    /// When it was used.
    pub occurred_at: Timestamp,
    /// When it was taken in.
    pub recorded_at: Timestamp,
    /// What else was told: the text of a JSON object.
    pub attributes: String,
    /// Whether it has its price.
    pub rating_status: RatingStatus,
    /// What the account is charged, in micro-units; none if the price is pending, or nobody sells to the account.
    pub amount: Option<i64>,
    /// Of what the amount is.
    pub currency: Option<String>,
    /// Which part of a correction it is; none if it was reported as usage.
    pub correction: Option<CorrectionPart>,
    /// The event that it takes out or stands for.
    pub corrects_id: Option<UsageEventId>,
    /// Why that was corrected.
    pub reason: Option<String>,
    /// When it counts, if the period in which it would count was closed.
    pub counted_at: Option<Timestamp>,
    /// The first instant of that period.
    pub adjusts: Option<Timestamp>,
}

/// The sum of a meter over a bucket, of one account without those below it.
#[derive(Debug, FromQueryResult)]
pub struct ExportedSum {
    /// Who used something.
    pub account_id: AccountId,
    /// The name of the account.
    #[sea_orm(skip)]
    pub account_name: String,
    /// The bucket's first instant.
    pub bucket_start: Timestamp,
    /// What was measured.
    pub meter: String,
    /// How much, in micro-units.
    pub quantity: i64,
    /// How many events.
    pub events: i64,
    /// What the account was charged so far, in micro-units.
    pub amount: i64,
    /// Of what the amount is.
    #[sea_orm(skip)]
    pub currency: String,
}

impl Domain {
    /// All usage that is wanted, in pages: by the path of the account, then in the order in which events were recorded, or
    /// by bucket and meter. Needs `USAGE` FULL at the account; those below where the actor has not are left out.
    pub async fn export_usage(
        &self,
        actor: &Actor,
        wanted: ExportUsage,
    ) -> Result<BoxStream<'static, Result<ExportedRows>>> {
        let account = self.account(actor, &wanted.account_id).await?;
        account.access().require(PermissionKey::Usage, Level::Full)?;
        let period = whole(wanted.period, wanted.granularity)?;
        if wanted
            .meters
            .as_ref()
            .is_some_and(|meters| meters.len() > MAX_METERS)
        {
            let message = format!("At most {MAX_METERS} meters may be named.");
            return Err(Error::bad_input(&["meters"], message));
        }
        let wanted = ExportUsage { period, ..wanted };
        let walk = Walk::new(self.clone(), actor.clone(), account, wanted);
        let pages = stream::try_unfold(walk, |mut walk| async move {
            let rows = walk.next().await?;
            Ok(rows.map(|rows| (rows, walk)))
        });
        Ok(pages.boxed())
    }
}

/// The period, moved out to whole buckets.
fn whole(period: Period, granularity: Option<Granularity>) -> Result<Period> {
    let wrong = |message: &str| Error::bad_input(&["period"], message);
    if period.start >= period.end {
        return Err(wrong("A period ends after it starts."));
    }
    let Some(granularity) = granularity else {
        return Ok(period);
    };
    let end = Zone::UTC.next_start(granularity, period.end);
    Ok(Period {
        start: Zone::UTC.start_of(granularity, period.start),
        end: end.ok_or_else(|| wrong("The period is too long."))?,
    })
}
