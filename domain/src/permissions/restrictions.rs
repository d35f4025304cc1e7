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
        static NAMED_KEYS: Names<PermissionKey> = LazyLock::new(names);
        static NAMED_LEVELS: Names<Level> = LazyLock::new(names);
        let mut restrictions = Self::default();
        // Where the last key was found, the next one is not far.
        let mut from_here = NAMED_KEYS.iter().cycle();
        for restriction in text.split_terminator(',') {
            let parts = restriction.split_once('=');
            let named = parts.and_then(|(key, level)| {
                let (_, key) = from_here.by_ref().take(KEYS).find(|(name, _)| name == key)?;
                let (_, level) = NAMED_LEVELS.iter().find(|(name, _)| name == level)?;
                Some((*key, *level))
            });
            let (key, level) =
                named.ok_or_else(|| Error::internal(format!("{restriction} is no restriction")))?;
            restrictions.add(key, level);
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

/// The values of an enumeration with their names, in the order of these.
type Names<T> = LazyLock<Vec<(String, T)>>;

fn names<T: ActiveEnum<Value = String> + Iterable>() -> Vec<(String, T)> {
    let mut names: Vec<(String, T)> = T::iter().map(|value| (value.to_value(), value)).collect();
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
        assert!(Restrictions::parse("USAGE=SOME").is_err());
    }
}
