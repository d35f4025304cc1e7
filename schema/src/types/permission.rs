//! `Permission`.

use async_graphql::Object;
use canopy_domain::permissions::EffectiveLevel;
use canopy_domain::{AccountView, entity};

use super::permission_decider::PermissionDecider;
use super::permission_key::PermissionKey;
use super::permission_level::PermissionLevel;

/// The caller's level for one key in one account.
pub(crate) struct Permission {
    account: AccountView,
    key: entity::PermissionKey,
    effective: EffectiveLevel,
}

impl Permission {
    /// The caller's level for `key` in `account`.
    pub(super) fn new(account: AccountView, key: entity::PermissionKey) -> Self {
        let effective = account.access().effective(key);
        Self {
            account,
            key,
            effective,
        }
    }
}

/// How far the caller's permission for one key reaches, and why.
#[Object]
impl Permission {
    /// What the permission is about.
    async fn key(&self) -> PermissionKey {
        self.key.into()
    }

    /// How far it reaches.
    async fn level(&self) -> PermissionLevel {
        self.effective.level.into()
    }

    /// The highest level that the key allows at all.
    async fn max_level(&self) -> PermissionLevel {
        self.key.max_level().into()
    }

    /// What decided the level: of all that gave this least level, the one nearest to where access was
    /// granted.
    async fn decided_by(&self) -> PermissionDecider {
        PermissionDecider::new(self.account.clone(), self.key, self.effective.decided_by.clone())
    }
}
