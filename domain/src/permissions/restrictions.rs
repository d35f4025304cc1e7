//! What one account leaves of each key.

use std::sync::LazyLock;

use canopy_entity::{Level, PermissionKey};
use sea_orm::{ActiveEnum, Iterable};

use crate::{Error, Result};

const KEYS: usize = PermissionKey::Usage as usize + 1;

/// The restrictions of one account: the highest level left of each key, where there is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Restrictions([Option<Level>; KEYS]);

impl Restrictions {
    /// Reads `KEY=LEVEL,KEY=LEVEL`, as an account tells it: in the order of the names, or in any other.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        static NAMED_KEYS: LazyLock<Vec<(String, PermissionKey)>> = LazyLock::new(names);
        let mut restrictions = Self::default();
        // Where the last key was found, the next one is not far.
        let mut from_here = NAMED_KEYS.iter().cycle();
        let mut rest = text;
        while !rest.is_empty() {
            let key = from_here.by_ref().take(KEYS).find_map(|(name, key)| {
                let level = rest.strip_prefix(name.as_str())?.strip_prefix('=')?;
                Some((*key, level))
            });
            let named = key.and_then(|(key, behind)| {
                let end = behind.bytes().position(|byte| byte == b',');
                let (level, behind) = behind.split_at(end.unwrap_or(behind.len()));
                Some((key, Level::named(level)?, behind))
            });
            let (key, level, behind) =
                named.ok_or_else(|| Error::internal(format!("{text} are no restrictions")))?;
            restrictions.add(key, level);
            rest = behind.strip_prefix(',').unwrap_or_default();
        }
        Ok(restrictions)
    }

    /// Adds a restriction.
    pub(crate) fn add(&mut self, key: PermissionKey, level: Level) {
        self.0[key as usize] = Some(level);
    }

    pub(super) fn level(&self, key: PermissionKey) -> Option<Level> {
        self.0[key as usize]
    }
}

/// The keys with their names, in the order of these.
fn names() -> Vec<(String, PermissionKey)> {
    let mut names: Vec<_> = PermissionKey::iter().map(|key| (key.to_value(), key)).collect();
    names.sort_by(|one, other| one.0.cmp(&other.0));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restrictions_are_read_and_each_key_has_a_place() {
        let restrictions = Restrictions::parse("USAGE=NONE,ACCOUNT=LIMITED").unwrap();
        assert_eq!(
            Restrictions::parse("ACCOUNT=LIMITED,USAGE=NONE").unwrap(),
            restrictions
        );
        for key in PermissionKey::iter() {
            let level = match key {
                PermissionKey::Usage => Some(Level::None),
                PermissionKey::Account => Some(Level::Limited),
                _ => None,
            };
            assert_eq!(restrictions.level(key), level);
        }
        assert_eq!(Restrictions::parse("").unwrap(), Restrictions::default());
        for text in [
            "USAGE=SOME",
            "USAGE=NONEACCOUNT=FULL",
            "USAGE",
            "USAGE=",
            "=",
            "ACCOUNTS=NONE",
        ] {
            assert!(Restrictions::parse(text).is_err(), "{text}");
        }
    }
}
