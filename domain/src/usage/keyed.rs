//! An event, told from others by its account and idempotency key.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use canopy_entity::{AccountId, usage_event};

/// Equal to another if both have the same account and key, whatever else they say.
pub(super) struct Keyed(pub(super) Arc<usage_event::Model>);

impl Keyed {
    fn key(&self) -> (&AccountId, &str) {
        (&self.0.account_id, &self.0.idempotency_key)
    }
}

impl PartialEq for Keyed {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Keyed {}

impl Hash for Keyed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}
