//! How the bounds on a path combine: each account narrows what those above it leave. Pure.

use std::collections::BTreeMap;

use super::LimitDecider;

/// One bound of one account on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    /// None says that the account leaves the resource unlimited.
    pub(super) max: Option<u64>,
    pub(super) decided_by: LimitDecider,
    pub(super) reason: Option<String>,
}

/// What one rule or one set of account limits says: bounds by resource, and what holds for all others.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) bounds: BTreeMap<String, Bound>,
    /// Who leaves the other resources unlimited; none for account limits, which say nothing about others.
    pub(super) otherwise: Option<LimitDecider>,
}

impl Source {
    /// The bound on a resource, if it says anything about it.
    fn max(&self, resource: &str) -> Option<Option<u64>> {
        let named = self.bounds.get(resource).map(|bound| bound.max);
        named.or_else(|| self.otherwise.as_ref().map(|_| None))
    }

    /// What it says about a resource, if anything.
    pub(super) fn bound(&self, resource: &str) -> Option<Bound> {
        self.bounds.get(resource).cloned().or_else(|| {
            self.otherwise.clone().map(|decided_by| Bound {
                max: None,
                decided_by,
                reason: None,
            })
        })
    }
}

/// The bound that holds for each resource of `always`, and of those that a source names. `sources` are in the order
/// of the path, from the top down; of equal bounds the one nearest the top decides.
pub(super) fn narrow(sources: &[&Source], always: &[&str]) -> BTreeMap<String, Bound> {
    let named = sources
        .iter()
        .flat_map(|source| source.bounds.keys().map(String::as_str));
    let resources: std::collections::BTreeSet<&str> = always.iter().copied().chain(named).collect();
    resources
        .into_iter()
        .filter_map(|resource| {
            let place = deciding(sources.iter().copied(), resource)?;
            Some((resource.to_owned(), sources[place].bound(resource)?))
        })
        .collect()
}

/// The place of the source that decides about `resource`, as [`narrow`] sees it.
pub(super) fn deciding<'a>(sources: impl Iterator<Item = &'a Source>, resource: &str) -> Option<usize> {
    let bounds = sources
        .enumerate()
        .filter_map(|(place, source)| Some((place, source.max(resource)?)));
    let least = bounds.reduce(|least, next| if is_less(next.1, least.1) { next } else { least });
    least.map(|(place, _)| place)
}

/// None is unlimited.
fn is_less(next: Option<u64>, least: Option<u64>) -> bool {
    match (next, least) {
        (Some(next), Some(least)) => next < least,
        (next, None) => next.is_some(),
        (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use canopy_entity::{AccountId, RuleVersionId};

    use super::*;

    fn source(account_id: &AccountId, bounds: &[(&str, Option<u64>)]) -> Source {
        let decided_by = LimitDecider::Rule {
            account_id: account_id.clone(),
            rule_version_id: RuleVersionId::new(),
            rule_digest: String::new(),
        };
        let bound = |max| Bound {
            max,
            decided_by: decided_by.clone(),
            reason: None,
        };
        Source {
            bounds: bounds
                .iter()
                .map(|(name, max)| ((*name).to_owned(), bound(*max)))
                .collect(),
            otherwise: Some(decided_by),
        }
    }

    fn set_on(account_id: &AccountId, resource: &str, max: u64) -> Source {
        let bound = Bound {
            max: Some(max),
            decided_by: LimitDecider::Account {
                account_id: account_id.clone(),
            },
            reason: None,
        };
        Source {
            bounds: BTreeMap::from([(resource.to_owned(), bound)]),
            otherwise: None,
        }
    }

    #[test]
    fn a_child_narrows_its_parent_and_never_widens_it() {
        let (top, middle, bottom) = (AccountId::new(), AccountId::new(), AccountId::new());
        let sources = [
            source(&top, &[("subaccounts", Some(10)), ("members", None)]),
            source(&middle, &[("subaccounts", Some(20)), ("agents", Some(3))]),
            set_on(&bottom, "members", 2),
        ];
        let narrowed = narrow(
            &sources.iter().collect::<Vec<_>>(),
            &["depth", "subaccounts", "members"],
        );
        let of = |resource: &str| {
            let bound = &narrowed[resource];
            (bound.max, bound.decided_by.account_id().clone())
        };
        assert_eq!(of("subaccounts"), (Some(10), top.clone()));
        assert_eq!(of("agents"), (Some(3), middle));
        assert_eq!(of("members"), (Some(2), bottom));
        assert_eq!(of("depth"), (None, top));
    }

    #[test]
    fn of_equal_bounds_the_topmost_decides() {
        let (top, bottom) = (AccountId::new(), AccountId::new());
        let sources = [
            source(&top, &[("members", Some(5))]),
            set_on(&bottom, "members", 5),
        ];
        let narrowed = narrow(&sources.iter().collect::<Vec<_>>(), &[]);
        assert_eq!(narrowed["members"].decided_by.account_id(), &top);
    }

    #[test]
    fn without_a_rule_only_what_was_set_is_limited() {
        let account = AccountId::new();
        let set = set_on(&account, "members", 5);
        let narrowed = narrow(&[&set], &["depth", "subaccounts"]);
        assert_eq!(narrowed.keys().collect::<Vec<_>>(), ["members"]);
        assert!(narrow(&[], &["depth"]).is_empty());
    }
}
