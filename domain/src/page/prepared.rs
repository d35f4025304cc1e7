//! The lists of an account that a nested read is made of: as those of [`keyset`](super::keyset), by statements that are
//! written once and whose rows need no model. Rows and totals are asked for at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::OnceLock;

use super::keyset::cut;
use super::{Page, PageArgs, Pages};
use crate::store::{Given, Query, Row};
use crate::{Domain, Result};

/// What the lists of a table are made of: one list per parent, ordered by the column `id`.
pub(crate) struct Shape {
    pub(crate) table: &'static str,
    /// The column with the parent's id.
    pub(crate) parent: &'static str,
    /// What must hold for a row to be in its list.
    pub(crate) condition: &'static str,
    /// The column in which the parent, an account, says how many rows its list has.
    pub(crate) total: &'static str,
    /// What is read of each row, which stands under the name `page`.
    pub(crate) columns: String,
    /// What else is read: tables joined to `page`.
    pub(crate) joined: &'static str,
}

/// Lists, with their statements: for each way of asking for a page one, made when it is first asked for.
pub(crate) struct PreparedLists {
    shape: Shape,
    pages: [OnceLock<Query>; 8],
    totals: OnceLock<Query>,
}

impl PreparedLists {
    /// Lists of this shape.
    pub(crate) fn new(shape: Shape) -> Self {
        Self {
            shape,
            pages: [const { OnceLock::new() }; 8],
            totals: OnceLock::new(),
        }
    }

    /// The page of each of `parents`, of rows that `read` reads from a place on; a parent without rows has an empty one.
    pub(crate) async fn pages<P, T>(
        &self,
        domain: &Domain,
        parents: &[P],
        args: &PageArgs,
        read: impl Fn(&Row, usize) -> Result<T>,
    ) -> Result<Pages<P, T>>
    where
        P: AsRef<str> + Clone + Eq + Hash,
    {
        let mut pages: HashMap<&str, Vec<(String, T)>> = parents
            .iter()
            .map(|parent| (parent.as_ref(), Vec::new()))
            .collect();
        let ids: Vec<&str> = pages.keys().copied().collect();
        let (rows, totals) =
            futures_util::try_join!(self.rows(domain, &ids, args), self.counts(domain, &ids, args))?;
        for row in &rows {
            if let Some(page) = pages.get_mut(&*row.text(0)?) {
                page.push((row.text(1)?.into_owned(), read(row, 2)?));
            }
        }
        let mut pages: HashMap<&str, Page<T>> = pages
            .into_iter()
            .map(|(parent, rows)| (parent, cut(rows, args)))
            .collect();
        for row in &totals {
            if let Some(page) = pages.get_mut(&*row.text(0)?) {
                page.total = Some(row.count(1)?);
            }
        }
        let page = |parent: &P| Some((parent.clone(), pages.remove(parent.as_ref())?));
        Ok(parents.iter().filter_map(page).collect())
    }

    async fn rows(&self, domain: &Domain, parents: &[&str], args: &PageArgs) -> Result<Vec<Row>> {
        if parents.is_empty() || args.only_total {
            return Ok(Vec::new());
        }
        let mut given = vec![Given::Texts(parents), Given::Number(i64::from(args.limit) + 1)];
        let bounds = [&args.after, &args.before].into_iter().flatten();
        given.extend(bounds.map(|bound| Given::Text(bound)));
        domain.rows(self.page(args), &given).await
    }

    async fn counts(&self, domain: &Domain, parents: &[&str], args: &PageArgs) -> Result<Vec<Row>> {
        if parents.is_empty() || !args.with_total {
            return Ok(Vec::new());
        }
        let totals = self.totals.get_or_init(|| self.shape.totals());
        domain.rows(totals, &[Given::Texts(parents)]).await
    }

    fn page(&self, args: &PageArgs) -> &Query {
        let ways = [args.after.is_some(), args.before.is_some(), args.backward];
        let way = ways.iter().fold(0, |way, yes| way * 2 + usize::from(*yes));
        self.pages[way].get_or_init(|| self.shape.page(args))
    }
}

impl Shape {
    /// The rows of all pages, each page with one row more than asked, which tells whether there are more.
    fn page(&self, args: &PageArgs) -> Query {
        let Self {
            table,
            parent,
            condition,
            columns,
            joined,
            ..
        } = self;
        let mut bounds = String::new();
        let mut place = 2;
        for (bound, sign) in [(&args.after, '>'), (&args.before, '<')] {
            if bound.is_some() {
                place += 1;
                bounds.push_str(&format!(" AND {table}.id {sign} ${place}"));
            }
        }
        let order = if args.backward { "DESC" } else { "ASC" };
        let list = format!(
            "FROM {table} WHERE {table}.{parent} = parents.value AND {condition}{bounds} ORDER BY {table}.id {order} LIMIT $2"
        );
        let read = format!("SELECT page.{parent}, page.id, {columns} FROM [$1] AS parents CROSS JOIN");
        Query::of(
            &format!("{read} LATERAL (SELECT {table}.* {list}) AS page {joined}"),
            &format!("{read} {table} AS page {joined} WHERE page.id IN (SELECT {table}.id {list})"),
        )
    }

    /// How many rows each list has.
    fn totals(&self) -> Query {
        let total = self.total;
        Query::new(&format!("SELECT id, {total} FROM accounts WHERE id IN [$1]"))
    }
}
