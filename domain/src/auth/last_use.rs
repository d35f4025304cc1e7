//! When API keys were last used, to the minute: written beside the request, once a minute and key, and rather not
//! at all than by many at once.

use std::sync::{Arc, Mutex, PoisonError};

use canopy_entity::time::{self, Timestamp};
use canopy_entity::{ApiKeyId, api_key};
use chrono::{SubsecRound, Timelike};
use hashlink::LruCache;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use tokio::sync::Semaphore;

use crate::Domain;

/// How many uses are written at once; others are left for the next request of their key.
const AT_ONCE: usize = 4;
/// How many keys are remembered as written.
const REMEMBERED: usize = 10_000;

/// The minutes that this process has written.
pub(crate) struct LastUses {
    written: Mutex<LruCache<ApiKeyId, Timestamp>>,
    places: Arc<Semaphore>,
}

impl LastUses {
    pub(crate) fn new() -> Self {
        Self {
            written: Mutex::new(LruCache::new(REMEMBERED)),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Whether the minute was written, or is being.
    fn has(&self, id: &ApiKeyId, minute: Timestamp) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.peek(id).is_some_and(|last| *last >= minute)
    }

    /// True for the first of those who want to write this minute.
    fn claim(&self, id: &ApiKeyId, minute: Timestamp) -> bool {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.get(id).is_some_and(|last| *last >= minute) {
            return false;
        }
        written.insert(id.clone(), minute);
        true
    }

    fn forget(&self, id: &ApiKeyId) {
        self.written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }
}

impl Domain {
    /// Writes down the minute in which a key was used, whose last use is `noted` as far as that is known. The request
    /// does not wait for it, nor fail with it.
    pub(super) fn note_use(&self, id: &ApiKeyId, noted: Option<Timestamp>) {
        let minute = to_the_minute(time::now());
        let uses = &self.0.last_uses;
        if noted.is_some_and(|last| last >= minute) || uses.has(id, minute) {
            return;
        }
        let Ok(place) = Arc::clone(&uses.places).try_acquire_owned() else {
            return;
        };
        if !uses.claim(id, minute) {
            return;
        }
        let (domain, id) = (self.clone(), id.clone());
        tokio::spawn(async move {
            let earlier = Condition::any()
                .add(api_key::Column::LastUsedAt.is_null())
                .add(api_key::Column::LastUsedAt.lt(minute));
            let noted = api_key::Entity::update_many()
                .col_expr(api_key::Column::LastUsedAt, Expr::value(minute))
                .filter(api_key::Column::Id.eq(id.clone()))
                .filter(earlier)
                .exec(&domain.0.db)
                .await;
            if let Err(error) = noted {
                domain.0.last_uses.forget(&id);
                tracing::warn!(key = %id, %error, "the last use of an API key was not noted");
            }
            drop(place);
        });
    }
}

fn to_the_minute(instant: Timestamp) -> Timestamp {
    instant.with_second(0).unwrap_or(instant).trunc_subsecs(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_noted_to_the_minute() {
        let instant: Timestamp = "2026-03-01T10:20:30.123456Z".parse().unwrap();
        assert_eq!(to_the_minute(instant).to_rfc3339(), "2026-03-01T10:20:00+00:00");
    }

    #[test]
    fn one_of_many_writes_a_minute() {
        let (uses, id) = (LastUses::new(), ApiKeyId::new());
        let minute = to_the_minute(time::now());
        assert!(uses.claim(&id, minute));
        assert!(!uses.claim(&id, minute));
        assert!(uses.has(&id, minute) && !uses.has(&ApiKeyId::new(), minute));
        assert!(uses.claim(&id, minute + chrono::Duration::minutes(1)));
        uses.forget(&id);
        assert!(uses.claim(&id, minute));
    }
}
