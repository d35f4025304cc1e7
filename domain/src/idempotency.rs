//! Answers kept for retries: the same key and input give the stored answer, another input is a conflict.
//!
//! A service makes a [`Claim`], looks for a stored answer before it asks a rule, looks again first thing in its
//! transaction, and stores its answer last thing in it. Of two concurrent first uses one wins: the other's insert
//! is refused, its transaction is run again, and then it finds the winner's answer.

use canopy_entity::{idempotency_record, time};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, TryInsertResult};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::transaction::LostRace;
use crate::{Actor, Error, Result};

/// The longest key that is accepted, in bytes.
const MAX_KEY: usize = 255;

/// An answer, and whether it was given before.
#[derive(Debug, Clone)]
pub struct Replayable<T> {
    /// The answer.
    pub value: T,
    /// True if the idempotency key was seen before with the same input.
    pub replayed: bool,
}

impl<T> Replayable<T> {
    /// An answer that is given for the first time.
    pub(crate) fn fresh(value: T) -> Self {
        Self {
            value,
            replayed: false,
        }
    }

    /// An answer that was given before.
    pub(crate) fn replayed(value: T) -> Self {
        Self {
            value,
            replayed: true,
        }
    }
}

/// One use of an idempotency key, or of none: then nothing is found and nothing stored.
pub(crate) struct Claim {
    key: Option<(String, String)>,
    actor: String,
    operation: &'static str,
}

impl Claim {
    /// The use of `key` by `actor` for `operation` with `input`, whose JSON tells one input from another.
    pub(crate) fn new(
        actor: &Actor,
        operation: &'static str,
        key: Option<&str>,
        input: &impl Serialize,
    ) -> Result<Self> {
        let key = match key {
            None => None,
            Some(key) if (1..=MAX_KEY).contains(&key.len()) => {
                let input = serde_json::to_vec(input).map_err(Error::internal)?;
                Some((key.to_owned(), hex::encode(Sha256::digest(input))))
            }
            Some(_) => {
                return Err(Error::bad_input(
                    &["idempotencyKey"],
                    format!("An idempotency key has 1 to {MAX_KEY} bytes."),
                ));
            }
        };
        Ok(Self {
            key,
            actor: actor.label(),
            operation,
        })
    }

    /// The stored answer; none at the first use. `Error::Conflict` if the key was used with another input.
    pub(crate) async fn find<T: DeserializeOwned>(&self, db: &impl ConnectionTrait) -> Result<Option<T>> {
        let Some((key, digest)) = &self.key else {
            return Ok(None);
        };
        let id = (self.actor.clone(), self.operation.to_owned(), key.clone());
        match idempotency_record::Entity::find_by_id(id).one(db).await? {
            None => Ok(None),
            Some(record) if record.request_digest == *digest => serde_json::from_value(record.response)
                .map(Some)
                .map_err(Error::internal),
            Some(_) => Err(Error::conflict(
                &["idempotencyKey"],
                "This idempotency key was used with another input.",
            )),
        }
    }

    /// Stores the answer. If another transaction stored one meanwhile, the error makes `transaction::run` start over.
    pub(crate) async fn store(&self, db: &impl ConnectionTrait, response: &impl Serialize) -> Result<()> {
        let Some((key, digest)) = &self.key else {
            return Ok(());
        };
        let row = idempotency_record::ActiveModel {
            actor: Set(self.actor.clone()),
            operation: Set(self.operation.to_owned()),
            idempotency_key: Set(key.clone()),
            request_digest: Set(digest.clone()),
            response: Set(serde_json::to_value(response).map_err(Error::internal)?),
            created_at: Set(time::now()),
        };
        let inserted = idempotency_record::Entity::insert(row)
            .on_conflict_do_nothing()
            .exec_without_returning(db)
            .await?;
        match inserted {
            TryInsertResult::Inserted(1..) => Ok(()),
            // sea-orm also calls it inserted when the conflict left no row to insert.
            TryInsertResult::Inserted(0) | TryInsertResult::Conflicted | TryInsertResult::Empty => {
                Err(Error::internal(LostRace))
            }
        }
    }
}
