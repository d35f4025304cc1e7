//! The most points that an answer may cost, before anything is read.
//!
//! Lists in lists multiply, but an account has one parent: `subaccounts` of accounts that are all different are
//! accounts that are all different. So a chain of `subaccounts` from one account down gives no account twice, and no more
//! of them on all its levels together than there are below that account. Accounts that are come by in any other way,
//! such as the parents of accounts or the accounts of events, may be the same again and again: below them lists multiply.

use async_graphql::parser::types::Field;

use super::{Place, Priced, Selected};

/// The most points of an answer, as far as the document tells.
#[derive(Debug, Default)]
pub(crate) struct Requested {
    /// By the sizes of pages alone.
    pub(crate) plain: u64,
    /// Without what is on the levels of the chains.
    rest: u64,
    chains: Vec<Chain>,
}

/// The levels of accounts below one account.
#[derive(Debug)]
struct Chain {
    top: Top,
    /// The points of all levels by the sizes of pages.
    plain: u64,
    /// From the account's own children downward.
    levels: Vec<Level>,
}

/// Where a chain begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Top {
    /// At the account that is acted on.
    ActingAs,
    /// At the account with the id that this text is, if it is one.
    Id(String),
}

/// Accounts as far below a chain's top as each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Level {
    /// The points of one account, without those below it.
    each: u64,
    /// How many there are by the sizes of pages.
    rows: u64,
}

impl Requested {
    /// What is known to be this much by the sizes of pages alone, and to be within its bound.
    pub(crate) fn known(points: u64) -> Self {
        Self {
            plain: points,
            rest: points,
            chains: Vec::new(),
        }
    }

    /// The points that it may cost whatever the number of accounts.
    pub(crate) fn least(&self) -> u64 {
        self.rest
    }

    /// Where its chains begin.
    pub(crate) fn tops(&self) -> impl Iterator<Item = &Top> {
        self.chains.iter().map(|chain| &chain.top)
    }

    /// With how many accounts below any top it costs more than `points`, unless pages keep it below.
    pub(crate) fn accounts_for(&self, points: u64) -> u64 {
        let levels = self.chains.iter().flat_map(|chain| &chain.levels);
        let cheapest = levels.map(|level| level.each).min().unwrap_or(1);
        points / cheapest.max(1) + 1
    }

    /// The points with so many accounts below the top of each chain.
    pub(crate) fn with(&self, accounts: impl Fn(&Top) -> u64) -> u64 {
        self.chains.iter().fold(self.rest, |points, chain| {
            let levels = dearest(&chain.levels, accounts(&chain.top));
            points.saturating_add(levels.min(chain.plain))
        })
    }
}

/// The most that so many accounts cost on these levels: the dearest levels are full first.
fn dearest(levels: &[Level], accounts: u64) -> u64 {
    let mut levels = levels.to_vec();
    levels.sort_unstable_by_key(|level| std::cmp::Reverse(level.each));
    let (mut points, mut left) = (0_u64, accounts);
    for level in levels {
        let rows = level.rows.min(left);
        points = points.saturating_add(rows.saturating_mul(level.each));
        left -= rows;
    }
    points
}

/// The points of what is selected from one object.
#[derive(Debug, Default)]
struct Sum {
    /// Of all but the accounts that a chain has below.
    own: u64,
    /// Of those, by the sizes of pages.
    below: u64,
    /// The same by levels.
    levels: Vec<Level>,
}

impl Sum {
    fn all(&self) -> u64 {
        self.own.saturating_add(self.below)
    }

    /// Both beside each other. An account may be on a level of both.
    fn and(mut self, other: Self) -> Self {
        self.own = self.own.saturating_add(other.own);
        self.below = self.below.saturating_add(other.below);
        if self.levels.len() < other.levels.len() {
            self.levels.resize(other.levels.len(), Level::default());
        }
        for (own, level) in self.levels.iter_mut().zip(other.levels) {
            own.each = own.each.saturating_add(level.each);
            own.rows = own.rows.max(level.rows);
        }
        self
    }
}

/// What a field has to do with a chain.
enum Link {
    /// It gives the account that a chain begins at.
    Top,
    /// It gives a page of children, or the account of one of its edges; or a chain may begin below it.
    Through,
    /// It gives the accounts of a page, or their edges.
    Rows,
    None,
}

impl Link {
    fn of(ty: &str, field: &str) -> Self {
        match (ty, field) {
            ("Query", "account" | "node") | ("Me", "actingAs") => Self::Top,
            ("Query", "me") => Self::Through,
            ("Tenant" | "Account" | "Subaccount", "subaccounts") | ("TenantEdge", "node") => Self::Through,
            ("TenantConnection", "nodes" | "edges") => Self::Rows,
            _ => Self::None,
        }
    }
}

/// Goes through an operation and finds its chains.
struct Walk<'p, 'd> {
    priced: &'p Priced<'d>,
    chains: Vec<Chain>,
}

impl Priced<'_> {
    /// The most points that the answer may cost.
    pub(crate) fn requested(&self) -> Requested {
        let mut walk = Walk {
            priced: self,
            chains: Vec::new(),
        };
        let sum = walk.set(self.root());
        Requested {
            plain: sum.all(),
            rest: sum.own,
            chains: walk.chains,
        }
    }
}

impl<'d> Walk<'_, 'd> {
    fn set(&mut self, place: Place<'d>) -> Sum {
        let selections = place.set.items.iter();
        selections.fold(Sum::default(), |sum, selection| {
            match self.priced.selected(place, &selection.node) {
                Selected::Field(field) => sum.and(self.field(place, field)),
                Selected::Set(place) => sum.and(self.set(place)),
                Selected::Nothing => sum,
            }
        })
    }

    fn field(&mut self, place: Place<'d>, field: &'d Field) -> Sum {
        // What the schema does not have is refused by validation.
        let Some(known) = self.priced.shape.field(place.ty, &field.name.node) else {
            return Sum::default();
        };
        let weight = self.priced.weight(place, field, known);
        let many = self.priced.many(place, field, known);
        let Sum { own, below, levels } = self.set(self.priced.inside(place, field, known));
        let own = own.saturating_add(weight);
        let all = own.saturating_add(below).saturating_mul(many);
        match Link::of(place.ty, &field.name.node) {
            Link::Rows => {
                let first = Level {
                    each: own,
                    rows: many,
                };
                let further = levels.into_iter().map(|level| Level {
                    rows: level.rows.saturating_mul(many),
                    ..level
                });
                Sum {
                    own: 0,
                    below: all,
                    levels: std::iter::once(first).chain(further).collect(),
                }
            }
            Link::Through => Sum { own, below, levels },
            Link::Top if !levels.is_empty() => {
                self.chains.push(Chain {
                    top: self.top(field),
                    plain: below,
                    levels,
                });
                Sum {
                    own,
                    below,
                    levels: Vec::new(),
                }
            }
            Link::Top | Link::None => Sum {
                own: all,
                ..Sum::default()
            },
        }
    }

    fn top(&self, field: &Field) -> Top {
        match self.priced.argument(field, "id").and_then(|id| id.text()) {
            Some(id) => Top::Id(id.to_owned()),
            None => Top::ActingAs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{Count, Shape};

    #[test]
    fn the_dearest_levels_are_full_first() {
        let level = |each, rows| Level { each, rows };
        let levels = [level(1, 100), level(50, 10), level(7, 1_000)];
        assert_eq!(dearest(&levels, 0), 0);
        assert_eq!(dearest(&levels, 5), 5 * 50);
        assert_eq!(dearest(&levels, 30), 10 * 50 + 20 * 7);
        assert_eq!(dearest(&levels, u64::MAX), 10 * 50 + 1_000 * 7 + 100);
        assert_eq!(dearest(&[level(u64::MAX, u64::MAX)], 2), u64::MAX);
    }

    /// What the module says of chains holds for the schema as it is.
    #[test]
    fn pages_of_accounts_are_children_and_tops_are_single() {
        let shape = Shape::of(&crate::sdl());
        for (ty, field, known) in shape.all() {
            let place = format!("{ty}.{field}");
            match known.gives.as_str() {
                "TenantConnection" => assert!(matches!(Link::of(ty, field), Link::Through), "{place}"),
                "TenantEdge" => assert!(matches!(Link::of(ty, field), Link::Rows), "{place}"),
                "Query" => panic!("{place} leads to more tops"),
                "Me" => assert_eq!(place, "Query.me"),
                _ => {}
            }
            if matches!(Link::of(ty, field), Link::Top) || known.gives == "Me" {
                assert_eq!(known.count, Count::One, "{place}");
            }
        }
    }
}
