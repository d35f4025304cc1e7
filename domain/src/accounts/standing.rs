//! What an account has from its path: whoever asks.

use std::sync::Arc;

use canopy_entity::AccountPath;
use canopy_entity::account::{AccountKind, AccountStatus};
use sea_orm::ActiveEnum;

use crate::permissions::Restrictions;
use crate::{Error, Result};

/// What an account has from itself and those above it.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    above: Option<Arc<Standing>>,
    /// How many accounts stand above.
    place: usize,
    /// The least favourable status on the path.
    status: AccountStatus,
    /// How many levels it stands below its main account or platform.
    level: u32,
    /// Its own restrictions.
    restrictions: Restrictions,
}

impl Standing {
    /// That of an account below `above`, or of a root.
    pub(crate) fn new(
        above: Option<Arc<Standing>>,
        kind: AccountKind,
        status: AccountStatus,
        restrictions: Restrictions,
    ) -> Self {
        use AccountStatus::{Active, Closed, Suspended};
        let (place, level, from_above) = match &above {
            Some(above) => (above.place + 1, above.level + 1, above.status),
            None => (0, 1, Active),
        };
        Self {
            above,
            place,
            status: match (from_above, status) {
                (Closed, _) | (_, Closed) => Closed,
                (Suspended, _) | (_, Suspended) => Suspended,
                (Active, Active) => Active,
            },
            level: match kind {
                AccountKind::Platform | AccountKind::Main => 0,
                AccountKind::Subaccount => level,
            },
            restrictions,
        }
    }

    /// That of the account at `path`, of which `told` says `id kind status restrictions;` for each account on it.
    pub(super) fn told(path: &AccountPath, told: &str) -> Result<Arc<Self>> {
        let mut standing = None;
        for id in path.as_str().split_terminator('/') {
            let mut accounts = told.split(';').map(|account| account.split(' '));
            let account = accounts.find_map(|mut parts| (parts.next() == Some(id)).then_some(parts));
            let mut parts = account.ok_or_else(|| incomplete(path))?;
            let mut part = || parts.next().ok_or_else(|| incomplete(path));
            let kind = AccountKind::try_from_value(&part()?.to_owned())?;
            let status = AccountStatus::try_from_value(&part()?.to_owned())?;
            let restrictions = Restrictions::parse(part()?)?;
            standing = Some(Arc::new(Self::new(standing, kind, status, restrictions)));
        }
        standing.ok_or_else(|| incomplete(path))
    }

    pub(super) fn status(&self) -> AccountStatus {
        self.status
    }

    pub(super) fn level(&self) -> u32 {
        self.level
    }

    pub(crate) fn restrictions(&self) -> &Restrictions {
        &self.restrictions
    }

    /// Each account from this one up to the root, with its place counted from there.
    pub(crate) fn upward(&self) -> impl Iterator<Item = (usize, &Standing)> {
        std::iter::successors(Some(self), |standing| standing.above.as_deref())
            .map(|standing| (standing.place, standing))
    }
}

/// An account is never deleted, so that all on its path are there.
fn incomplete(path: &AccountPath) -> Error {
    Error::internal(format!("the accounts on {path} were not all read"))
}

#[cfg(test)]
mod tests {
    use canopy_entity::AccountId;

    use super::*;

    #[test]
    fn status_and_level_come_from_the_whole_path() {
        let ids: Vec<AccountId> = (0..4).map(|_| AccountId::new()).collect();
        let path = ids[1..]
            .iter()
            .fold(AccountPath::root(&ids[0]), |path, id| path.child(id));
        let kinds = ["PLATFORM", "MAIN", "SUBACCOUNT", "SUBACCOUNT"];
        use AccountStatus::{Active, Closed, Suspended};
        for (statuses, status) in [
            (["ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE"], Active),
            (["ACTIVE", "SUSPENDED", "ACTIVE", "ACTIVE"], Suspended),
            (["ACTIVE", "CLOSED", "SUSPENDED", "ACTIVE"], Closed),
            (["ACTIVE", "ACTIVE", "ACTIVE", "SUSPENDED"], Suspended),
        ] {
            // They come in any order.
            let told: Vec<String> = (0..4)
                .rev()
                .map(|place| format!("{} {} {} ", ids[place], kinds[place], statuses[place]))
                .collect();
            let standing = Standing::told(&path, &told.join(";")).unwrap();
            assert_eq!((standing.status(), standing.level()), (status, 2));
            assert_eq!(
                standing.upward().map(|(place, _)| place).collect::<Vec<_>>(),
                [3, 2, 1, 0]
            );
            assert!(Standing::told(&path, &told[1..].join(";")).is_err());
        }
    }
}
