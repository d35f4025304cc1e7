//! Pages by keyset: each list is ordered by id, and a cursor is the id of a row, so that a page neither skips nor
//! repeats a row when others are inserted.

mod keyset;
mod prepared;

use std::collections::HashMap;
use std::hash::Hash;

pub(crate) use keyset::{List, cut_from};
pub(crate) use prepared::{PreparedLists, Shape};

use crate::{Error, Result};

/// The most rows that a page may have.
pub const MAX_PAGE: u32 = 100;
/// The rows of a page for which no size is asked.
pub const DEFAULT_PAGE: u32 = 25;

/// Which page of a list is wanted. The same for all parents of one read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageArgs {
    /// At most so many rows.
    pub limit: u32,
    /// Only rows after this id.
    pub after: Option<String>,
    /// Only rows before this id.
    pub before: Option<String>,
    /// Take the last rows rather than the first; they are returned in ascending order all the same.
    pub backward: bool,
    /// Whether the whole list is to be counted too.
    pub with_total: bool,
    /// Whether nobody looks at the rows, so that there is nothing to read but the total.
    pub only_total: bool,
}

impl PageArgs {
    /// Reads Relay's four arguments; `after` and `before` are ids, already taken out of their cursors.
    pub fn new(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        with_total: bool,
    ) -> Result<Self> {
        let (wanted, backward, field) = match (first, last) {
            (Some(_), Some(_)) => {
                return Err(Error::bad_input(
                    &["last"],
                    "Give either `first` or `last`, not both.",
                ));
            }
            (_, Some(last)) => (last, true, "last"),
            (first, None) => (first.unwrap_or(DEFAULT_PAGE as i32), false, "first"),
        };
        match u32::try_from(wanted) {
            Ok(limit) if limit <= MAX_PAGE => Ok(Self {
                limit,
                after,
                before,
                backward,
                with_total,
                only_total: false,
            }),
            _ => Err(Error::bad_input(
                &[field],
                format!("`{field}` must be between 0 and {MAX_PAGE}."),
            )),
        }
    }
}

impl PageArgs {
    /// The same page, of which nobody looks at the rows.
    pub fn only_total(self) -> Self {
        Self {
            only_total: true,
            ..self
        }
    }
}

impl Default for PageArgs {
    fn default() -> Self {
        Self {
            limit: DEFAULT_PAGE,
            after: None,
            before: None,
            backward: false,
            with_total: false,
            only_total: false,
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows, ascending, each with its cursor (an id).
    pub items: Vec<(String, T)>,
    /// Whether there are rows before these.
    pub has_previous: bool,
    /// Whether there are rows after these.
    pub has_next: bool,
    /// How many rows the whole list has, if that was asked.
    pub total: Option<u64>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            has_previous: false,
            has_next: false,
            total: None,
        }
    }
}

impl<T> Page<T> {
    /// The same page with each row turned into something else, or left out if there is nothing to turn it into.
    pub(crate) fn filter_map<U>(self, mut into: impl FnMut(T) -> Option<U>) -> Page<U> {
        Page {
            items: self
                .items
                .into_iter()
                .filter_map(|(cursor, item)| Some((cursor, into(item)?)))
                .collect(),
            has_previous: self.has_previous,
            has_next: self.has_next,
            total: self.total,
        }
    }

    /// The same page with each row turned into something else.
    pub fn map<U>(self, mut into: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self
                .items
                .into_iter()
                .map(|(cursor, item)| (cursor, into(item)))
                .collect(),
            has_previous: self.has_previous,
            has_next: self.has_next,
            total: self.total,
        }
    }
}

/// A page for each parent; a parent without rows has an empty page.
pub type Pages<P, T> = HashMap<P, Page<T>>;

/// Makes sure that each parent has a page.
pub(crate) fn complete<P: Hash + Eq + Clone, T>(
    pages: &mut Pages<P, T>,
    parents: impl IntoIterator<Item = P>,
    with_total: bool,
) {
    for parent in parents {
        let page = pages.entry(parent).or_default();
        if with_total && page.total.is_none() {
            page.total = Some(0);
        }
    }
}
