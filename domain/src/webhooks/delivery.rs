//! Sending what is due: taking messages, and saying what became of each.
//!
//! Whoever takes a message has it for as long as a try may last, and then it is due again: a process that dies in the middle
//! sends it once more, or another does. So each message is delivered at least once, and has the same id each time.

use std::time::Duration;

use canopy_entity::time::{self, Timestamp};
use canopy_entity::webhook_delivery::{self, DeliveryStatus};
use canopy_entity::{
    WebhookAttemptId, WebhookDeliveryId, WebhookEndpointId, webhook_attempt, webhook_endpoint,
};
use sea_orm::{ConnectionTrait, EntityTrait, FromQueryResult, IntoActiveModel};

use super::secret;
use crate::statement::{list, statement};
use crate::{Domain, Error, Result, transaction};

/// So many bytes are kept of what an endpoint answers.
pub const MAX_RESPONSE: usize = 1 << 10;
/// So many messages of one endpoint are taken at once, that one which is slow does not keep others waiting.
const AT_ONCE: i64 = 2;
/// The latest tries that are kept of a message.
const KEPT: i64 = 50;
/// The wait after the first try; it grows with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const GROWTH: u32 = 3;
const LONGEST_WAIT: Duration = Duration::from_hours(6);
/// A wait is up to so much shorter or longer than it would be, so that what failed together is not tried together.
const JITTER: f64 = 0.2;

const TAKE: &str = "
UPDATE webhook_deliveries SET next_attempt_at = $2
WHERE status = 'PENDING' AND next_attempt_at <= $1 AND id IN (
  SELECT id FROM (
    SELECT d.id, d.next_attempt_at, ROW_NUMBER() OVER (PARTITION BY d.endpoint_id ORDER BY d.next_attempt_at, d.id) AS turn
    FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
    WHERE d.status = 'PENDING' AND d.next_attempt_at <= $1 AND e.enabled AND NOT (d.endpoint_id IN [$3])
  ) AS due
  WHERE turn <= $4 ORDER BY next_attempt_at, id LIMIT $5
)
RETURNING *
";

const ENDPOINTS: &str = "SELECT * FROM webhook_endpoints WHERE id IN [$1]";

const SECRETS: &str = "
SELECT endpoint_id, secret FROM webhook_secrets
WHERE endpoint_id IN [$1] AND (expires_at IS NULL OR expires_at > $2) ORDER BY endpoint_id, expires_at IS NOT NULL
";

const DONE: &str = "
UPDATE webhook_deliveries SET attempts = attempts + 1, status = $2, next_attempt_at = $3, ended_at = $4
WHERE id = $1 AND status = 'PENDING'
";

const FORGET_ATTEMPTS: &str = "
DELETE FROM webhook_attempts WHERE delivery_id = $1 AND id NOT IN
  (SELECT id FROM webhook_attempts WHERE delivery_id = $1 ORDER BY id DESC LIMIT $2)
";

const FORGET: &str = "
DELETE FROM webhook_deliveries WHERE id IN
  (SELECT id FROM webhook_deliveries WHERE status <> 'PENDING' AND ended_at < $1 ORDER BY ended_at LIMIT $2)
";

/// A message that is to be sent now.
#[derive(Clone)]
pub struct Message {
    /// Its id, the same with each try.
    pub id: WebhookDeliveryId,
    /// Where it goes.
    pub endpoint_id: WebhookEndpointId,
    /// The same as a URL.
    pub url: String,
    /// What is sent: JSON.
    pub body: String,
    /// How often it was tried before.
    attempts: i32,
    since: Timestamp,
    secrets: Vec<String>,
}

impl Message {
    /// The headers that say which message it is, and whom it is from, if it is sent now.
    pub fn headers(&self) -> [(&'static str, String); 3] {
        let timestamp = time::now().timestamp();
        let signatures = self
            .secrets
            .iter()
            .filter_map(|secret| secret::sign(secret, self.id.as_str(), timestamp, &self.body));
        let signatures: Vec<String> = signatures.collect();
        [
            ("webhook-id", self.id.to_string()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signatures.join(" ")),
        ]
    }
}

impl std::fmt::Debug for Message {
    /// Without what is in it, and without the secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Message")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A try to send a message.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// The HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// What went wrong; none if the endpoint took it.
    pub error: Option<String>,
    /// The beginning of the answer's body: at most [`MAX_RESPONSE`] bytes count.
    pub response: Vec<u8>,
}

/// What became of a message by a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was delivered.
    Delivered,
    /// It is tried again later.
    Later,
    /// It is given up.
    Failed,
    /// It is gone, or somebody else was faster.
    Overtaken,
}

impl Outcome {
    /// A word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Later => "retried",
            Self::Failed => "failed",
            Self::Overtaken => "overtaken",
        }
    }
}

impl Domain {
    /// Takes at most `limit` messages that are due, to be sent within `lease`; none to the endpoints that are `busy`. For a
    /// worker. Any number of processes may do it at once.
    pub async fn take_messages(
        &self,
        limit: u64,
        lease: Duration,
        busy: &[WebhookEndpointId],
    ) -> Result<Vec<Message>> {
        let (db, now) = (&self.0.db, time::now());
        let backend = db.get_database_backend();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = [
            now.into(),
            (now + lease).into(),
            list(busy),
            AT_ONCE.into(),
            limit.into(),
        ];
        let take = statement(backend, TAKE, values);
        let mut taken = webhook_delivery::Model::find_by_statement(take).all(db).await?;
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        taken.sort_by(|one, other| one.id.cmp(&other.id));
        let ids = list(taken.iter().map(|row| &row.endpoint_id));
        let endpoints = statement(backend, ENDPOINTS, [ids.clone()]);
        let endpoints = webhook_endpoint::Model::find_by_statement(endpoints)
            .all(db)
            .await?;
        let secrets = db
            .query_all_raw(statement(backend, SECRETS, [ids, now.into()]))
            .await?;
        let secrets = secrets
            .iter()
            .map(|row| Ok((row.try_get("", "endpoint_id")?, row.try_get("", "secret")?)));
        let secrets: Vec<(WebhookEndpointId, String)> = secrets.collect::<Result<_>>()?;
        // An endpoint that was deleted meanwhile took its messages along.
        let messages = taken.into_iter().filter_map(|row| {
            let endpoint = endpoints.iter().find(|endpoint| endpoint.id == row.endpoint_id)?;
            let own = secrets.iter().filter(|(id, _)| *id == row.endpoint_id);
            let secrets = own.map(|(_, secret)| secret.clone()).collect();
            Some(Message {
                id: row.id,
                endpoint_id: row.endpoint_id,
                url: endpoint.url.clone(),
                body: row.body,
                attempts: row.attempts,
                since: row.since,
                secrets,
            })
        });
        Ok(messages.collect())
    }

    /// Writes down a try, and what is to become of the message.
    pub async fn note_attempt(&self, message: &Message, attempt: Attempt) -> Result<Outcome> {
        let now = time::now();
        let outcome = self.outcome(message, &attempt, now);
        let row = &row_of(message, attempt)?;
        transaction::run(&self.0.writer, "note-webhook", |txn| {
            transaction::work(async move {
                let (status, next, ended) = match outcome {
                    Ok(at) => (DeliveryStatus::Pending, Some(at), None),
                    Err(Outcome::Delivered) => (DeliveryStatus::Delivered, None, Some(now)),
                    Err(_) => (DeliveryStatus::Failed, None, Some(now)),
                };
                let backend = txn.get_database_backend();
                let status = sea_orm::ActiveEnum::to_value(&status);
                let id = message.id.as_str();
                let done = [id.into(), status.into(), next.into(), ended.into()];
                let done = txn.execute_raw(statement(backend, DONE, done)).await?;
                if done.rows_affected() == 0 {
                    return Ok(Outcome::Overtaken);
                }
                webhook_attempt::Entity::insert(row.clone().into_active_model())
                    .exec_without_returning(txn)
                    .await?;
                let forget = statement(backend, FORGET_ATTEMPTS, [id.into(), KEPT.into()]);
                txn.execute_raw(forget).await?;
                Ok(outcome.map_or_else(|ended| ended, |_| Outcome::Later))
            })
        })
        .await
    }

    /// When a message is tried again after a try, or how it ends.
    fn outcome(&self, message: &Message, attempt: &Attempt, now: Timestamp) -> Result<Timestamp, Outcome> {
        if attempt.error.is_none() {
            return Err(Outcome::Delivered);
        }
        let at = now + wait_after(message.attempts, rand::random_range(-JITTER..JITTER));
        match at <= message.since + self.0.webhooks.retry_for {
            true => Ok(at),
            false => Err(Outcome::Failed),
        }
    }

    /// Forgets at most `limit` messages that ended long ago; answers how many. For a worker.
    pub async fn forget_messages(&self, limit: u64) -> Result<u64> {
        let before = time::now() - self.0.webhooks.keep;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let db = &self.0.db;
        let forget = statement(db.get_database_backend(), FORGET, [before.into(), limit.into()]);
        Ok(db.execute_raw(forget).await?.rows_affected())
    }
}

/// The wait after a try that failed, when there were `before` others.
fn wait_after(before: i32, jitter: f64) -> Duration {
    let factor = GROWTH.saturating_pow(u32::try_from(before).unwrap_or_default());
    FIRST_WAIT
        .saturating_mul(factor)
        .min(LONGEST_WAIT)
        .mul_f64(1.0 + jitter)
}

fn row_of(message: &Message, attempt: Attempt) -> Result<webhook_attempt::Model> {
    Ok(webhook_attempt::Model {
        id: WebhookAttemptId::new(),
        delivery_id: message.id.clone(),
        started_at: attempt.started_at,
        duration_ms: i32::try_from(attempt.duration.as_millis()).map_err(Error::internal)?,
        status_code: attempt.status.map(i32::from),
        error: attempt.error,
        response: readable(&attempt.response),
    })
}

/// The beginning of an answer as far as it is text; none if there is none.
fn readable(response: &[u8]) -> Option<String> {
    let bytes = &response[..response.len().min(MAX_RESPONSE)];
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The cut may go through a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    // PostgreSQL keeps no text with a NUL in it.
    (!text.is_empty() && !text.contains('\0')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_bound() {
        let waits: Vec<u64> = (0..11).map(|before| wait_after(before, 0.0).as_secs()).collect();
        assert_eq!(
            waits,
            [5, 15, 45, 135, 405, 1_215, 3_645, 10_935, 21_600, 21_600, 21_600]
        );
        assert_eq!(wait_after(i32::MAX, 0.0), LONGEST_WAIT);
        assert_eq!(wait_after(0, 0.2), Duration::from_secs(6));
        assert_eq!(wait_after(0, -0.2), Duration::from_secs(4));
    }

    #[test]
    fn a_little_of_an_answer_is_kept_if_it_is_text() {
        assert_eq!(readable(b"").as_deref(), None);
        assert_eq!(readable(b"no").as_deref(), Some("no"));
        assert_eq!(readable(b"\xff\xfe").as_deref(), None);
        assert_eq!(readable(b"a\0b").as_deref(), None);
        let long = "ö".repeat(MAX_RESPONSE);
        assert_eq!(readable(long.as_bytes()).unwrap().len(), MAX_RESPONSE);
        let odd = format!("x{long}");
        assert_eq!(readable(odd.as_bytes()).unwrap().len(), MAX_RESPONSE - 1);
    }
}
