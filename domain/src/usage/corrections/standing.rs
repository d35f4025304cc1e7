//! What is to be corrected: the event that was named, what stands for it now, what was charged for it, and by whom.

use canopy_entity::usage_event::{self, CorrectionPart, RatingStatus};
use canopy_entity::{AccountId, Level, PermissionKey, UsageEventId, rating};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use super::{NamedEvent, NewCorrection};
use crate::statement::statement;
use crate::usage::ratings;
use crate::{AccountView, Actor, Domain, Error, Result};

const BY_ID: &str = "SELECT * FROM usage_events WHERE id = $1";

const BY_KEY: &str = "SELECT * FROM usage_events WHERE account_id = $1 AND idempotency_key = $2";

const REVERSAL_OF: &str = "SELECT * FROM usage_events WHERE corrects_id = $1 AND correction = 'REVERSAL'";

/// The last of the events that were put in the place of `$1`, one of the other, or itself if none was; and whether it was
/// taken out without another in its place. One statement says both: between two somebody may amend it.
const STANDS_FOR: &str = "
WITH RECURSIVE chain (id, place) AS (
  SELECT e.id, 0 FROM usage_events e WHERE e.id = $1
  UNION ALL
  SELECT e.id, chain.place + 1 FROM chain
  JOIN usage_events e ON e.corrects_id = chain.id AND e.correction = 'REPLACEMENT'
)
SELECT e.*, EXISTS (SELECT 1 FROM usage_events r WHERE r.corrects_id = e.id AND r.correction = 'REVERSAL') AS is_voided
FROM chain JOIN usage_events e ON e.id = chain.id ORDER BY chain.place DESC LIMIT 1
";

/// An event that counts, with all its ratings from the top down.
pub(super) struct Standing {
    pub(super) event: usage_event::Model,
    pub(super) ratings: Vec<rating::Model>,
}

impl Standing {
    /// The topmost account at which a correction takes `USAGE` FULL: the topmost of those whose income it may lower, and
    /// never one below the parent of the account that used something, so that nobody voids its own bill. Who charges is
    /// not known while the price is pending, so then it is the root. None for the usage of a root, which nobody sells to.
    pub(super) fn seller(&self) -> Option<AccountId> {
        let parent = self.event.path.depth().checked_sub(1)?;
        let charged = self.ratings.iter().find(|rating| rating.price != 0);
        let place = match self.event.rating_status {
            RatingStatus::Pending | RatingStatus::Voided => 0,
            RatingStatus::Rated => charged
                .and_then(|rating| usize::try_from(rating.edge).ok())
                .map_or(parent, |edge| edge.min(parent)),
        };
        self.event.path.at(place)
    }
}

impl Domain {
    /// The event that a correction names, if it is of `account` or below it and the actor may see its usage.
    pub(super) async fn named_event(
        &self,
        actor: &Actor,
        account: &AccountView,
        wanted: &NewCorrection,
    ) -> Result<usage_event::Model> {
        let missing = || Error::NotFound("usage event");
        let owner = match &wanted.account_id {
            None => account.clone(),
            Some(id) => self.account(actor, id).await?,
        };
        if !account.path().contains(owner.path()) {
            let message = "This account is not below that of the input.";
            return Err(Error::bad_input(&["accountId"], message));
        }
        let event = match &wanted.event {
            NamedEvent::Key(key) => self.event_by_key(owner.id(), key).await?,
            NamedEvent::Id(id) => self.event_of(BY_ID, [id.as_str().into()]).await?,
        };
        let event = event.ok_or_else(missing)?;
        let view = match event.account_id == *owner.id() {
            true => owner,
            // Without an account an event may be named by its id wherever below it is.
            false if wanted.account_id.is_none() => {
                let views = self
                    .accounts(actor, std::slice::from_ref(&event.account_id))
                    .await?;
                let below = views
                    .into_values()
                    .find(|view| account.path().contains(view.path()));
                below.ok_or_else(missing)?
            }
            false => return Err(missing()),
        };
        view.access().require(PermissionKey::Usage, Level::Full)?;
        if event.correction == Some(CorrectionPart::Reversal) {
            let message = "A reversal is not corrected: correct the event that it took out.";
            return Err(Error::conflict(&["event"], message));
        }
        Ok(event)
    }

    /// What stands for `named` now. A conflict if it was voided.
    pub(super) async fn standing(&self, named: &usage_event::Model) -> Result<Standing> {
        let db = &self.0.db;
        let stands = statement(db.get_database_backend(), STANDS_FOR, [named.id.as_str().into()]);
        let row = db.query_one_raw(stands).await?;
        let row = row.ok_or_else(|| Error::internal("an event that is gone"))?;
        if row.try_get("", "is_voided")? {
            return Err(Error::conflict(&["event"], "This event was voided."));
        }
        let event = usage_event::Model::from_query_result(&row, "")?;
        let ratings = ratings::of(&event)?;
        Ok(Standing { event, ratings })
    }

    /// `Error::Forbidden` unless the actor may correct what those above sold.
    pub(super) async fn require_seller(&self, actor: &Actor, standing: &Standing) -> Result<()> {
        let Some(seller) = standing.seller() else {
            return Ok(());
        };
        let views = self.accounts(actor, std::slice::from_ref(&seller)).await?;
        match views.get(&seller) {
            Some(view) => view.access().require(PermissionKey::Usage, Level::Full),
            None => Err(Error::Forbidden(
                "Usage is corrected by those who sell it: this takes USAGE FULL at each account above that charged for it."
                    .to_owned(),
            )),
        }
    }

    pub(super) async fn event_by_key(
        &self,
        account: &AccountId,
        key: &str,
    ) -> Result<Option<usage_event::Model>> {
        self.event_of(BY_KEY, [account.as_str().into(), key.into()]).await
    }

    pub(super) async fn reversal_of(&self, corrected: &UsageEventId) -> Result<usage_event::Model> {
        let reversal = self.event_of(REVERSAL_OF, [corrected.as_str().into()]).await?;
        reversal.ok_or_else(|| Error::internal("a replacement without a reversal"))
    }

    async fn event_of(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<usage_event::Model>> {
        let db = &self.0.db;
        let statement = statement(db.get_database_backend(), sql, values);
        Ok(usage_event::Model::find_by_statement(statement).one(db).await?)
    }
}
