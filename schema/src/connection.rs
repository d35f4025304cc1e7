//! Relay's connections, once for all lists: edges, nodes, page information and a total that is counted if
//! asked for.

use std::borrow::Cow;

use async_graphql::{Context, Object, OutputType, SimpleObject, TypeName};
use canopy_domain::{Error, Page, PageArgs, Result};

use crate::cursor;
use crate::scalars::int;

/// A kind of list: what its rows are in the domain and in GraphQL.
pub(crate) trait List: Send + Sync + 'static {
    /// What the names of the connection and the edge begin with.
    const NAME: &'static str;
    /// A row as the domain gives it.
    type Row: Clone + Send + Sync;
    /// A row as a GraphQL object.
    type Node: OutputType;
    /// A row with its cursor; [`Edge`] unless there is more to say about the row's place in the list.
    type Edge: OutputType;

    /// Wraps a row.
    fn node(row: Self::Row) -> Self::Node;

    /// Wraps a row with its cursor.
    fn edge(cursor: String, row: Self::Row) -> Self::Edge;
}

/// A page of a list.
pub(crate) struct Connection<L: List>(Page<L::Row>);

impl<L: List> From<Page<L::Row>> for Connection<L> {
    fn from(page: Page<L::Row>) -> Self {
        Self(page)
    }
}

impl<L: List> TypeName for Connection<L> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", L::NAME).into()
    }
}

/// A page of a list, in the list's own order.
#[Object(name_type)]
impl<L: List> Connection<L> {
    /// The rows of the page, each with its cursor.
    async fn edges(&self) -> Vec<L::Edge> {
        let rows = self.0.items.iter();
        rows.map(|(id, row)| L::edge(cursor::encode(id), row.clone()))
            .collect()
    }

    /// The rows of the page, without cursors.
    async fn nodes(&self) -> Vec<L::Node> {
        self.0.items.iter().map(|(_, row)| L::node(row.clone())).collect()
    }

    /// Where the page stands in the list.
    async fn page_info(&self) -> PageInfo {
        let cursor = |row: Option<&(String, L::Row)>| row.map(|(id, _)| cursor::encode(id));
        PageInfo {
            has_next_page: self.0.has_next,
            has_previous_page: self.0.has_previous,
            start_cursor: cursor(self.0.items.first()),
            end_cursor: cursor(self.0.items.last()),
        }
    }

    /// The number of rows of the whole list. It is counted only if this field is selected.
    async fn total_count(&self) -> Result<i32> {
        self.0
            .total
            .map(int)
            .ok_or_else(|| Error::internal("totalCount is selected but was not counted"))
    }
}

/// Where a page stands in its list.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    /// True if there are rows after this page: ask for them with `after: endCursor`.
    has_next_page: bool,
    /// True if there are rows before this page: ask for them with `before: startCursor`.
    has_previous_page: bool,
    /// The cursor of the first row; null if the page is empty.
    start_cursor: Option<String>,
    /// The cursor of the last row; null if the page is empty.
    end_cursor: Option<String>,
}

/// A row of a list with its cursor.
pub(crate) struct Edge<L: List> {
    cursor: String,
    row: L::Row,
}

impl<L: List> Edge<L> {
    /// A row with its cursor.
    pub(crate) fn new(cursor: String, row: L::Row) -> Self {
        Self { cursor, row }
    }
}

impl<L: List> TypeName for Edge<L> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", L::NAME).into()
    }
}

/// A row of a list, with its cursor.
#[Object(name_type)]
impl<L: List> Edge<L> {
    /// The row's place in the list, opaque. Give it as `after` or `before` to go on from here.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The row.
    async fn node(&self) -> L::Node {
        L::node(self.row.clone())
    }
}

/// Reads the four arguments of a connection field, and whether its total is to be counted.
pub(crate) fn page(
    ctx: &Context<'_>,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
) -> Result<PageArgs> {
    let selects = |field| ctx.look_ahead().field(field).exists();
    let args = page_args(
        first,
        after.as_deref(),
        last,
        before.as_deref(),
        selects("totalCount"),
    )?;
    let has_rows = ["edges", "nodes", "pageInfo"].into_iter().any(selects);
    Ok(if has_rows { args } else { args.only_total() })
}

/// The page that the four arguments of a connection field ask for.
pub(crate) fn page_args(
    first: Option<i32>,
    after: Option<&str>,
    last: Option<i32>,
    before: Option<&str>,
    counted: bool,
) -> Result<PageArgs> {
    let after = after.map(|given| cursor::decode(given, "after")).transpose()?;
    let before = before.map(|given| cursor::decode(given, "before")).transpose()?;
    PageArgs::new(first, after, last, before, counted)
}
