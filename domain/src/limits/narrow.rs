//! How the bounds on a path combine: each account narrows what those above it leave. Pure.

use std::sync::Arc;

use super::LimitDecider;

/// One bound of one account on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    /// None says that the account leaves the resource unlimited.
    pub(super) max: Option<u64>,
    pub(super) decided_by: Arc<LimitDecider>,
    pub(super) reason: Option<Arc<str>>,
}

/// What one rule or one set of account limits says: bounds by resource, and what holds for all others.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// In the order of the names.
    bounds: Vec<(Arc<str>, Bound)>,
    /// Who leaves the other resources unlimited; none for account limits, which say nothing about others.
    pub(super) otherwise: Option<Arc<LimitDecider>>,
}

impl Source {
    /// Of bounds in any order; where a resource is there twice, the last one counts.
    pub(super) fn new(
        bounds: impl Iterator<Item = (Arc<str>, Bound)>,
        otherwise: Option<Arc<LimitDecider>>,
    ) -> Self {
        let mut bounds: Vec<(Arc<str>, Bound)> = bounds.collect();
        bounds.sort_by(|(one, _), (other, _)| one.cmp(other));
        bounds.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                std::mem::swap(next, kept);
            }
            is_same
        });
        Self { bounds, otherwise }
    }

    fn named(&self, resource: &str) -> Option<&Bound> {
        let place = self
            .bounds
            .binary_search_by(|(name, _)| name.as_ref().cmp(resource));
        Some(&self.bounds[place.ok()?].1)
    }

    /// The bound on a resource, if it says anything about it.
    fn max(&self, resource: &str) -> Option<Option<u64>> {
        let named = self.named(resource).map(|bound| bound.max);
        named.or_else(|| self.otherwise.as_ref().map(|_| None))
    }

    /// What it says about a resource, if anything.
    pub(super) fn bound(&self, resource: &str) -> Option<Bound> {
        let named = self.named(resource).cloned();
        let unlimited = |decided_by: &Arc<LimitDecider>| Bound {
            max: None,
            decided_by: Arc::clone(decided_by),
            reason: None,
        };
        named.or_else(|| self.otherwise.as_ref().map(unlimited))
    }
}

/// The bound that holds for a resource, in the words of the source that it is from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Least<'a> {
    pub(super) max: Option<u64>,
    pub(super) decided_by: &'a Arc<LimitDecider>,
    pub(super) reason: Option<&'a Arc<str>>,
}

/// What holds on a path as far as its sources were added, from the top down. Of equal bounds the one nearest the top
/// decides.
#[derive(Debug, Clone, Default)]
pub(super) struct Narrowed<'a> {
    /// By the names of the resources, in their order.
    named: Vec<(&'a Arc<str>, Least<'a>)>,
    /// Who was the first to leave unlimited what was not named.
    otherwise: Option<&'a Arc<LimitDecider>>,
}

impl<'a> Narrowed<'a> {
    /// Adds what the next source says.
    pub(super) fn add(&mut self, source: &'a Source) {
        let mut from = 0;
        for (resource, bound) in &source.bounds {
            let next = Least {
                max: bound.max,
                decided_by: &bound.decided_by,
                reason: bound.reason.as_ref(),
            };
            let place = self.place(from, resource);
            match place {
                Ok(place) => {
                    let least = &mut self.named[place].1;
                    if is_less(next.max, least.max) {
                        *least = next;
                    }
                }
                Err(place) => {
                    let before = self.unnamed().filter(|before| !is_less(next.max, before.max));
                    self.named.insert(place, (resource, before.unwrap_or(next)));
                }
            }
            from = place.unwrap_or_else(|place| place) + 1;
        }
        self.otherwise = self.otherwise.or(source.otherwise.as_ref());
    }

    /// The bound of each resource of `always` that anybody says anything about, and of those that a source names,
    /// in the order of their names.
    pub(super) fn bounds(mut self, always: &'a [Arc<str>]) -> Vec<(&'a Arc<str>, Least<'a>)> {
        if let Some(unnamed) = self.unnamed() {
            for resource in always {
                if let Err(place) = self.place(0, resource) {
                    self.named.insert(place, (resource, unnamed));
                }
            }
        }
        self.named
    }

    /// Where a resource is, or would be, at or behind `from`; most sources name the same ones.
    fn place(&self, from: usize, resource: &str) -> Result<usize, usize> {
        let rest = &self.named[from..];
        if rest.first().is_some_and(|(name, _)| ***name == *resource) {
            return Ok(from);
        }
        let found = rest.binary_search_by(|(name, _)| name.as_ref().cmp(resource));
        found.map(|place| from + place).map_err(|place| from + place)
    }

    fn unnamed(&self) -> Option<Least<'a>> {
        self.otherwise.map(|decided_by| Least {
            max: None,
            decided_by,
            reason: None,
        })
    }
}

/// The place of the source that decides about `resource`, as [`Narrowed`] sees it.
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
    use std::collections::BTreeMap;

    use canopy_entity::{AccountId, RuleVersionId};

    use super::*;

    /// What holds after all sources; what decides about each resource is looked for in the other way too.
    fn narrow<'a>(sources: &[&'a Source], always: &'a [Arc<str>]) -> BTreeMap<&'a str, Least<'a>> {
        let mut narrowed = Narrowed::default();
        for source in sources {
            narrowed.add(source);
        }
        let bounds = narrowed.bounds(always);
        for (resource, least) in &bounds {
            let place = deciding(sources.iter().copied(), resource).unwrap();
            let bound = sources[place].bound(resource).unwrap();
            assert_eq!(
                (bound.max, &bound.decided_by),
                (least.max, least.decided_by),
                "{resource}"
            );
        }
        assert!(bounds.is_sorted_by_key(|(resource, _)| *resource));
        bounds
            .into_iter()
            .map(|(resource, least)| (resource.as_ref(), least))
            .collect()
    }

    fn names<const N: usize>(names: [&str; N]) -> [Arc<str>; N] {
        names.map(Arc::from)
    }

    fn source(account_id: &AccountId, bounds: &[(&str, Option<u64>)]) -> Source {
        let decided_by = Arc::new(LimitDecider::Rule {
            account_id: account_id.clone(),
            rule_version_id: RuleVersionId::new(),
            rule_digest: String::new(),
        });
        let bound = |max| Bound {
            max,
            decided_by: decided_by.clone(),
            reason: None,
        };
        let bounds = bounds.iter().map(|(name, max)| (Arc::from(*name), bound(*max)));
        Source::new(bounds, Some(Arc::clone(&decided_by)))
    }

    fn set_on(account_id: &AccountId, resource: &str, max: u64) -> Source {
        let bound = Bound {
            max: Some(max),
            decided_by: Arc::new(LimitDecider::Account {
                account_id: account_id.clone(),
            }),
            reason: None,
        };
        Source::new([(Arc::from(resource), bound)].into_iter(), None)
    }

    #[test]
    fn a_child_narrows_its_parent_and_never_widens_it() {
        let (top, middle, bottom) = (AccountId::new(), AccountId::new(), AccountId::new());
        let sources = [
            source(&top, &[("subaccounts", Some(10)), ("members", None)]),
            source(&middle, &[("subaccounts", Some(20)), ("agents", Some(3))]),
            set_on(&bottom, "members", 2),
        ];
        let always = names(["depth", "subaccounts", "members"]);
        let narrowed = narrow(&sources.iter().collect::<Vec<_>>(), &always);
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
    fn who_leaves_a_resource_unlimited_decides_before_those_who_name_it_so_below() {
        let (top, bottom) = (AccountId::new(), AccountId::new());
        let sources = [
            set_on(&top, "agents", 9),
            source(&top, &[]),
            source(&bottom, &[("agents", None), ("seats", None), ("rooms", Some(1))]),
        ];
        let always = names(["depth"]);
        let narrowed = narrow(&sources.iter().collect::<Vec<_>>(), &always);
        let of = |resource: &str| {
            let bound = &narrowed[resource];
            (bound.max, bound.decided_by.account_id())
        };
        assert_eq!(of("agents"), (Some(9), &top));
        assert_eq!(of("seats"), (None, &top));
        assert_eq!(of("rooms"), (Some(1), &bottom));
        assert_eq!(narrowed.len(), 4);
    }

    #[test]
    fn a_resource_has_one_bound_of_a_source_the_last_one() {
        let source = source(
            &AccountId::new(),
            &[("b", Some(1)), ("a", Some(2)), ("b", Some(3))],
        );
        assert_eq!(
            ["a", "b", "c"].map(|name| source.max(name)),
            [Some(Some(2)), Some(Some(3)), Some(None)]
        );
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
        let always = names(["depth", "subaccounts"]);
        let narrowed = narrow(&[&set], &always);
        assert_eq!(narrowed.into_keys().collect::<Vec<_>>(), ["members"]);
        assert!(narrow(&[], &always).is_empty());
    }
}
