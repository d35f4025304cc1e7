//! The effective level of each key: the least of the role's, the account's and every ancestor's up to the grant.
//!
//! Pure: it is given the actor's grants and the restrictions on a path, and knows no database.

use std::sync::Arc;

use canopy_entity::{AccountId, AccountPath, Level, PermissionKey, Role};
use sea_orm::ActiveEnum;

use crate::accounts::Standing;
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

/// What one actor may do in one account.
#[derive(Debug, Clone)]
pub struct Access {
    grants: Arc<[Grant]>,
    path: AccountPath,
    standing: Arc<Standing>,
}

impl Access {
    /// The access to the account at `path`, which has this standing; none if no grant reaches it.
    pub(crate) fn new(grants: Arc<[Grant]>, path: AccountPath, standing: Arc<Standing>) -> Option<Self> {
        let access = Self {
            grants,
            path,
            standing,
        };
        let reached = access.reaching().next().is_some();
        reached.then_some(access)
    }

    /// The effective level for `key`, and what decided it.
    pub fn effective(&self, key: PermissionKey) -> EffectiveLevel {
        let best = self.best(|grant| self.narrowed(grant, key));
        let Narrowed { grant, level, by } = best;
        let decided_by = match by {
            None => decider(grant),
            Some((place, key)) => Decider::Account {
                account_id: self.path.at(place).expect("whoever narrows stands on the path"),
                key,
            },
        };
        EffectiveLevel { level, decided_by }
    }

    /// The effective level for `key`.
    pub fn level(&self, key: PermissionKey) -> Level {
        self.best(|grant| self.narrowed(grant, key)).level
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
        self.level(key).allows(level)
    }

    /// True if a grant was given above the account rather than at it: the actor looks down on it.
    pub fn from_above(&self) -> bool {
        self.reaching().any(|grant| grant.path != self.path)
    }

    /// What the account has from its path.
    pub(crate) fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// The best level for `key` that a grant gives, before any account narrows it.
    pub(crate) fn granted(&self, key: PermissionKey) -> Level {
        self.best(|grant| Narrowed::not(grant, key)).level
    }

    fn reaching(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(|grant| grant.path.contains(&self.path))
    }

    fn best<'a>(&'a self, level: impl Fn(&'a Grant) -> Narrowed<'a>) -> Narrowed<'a> {
        self.reaching()
            .map(level)
            .reduce(|best, next| match next.level.rank() > best.level.rank() {
                true => next,
                false => best,
            })
            .expect("an access is only made if a grant reaches the account")
    }

    /// What is left of a grant between its account and this one. Of those that leave as little the topmost decides, and
    /// of its restrictions the one on the key itself.
    fn narrowed<'a>(&self, grant: &'a Grant, key: PermissionKey) -> Narrowed<'a> {
        let given = Narrowed::not(grant, key);
        let mut least: Option<(Level, usize, PermissionKey)> = None;
        for (place, standing) in self
            .standing
            .upward()
            .take_while(|(place, _)| *place >= grant.path.depth())
        {
            for restricted in [key.umbrella(), Some(key)].into_iter().flatten() {
                if let Some(level) = standing.restrictions().level(restricted)
                    && level.rank() < given.level.rank()
                    && least.is_none_or(|(least, ..)| level.rank() <= least.rank())
                {
                    least = Some((level, place, restricted));
                }
            }
        }
        match least {
            None => given,
            Some((level, place, restricted)) => Narrowed {
                grant,
                level: highest_within(key, level),
                by: Some((place, restricted)),
            },
        }
    }
}

/// What a grant comes to.
#[derive(Clone, Copy)]
struct Narrowed<'a> {
    grant: &'a Grant,
    level: Level,
    /// Which account on the path narrowed it, and the key that it restricts there.
    by: Option<(usize, PermissionKey)>,
}

impl<'a> Narrowed<'a> {
    /// The grant as it was given.
    fn not(grant: &'a Grant, key: PermissionKey) -> Self {
        let level = match &grant.kind {
            GrantKind::Role(role) => role.level(key),
            GrantKind::Levels(levels) => levels.get(&key).copied().unwrap_or(Level::None),
        };
        Self {
            grant,
            level,
            by: None,
        }
    }
}

fn decider(grant: &Grant) -> Decider {
    let account_id = grant.account_id.clone();
    match &grant.kind {
        GrantKind::Role(role) => Decider::Role {
            role: *role,
            account_id,
        },
        GrantKind::Levels(_) => Decider::ApiKey { account_id },
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
