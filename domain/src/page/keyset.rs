//! One page per parent in one statement, whatever the number of parents, and one more if the lists are counted.
//!
//! Each parent's page is a limited walk along the index on (parent, id), so a page costs what it holds and not what
//! the list holds. PostgreSQL does it by a LATERAL join; SQLite has none and gets a correlated subquery. The ids of
//! the parents are one JSON parameter, so the text of a statement, and with it its prepared plan, is always the same.

use std::collections::HashMap;
use std::hash::Hash;

use sea_orm::sea_query::{
    Asterisk, Condition, Expr, ExprTrait, Func, FunctionCall, JoinType, Order, Query, SelectStatement,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, ModelTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Value,
};

use super::{Page, PageArgs, Pages, complete};
use crate::Result;

/// The lists of a table: one per parent, ordered by id.
pub(crate) struct List<E: EntityTrait> {
    /// The column with the parent's id.
    pub(crate) parent: E::Column,
    /// The column that orders the rows and makes their cursors: a text id.
    pub(crate) id: E::Column,
    /// What else must hold for a row to be in its list.
    pub(crate) condition: Condition,
}

/// The table name that stands for the parents' ids, and its one column on both databases.
const PARENTS: &str = "parents";
const PARENT_ID: &str = "value";
const PAGE: &str = "page";

impl<E: EntityTrait> List<E> {
    /// The page of each of `parents`; a parent without rows has an empty page.
    pub(crate) async fn pages<P>(
        &self,
        db: &impl ConnectionTrait,
        parents: &[P],
        args: &PageArgs,
    ) -> Result<Pages<P, E::Model>>
    where
        P: Clone + Eq + Hash + ToString,
    {
        let by_text: HashMap<String, P> = parents.iter().map(|id| (id.to_string(), id.clone())).collect();
        let mut pages = Pages::new();
        if by_text.is_empty() {
            return Ok(pages);
        }
        let mut ids: Vec<&String> = by_text.keys().collect();
        ids.sort();
        let ids = serde_json::json!(ids);

        let backend = db.get_database_backend();
        let statement = backend.build(&self.rows(backend, ids.clone(), args));
        let mut rows: HashMap<P, Vec<(String, E::Model)>> = HashMap::new();
        for row in E::Model::find_by_statement(statement).all(db).await? {
            let (Some(parent), Some(cursor)) = (text(row.get(self.parent)), text(row.get(self.id))) else {
                continue;
            };
            if let Some(parent) = by_text.get(&parent) {
                rows.entry(parent.clone()).or_default().push((cursor, row));
            }
        }
        for (parent, rows) in rows {
            pages.insert(parent, cut(rows, args));
        }
        if args.with_total {
            for row in self.totals(db, ids).await? {
                if let Some(parent) = by_text.get(&row.parent) {
                    pages.entry(parent.clone()).or_default().total = u64::try_from(row.total).ok();
                }
            }
        }
        complete(&mut pages, parents.iter().cloned(), args.with_total);
        Ok(pages)
    }

    /// The rows of all pages, each page with one row more than asked, which tells whether there are more.
    fn rows(&self, backend: DbBackend, parents: serde_json::Value, args: &PageArgs) -> SelectStatement {
        let order = if args.backward { Order::Desc } else { Order::Asc };
        let of_one_parent = E::find()
            .filter(self.of_the_parent())
            .filter(self.condition.clone())
            .filter(
                Condition::all()
                    .add_option(
                        args.after
                            .as_ref()
                            .map(|after| self.id.into_expr().gt(after.as_str())),
                    )
                    .add_option(
                        args.before
                            .as_ref()
                            .map(|before| self.id.into_expr().lt(before.as_str())),
                    ),
            )
            .order_by(self.id, order)
            .limit(u64::from(args.limit) + 1);

        let mut statement = Query::select();
        statement.column((PAGE, Asterisk));
        statement.from_function(parents_table(backend, parents), PARENTS);
        if backend == DbBackend::Sqlite {
            let ids = of_one_parent.select_only().column(self.id).into_query();
            statement
                .join_as(
                    JoinType::CrossJoin,
                    E::default().table_ref(),
                    PAGE,
                    Condition::all(),
                )
                .and_where(Expr::col((PAGE, self.id)).in_subquery(ids));
        } else {
            statement.join_lateral(
                JoinType::InnerJoin,
                of_one_parent.into_query(),
                PAGE,
                Expr::val(true),
            );
        }
        statement
    }

    /// How many rows each list has.
    async fn totals(&self, db: &impl ConnectionTrait, parents: serde_json::Value) -> Result<Vec<Total>> {
        let backend = db.get_database_backend();
        // A count per parent, rather than a grouping: each is then a walk along the index, on any planner.
        let of_one_parent = E::find()
            .select_only()
            .expr(Expr::col(Asterisk).count())
            .filter(self.of_the_parent())
            .filter(self.condition.clone())
            .into_query();
        let mut statement = Query::select();
        statement
            .expr_as(Expr::col(parent_id()), "parent")
            .expr_as(Expr::SubQuery(None, Box::new(of_one_parent.into())), "total")
            .from_function(parents_table(backend, parents), PARENTS);
        Ok(Total::find_by_statement(backend.build(&statement))
            .all(db)
            .await?)
    }

    fn of_the_parent(&self) -> Expr {
        Expr::col(parent_id()).eq(self.parent.into_expr())
    }
}

/// A row of the counting statement.
#[derive(FromQueryResult)]
struct Total {
    parent: String,
    total: i64,
}

fn parent_id() -> (&'static str, &'static str) {
    (PARENTS, PARENT_ID)
}

/// A table of the ids in a JSON array.
fn parents_table(backend: DbBackend, ids: serde_json::Value) -> FunctionCall {
    let function = match backend {
        DbBackend::Sqlite => "json_each",
        _ => "jsonb_array_elements_text",
    };
    Func::cust(function).arg(Expr::val(ids))
}

/// A page of a list that is wholly in memory.
pub(crate) fn cut_from<T>(mut rows: Vec<(String, T)>, args: &PageArgs) -> Page<T> {
    rows.retain(|(id, _)| {
        args.after.as_ref().is_none_or(|after| id > after)
            && args.before.as_ref().is_none_or(|before| id < before)
    });
    cut(rows, args)
}

/// Makes a page of the rows that were read: ascending, without the extra row.
pub(super) fn cut<T>(mut rows: Vec<(String, T)>, args: &PageArgs) -> Page<T> {
    rows.sort_by(|(left, _), (right, _)| left.cmp(right));
    let limit = args.limit as usize;
    let more = rows.len() > limit;
    if args.backward {
        rows.drain(..rows.len().saturating_sub(limit));
    } else {
        rows.truncate(limit);
    }
    // A cursor is the id of a row that was shown, so there is a row on its side of the page.
    let (has_previous, has_next) = if args.backward {
        (more || args.after.is_some(), args.before.is_some())
    } else {
        (args.after.is_some(), more || args.before.is_some())
    };
    Page {
        items: rows,
        has_previous,
        has_next,
        total: None,
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => text,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use canopy_entity::{AccountId, account};
    use sea_orm::{ConnectionTrait, Statement};

    use super::*;
    use crate::testing::TestDatabase;

    fn children() -> List<account::Entity> {
        List {
            parent: account::Column::ParentId,
            id: account::Column::Id,
            condition: Condition::all().add(account::Column::Status.ne(account::AccountStatus::Closed)),
        }
    }

    fn ids<T>(page: &Page<T>) -> Vec<&str> {
        page.items.iter().map(|(cursor, _)| cursor.as_str()).collect()
    }

    #[tokio::test]
    async fn each_parent_gets_its_own_page_and_total() {
        let database = TestDatabase::new().await;
        let plan = database.plan(serde_json::json!({})).await;
        let top = database.account(None, &plan).await;
        let mut parents = Vec::new();
        let mut below = Vec::new();
        for children in [5, 2, 0] {
            let parent = database.account(Some(&top), &plan).await;
            let mut ids = Vec::new();
            for _ in 0..children {
                ids.push(database.account(Some(&parent), &plan).await.id.to_string());
            }
            parents.push(parent.id);
            below.push(ids);
        }

        let mut args = PageArgs {
            limit: 3,
            with_total: true,
            ..PageArgs::default()
        };
        let pages = children().pages(&database.db, &parents, &args).await.unwrap();
        let first = &pages[&parents[0]];
        assert_eq!(ids(first), below[0][..3]);
        assert_eq!(
            (first.has_previous, first.has_next, first.total),
            (false, true, Some(5))
        );
        let second = &pages[&parents[1]];
        assert_eq!(ids(second), below[1][..]);
        assert_eq!((second.has_next, second.total), (false, Some(2)));
        assert_eq!(pages[&parents[2]].total, Some(0));

        args.after = Some(below[0][2].clone());
        let pages = children()
            .pages(&database.db, &parents[..1], &args)
            .await
            .unwrap();
        let first = &pages[&parents[0]];
        assert_eq!(ids(first), below[0][3..]);
        assert_eq!((first.has_previous, first.has_next), (true, false));

        args = PageArgs::new(None, None, Some(2), Some(below[0][4].clone()), false).unwrap();
        let pages = children()
            .pages(&database.db, &parents[..1], &args)
            .await
            .unwrap();
        let first = &pages[&parents[0]];
        assert_eq!(ids(first), below[0][2..4]);
        assert_eq!((first.has_previous, first.has_next), (true, true));
        assert_eq!(pages.len(), 1);

        let none: [AccountId; 0] = [];
        assert!(
            children()
                .pages(&database.db, &none, &args)
                .await
                .unwrap()
                .is_empty()
        );
    }

    #[tokio::test]
    async fn a_page_walks_the_index_of_its_list() {
        let database = TestDatabase::new().await;
        let backend = database.db.get_database_backend();
        let statement = backend.build(&children().rows(
            backend,
            serde_json::json!(["acc_a", "acc_b"]),
            &PageArgs::default(),
        ));
        let explain = match backend {
            DbBackend::Sqlite => "EXPLAIN QUERY PLAN",
            _ => "EXPLAIN",
        };
        let plan = Statement::from_string(backend, format!("{explain} {statement}"));
        if backend == DbBackend::Postgres {
            database
                .db
                .execute_unprepared("SET enable_seqscan = off")
                .await
                .unwrap();
        }
        let lines: Vec<String> = database
            .db
            .query_all_raw(plan)
            .await
            .unwrap()
            .iter()
            .map(|row| {
                row.try_get_by_index(if backend == DbBackend::Sqlite { 3 } else { 0 })
                    .unwrap()
            })
            .collect();
        let plan = lines.join("\n");
        assert!(plan.contains("accounts_children"), "{plan}");
        assert!(
            !plan.contains("SCAN accounts") && !plan.contains("Seq Scan on accounts"),
            "{plan}"
        );
    }
}
