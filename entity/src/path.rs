//! The materialized path of an account: the ids from its root down to itself, each followed by a slash.
//!
//! The subtree of an account is a range of paths, so that scope is a predicate on an index in SQL.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::AccountId;
use crate::id::ULID_LENGTH;

/// What an id takes with its slash: the ids of accounts are of one length.
const STEP: usize = AccountId::PREFIX.len() + ULID_LENGTH + "/".len();

/// `acc_root/acc_child/`: where an account stands in its tree.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sea_orm::DeriveValueType,
)]
#[serde(transparent)]
#[sea_orm(value_type = "String")]
pub struct AccountPath(Arc<str>);

impl AccountPath {
    /// The path of a root account.
    pub fn root(id: &AccountId) -> Self {
        Self(format!("{id}/").into())
    }

    /// The path of a child of the account that stands here.
    pub fn child(&self, id: &AccountId) -> Self {
        Self(format!("{}{id}/", self.0).into())
    }

    /// The ids from the root down to the account itself; never empty.
    pub fn ids(&self) -> Vec<AccountId> {
        self.each_id().collect()
    }

    /// The same, one after the other.
    pub fn each_id(&self) -> impl Iterator<Item = AccountId> + '_ {
        (0..=self.depth()).filter_map(|place| self.at(place))
    }

    /// The id at `place`, counted from the root; none beyond the end.
    pub fn at(&self, place: usize) -> Option<AccountId> {
        let start = place * STEP;
        let id = self.0.get(start..start + STEP - 1)?;
        Some(AccountId::of_path(id))
    }

    /// The path of the account at `place`, counted from the root; none beyond the end.
    pub fn upto(&self, place: usize) -> Option<AccountPath> {
        let path = self.0.get(..(place + 1) * STEP)?;
        Some(Self(path.into()))
    }

    /// The id of the topmost account.
    pub fn root_id(&self) -> AccountId {
        self.at(0).expect("a path is never empty")
    }

    /// The path of the nearest account that both are in the subtree of; none if they are in two trees.
    pub fn nearest(&self, other: &AccountPath) -> Option<AccountPath> {
        if self.contains(other) {
            return Some(self.clone());
        }
        let same = self
            .0
            .split_inclusive('/')
            .zip(other.0.split_inclusive('/'))
            .take_while(|(one, other)| one == other);
        let length = same.map(|(one, _)| one.len()).sum();
        (length > 0).then(|| Self(self.0[..length].into()))
    }

    /// True if `other` is this account or stands below it.
    pub fn contains(&self, other: &AccountPath) -> bool {
        other.0.starts_with(&*self.0)
    }

    /// True if the account with this id stands here, or above.
    pub fn leads_through(&self, id: &AccountId) -> bool {
        let mut steps = self.0.as_bytes().chunks(STEP);
        steps.any(|step| step[..STEP - 1] == *id.as_str().as_bytes())
    }

    /// True if the account with this id stands here.
    pub fn leads_to(&self, id: &AccountId) -> bool {
        self.at(self.depth()).as_ref() == Some(id)
    }

    /// Where the account stands that is here now, once the one at `from` stands at `to` with all below it.
    pub fn moved(&self, from: &AccountPath, to: &AccountPath) -> Option<AccountPath> {
        let below = self.0.strip_prefix(&*from.0)?;
        Some(Self(format!("{}{below}", to.0).into()))
    }

    /// The ids from `place` on, counted from the root, each followed by a slash: what the account at that place may
    /// know of the path. None beyond the end.
    pub fn seen_from(&self, place: usize) -> Option<&str> {
        self.0.get(place * STEP..).filter(|rest| !rest.is_empty())
    }

    /// How many accounts stand above.
    pub fn depth(&self) -> usize {
        (self.0.len() / STEP).saturating_sub(1)
    }

    /// The path as it is stored; also the least path of the subtree.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The least path after the whole subtree: `0` is the byte after `/`, and no id holds either.
    pub fn end(&self) -> String {
        format!("{}0", self.0.trim_end_matches('/'))
    }
}

impl std::str::FromStr for AccountPath {
    type Err = std::convert::Infallible;

    /// A path as it is stored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.into()))
    }
}

impl std::fmt::Display for AccountPath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subtree_is_a_range_of_paths() {
        let (root, child, other) = (AccountId::new(), AccountId::new(), AccountId::new());
        let root_path = AccountPath::root(&root);
        let child_path = root_path.child(&child);
        let grandchild_path = child_path.child(&other);
        assert_eq!(grandchild_path.root_id(), root);
        assert_eq!(
            root_path.child(&other).nearest(&grandchild_path),
            Some(root_path.clone())
        );
        assert_eq!(child_path.nearest(&grandchild_path), Some(child_path.clone()));
        assert_eq!(AccountPath::root(&other).nearest(&child_path), None);
        let sibling_path = root_path.child(&other);

        assert_eq!(
            grandchild_path.ids(),
            [root.clone(), child.clone(), other.clone()]
        );
        assert_eq!(
            (grandchild_path.at(1), grandchild_path.at(3)),
            (Some(child.clone()), None)
        );
        assert_eq!(grandchild_path.depth(), 2);
        assert!(grandchild_path.leads_to(&other) && !grandchild_path.leads_to(&child));
        assert!(grandchild_path.leads_through(&child) && !sibling_path.leads_through(&child));
        let elsewhere = sibling_path.child(&child);
        assert_eq!(
            grandchild_path.moved(&child_path, &elsewhere),
            Some(elsewhere.child(&other))
        );
        assert_eq!(sibling_path.moved(&child_path, &elsewhere), None);
        assert_eq!(grandchild_path.seen_from(0), Some(grandchild_path.as_str()));
        assert_eq!(grandchild_path.seen_from(2), Some(format!("{other}/").as_str()));
        assert_eq!(grandchild_path.seen_from(3), None);
        for (path, inside) in [
            (&child_path, true),
            (&grandchild_path, true),
            (&sibling_path, false),
            (&root_path, false),
        ] {
            let in_range = path.as_str() >= child_path.as_str() && path.as_str() < child_path.end().as_str();
            assert_eq!(in_range, inside);
            assert_eq!(child_path.contains(path), inside);
        }
    }
}
