//! The effective level of each key: the least of the role's, the account's and every ancestor's up to the grant.
//!
//! Pure: it is given the actor's grants and the restrictions on a path, and knows no database.

use std::collections::HashMap;
use std::sync::Arc;

use canopy_entity::{AccountId, AccountPath, Level, PermissionKey, Role};
use sea_orm::ActiveEnum;

use crate::auth::{Grant, GrantKind};
use crate::{Error, Result};

/// The row that decided a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decider {
    /// The role of the membership at this account.
    Role {
        /// The role.
        role: Role,
        /// Where the membership is.
        account_id: AccountId,
    },
    /// The levels of an API key of this account.
    ApiKey {
        /// Where the key is.
        account_id: AccountId,
    },
    /// A restriction of this account, on this key (the key itself or its umbrella).
    Account {
        /// The restricted account.
        account_id: AccountId,
        /// The restricted key.
        key: PermissionKey,
    },
}

/// A level and what decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveLevel {
    /// The level.
    pub level: Level,
    /// What decided it.
    pub decided_by: Decider,
}

/// The restrictions of many accounts, by account id; shared by all accounts that were read together.
#[derive(Debug, Default)]
pub(crate) struct Restrictions(HashMap<String, HashMap<PermissionKey, Level>>);

impl Restrictions {
    /// Adds a restriction of one account.
    pub(crate) fn add(&mut self, account_id: &AccountId, key: PermissionKey, level: Level) {
        self.0
            .entry(account_id.as_str().to_owned())
            .or_default()
            .insert(key, level);
    }

    fn level(&self, account_id: &str, key: PermissionKey) -> Option<Level> {
        self.0.get(account_id)?.get(&key).copied()
    }
}

/// What one actor may do in one account.
#[derive(Debug, Clone)]
pub struct Access {
    grants: Arc<[Grant]>,
    path: AccountPath,
    restrictions: Arc<Restrictions>,
}

impl Access {
    /// The access to the account at `path`; none if no grant reaches it.
    pub(crate) fn new(
        grants: Arc<[Grant]>,
        path: AccountPath,
        restrictions: Arc<Restrictions>,
    ) -> Option<Self> {
        let access = Self {
            grants,
            path,
            restrictions,
        };
        let reached = access.reaching().next().is_some();
        reached.then_some(access)
    }

    /// The effective level for `key`.
    pub fn effective(&self, key: PermissionKey) -> EffectiveLevel {
        self.best(|grant| self.narrowed(grant, key))
    }

    /// `Error::Forbidden` naming key and level, unless the actor has `level` for `key`.
    pub fn require(&self, key: PermissionKey, level: Level) -> Result<()> {
        if self.allows(key, level) {
            return Ok(());
        }
        Err(Error::Forbidden(format!(
            "This needs {} {}.",
            key.to_value(),
            level.to_value()
        )))
    }

    /// True if the actor has `level` for `key`.
    pub fn allows(&self, key: PermissionKey, level: Level) -> bool {
        self.effective(key).level.allows(level)
    }

    /// True if a grant was given above the account rather than at it: the actor looks down on it.
    pub fn from_above(&self) -> bool {
        self.reaching().any(|grant| grant.path != self.path)
    }

    /// The best level for `key` that a grant gives, before any account narrows it.
    pub(crate) fn granted(&self, key: PermissionKey) -> Level {
        self.best(|grant| given(grant, key)).level
    }

    fn reaching(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(|grant| grant.path.contains(&self.path))
    }

    fn best(&self, level: impl Fn(&Grant) -> EffectiveLevel) -> EffectiveLevel {
        self.reaching()
            .map(level)
            .reduce(|best, next| {
                if next.level.rank() > best.level.rank() {
                    next
                } else {
                    best
                }
            })
            .expect("an access is only made if a grant reaches the account")
    }

    /// Walks from the grant's account down to this one; whoever first reaches the least level decides.
    fn narrowed(&self, grant: &Grant, key: PermissionKey) -> EffectiveLevel {
        let mut least = given(grant, key);
        for account in self.path.as_str().split_terminator('/').skip(grant.path.depth()) {
            for restricted in [Some(key), key.umbrella()].into_iter().flatten() {
                let Some(level) = self.restrictions.level(account, restricted) else {
                    continue;
                };
                if level.rank() < least.level.rank() {
                    least = EffectiveLevel {
                        level: highest_within(key, level),
                        decided_by: Decider::Account {
                            account_id: AccountId::parse(account).expect("a stored path holds ids"),
                            key: restricted,
                        },
                    };
                }
            }
        }
        least
    }
}

fn given(grant: &Grant, key: PermissionKey) -> EffectiveLevel {
    let account_id = grant.account_id.clone();
    match &grant.kind {
        GrantKind::Role(role) => EffectiveLevel {
            level: role.level(key),
            decided_by: Decider::Role {
                role: *role,
                account_id,
            },
        },
        GrantKind::Levels(levels) => EffectiveLevel {
            level: levels.get(&key).copied().unwrap_or(Level::None),
            decided_by: Decider::ApiKey { account_id },
        },
    }
}

/// The highest level of `key` that is not above `bound`. An umbrella may say LIMITED where its keys say READ.
fn highest_within(key: PermissionKey, bound: Level) -> Level {
    key.allowed_levels()
        .iter()
        .copied()
        .rfind(|level| level.rank() <= bound.rank())
        .unwrap_or(Level::None)
}

#[cfg(test)]
mod tests;
