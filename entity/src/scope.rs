//! Which part of which trees may be read: a list of subtrees, turned into a predicate.
//!
//! A tenant's rows are read through [`Scope::accounts`] or narrowed by [`Scope::condition`]; a bare
//! `account::Entity::find()` would read everybody's.

use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, SimpleExpr};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use crate::{AccountPath, account};

/// The subtrees that somebody may read. Made by the domain's authentication; an empty scope reads nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    roots: Vec<AccountPath>,
}

impl Scope {
    /// The scope of the subtrees below and including `roots`; those inside another one are left out.
    pub fn new(mut roots: Vec<AccountPath>) -> Self {
        roots.sort();
        roots.dedup();
        let mut outermost: Vec<AccountPath> = Vec::with_capacity(roots.len());
        for path in roots {
            if !outermost.last().is_some_and(|last| last.contains(&path)) {
                outermost.push(path);
            }
        }
        Self { roots: outermost }
    }

    /// The tops of the subtrees.
    pub fn roots(&self) -> &[AccountPath] {
        &self.roots
    }

    /// True if the account at `path` may be read.
    pub fn covers(&self, path: &AccountPath) -> bool {
        self.roots.iter().any(|root| root.contains(path))
    }

    /// The accounts of the scope, to be narrowed further.
    pub fn accounts(&self) -> Select<account::Entity> {
        account::Entity::find().filter(self.condition(account::Column::Path.into_expr()))
    }

    /// The predicate that `path` (a column that holds an account's path) lies in the scope.
    pub fn condition(&self, path: impl Into<SimpleExpr>) -> Condition {
        let path = path.into();
        // `any` of nothing would be no condition at all, so an empty scope says false in so many words.
        let nothing = Condition::any().add(Expr::val(1).eq(0));
        self.roots.iter().fold(nothing, |any, root| {
            any.add(
                Condition::all()
                    .add(path.clone().gte(root.as_str()))
                    .add(path.clone().lt(root.end())),
            )
        })
    }

    /// The same predicate for a table that stands in the statement under the name `alias`.
    pub fn condition_on(&self, alias: &str) -> Condition {
        self.condition(Expr::col((Alias::new(alias), account::Column::Path)))
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{DbBackend, QueryTrait};

    use super::*;
    use crate::AccountId;

    #[test]
    fn nested_roots_collapse_into_the_outermost() {
        let top = AccountPath::root(&AccountId::new());
        let below = top.child(&AccountId::new());
        let scope = Scope::new(vec![below.clone(), top.clone(), below.clone()]);
        assert_eq!(scope.roots(), std::slice::from_ref(&top));
        assert!(scope.covers(&below));
        assert!(!Scope::new(vec![below]).covers(&top));
    }

    #[test]
    fn an_empty_scope_reads_nothing() {
        let sql = Scope::default().accounts().build(DbBackend::Sqlite).to_string();
        assert!(sql.ends_with("WHERE 1 = 0"), "{sql}");
    }
}
