//! Reading accounts within the actor's scope, many at a time.
//!
//! Each read is two statements, whatever the number of accounts: the rows, and what stands on their paths.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use canopy_entity::account::{AccountKind, AccountStatus};
use canopy_entity::{AccountId, AccountPath, Level, PermissionKey, account};
use sea_orm::sea_query::Condition;
use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter};

use super::AccountView;
use super::view::Standing;
use crate::page::{List, Pages, complete};
use crate::permissions::{Access, Restrictions};
use crate::statement::{list, statement};
use crate::{Actor, Domain, Error, PageArgs, Result};

/// Kind and status of each account on a path, and its restrictions: a row for each.
const ON_THE_PATHS: &str = "
SELECT a.id, a.kind, a.status, p.key, p.level
FROM accounts a LEFT JOIN permission_levels p ON p.account_id = a.id
WHERE a.id IN [$1]
";

#[derive(FromQueryResult)]
struct OnThePath {
    id: AccountId,
    kind: AccountKind,
    status: AccountStatus,
    key: Option<PermissionKey>,
    level: Option<Level>,
}

impl Domain {
    /// The accounts with these ids, as far as they are in scope; the others are left out.
    pub async fn accounts(
        &self,
        actor: &Actor,
        ids: &[AccountId],
    ) -> Result<HashMap<AccountId, AccountView>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = actor
            .scope()
            .accounts()
            .filter(account::Column::Id.is_in(ids.iter().collect::<HashSet<_>>().into_iter().cloned()))
            .all(&self.0.db)
            .await?;
        Ok(by_id(self.views(actor, rows).await?))
    }

    /// One account; `Error::NotFound("account")` if it is unknown or out of scope.
    pub async fn account(&self, actor: &Actor, id: &AccountId) -> Result<AccountView> {
        self.accounts(actor, std::slice::from_ref(id))
            .await?
            .remove(id)
            .ok_or(Error::NotFound("account"))
    }

    /// A page of the direct children of each parent. Closed ones are left out. Needs `SUBACCOUNTS` READ at each
    /// parent: a parent without it is missing from the answer.
    pub async fn subaccounts(
        &self,
        actor: &Actor,
        parents: &[AccountView],
        page: &PageArgs,
    ) -> Result<Pages<AccountId, AccountView>> {
        let parents: Vec<AccountId> = parents
            .iter()
            .filter(|parent| parent.access().allows(PermissionKey::Subaccounts, Level::Read))
            .map(|parent| parent.id().clone())
            .collect();
        let children = List::<account::Entity> {
            parent: account::Column::ParentId,
            id: account::Column::Id,
            condition: Condition::all()
                .add(actor.scope().condition(account::Column::Path.into_expr()))
                .add(account::Column::Status.ne(AccountStatus::Closed)),
        };
        let rows = children.pages(&self.0.db, &parents, page).await?;
        let all = rows
            .values()
            .flat_map(|page| page.items.iter().map(|(_, row)| row.clone()))
            .collect();
        let views = by_id(self.views(actor, all).await?);
        let mut pages: Pages<AccountId, AccountView> = rows
            .into_iter()
            .map(|(parent, page)| (parent, page.filter_map(|row| views.get(&row.id).cloned())))
            .collect();
        complete(&mut pages, parents, page.with_total);
        Ok(pages)
    }

    /// The ancestors of each account that are in scope, from the topmost down.
    pub async fn ancestors(
        &self,
        actor: &Actor,
        accounts: &[AccountView],
    ) -> Result<HashMap<AccountId, Vec<AccountView>>> {
        let above = |account: &AccountView| -> Vec<AccountId> {
            let mut ids = account.path().ids();
            ids.pop();
            ids
        };
        let ids: HashSet<AccountId> = accounts.iter().flat_map(above).collect();
        let views = self.accounts(actor, &ids.into_iter().collect::<Vec<_>>()).await?;
        Ok(accounts
            .iter()
            .map(|account| {
                let ancestors = above(account)
                    .into_iter()
                    .filter_map(|id| views.get(&id).cloned());
                (account.id().clone(), ancestors.collect())
            })
            .collect())
    }

    /// What the actor may do in accounts that were read within its reach. A row that no grant reaches is left out.
    pub(crate) async fn views(&self, actor: &Actor, rows: Vec<account::Model>) -> Result<Vec<AccountView>> {
        let ids: HashSet<AccountId> = rows.iter().flat_map(|row| row.path.ids()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let db = &self.0.db;
        let on_the_paths = statement(db.get_database_backend(), ON_THE_PATHS, [list(&ids)]);
        let mut facts = HashMap::with_capacity(ids.len());
        let mut restrictions = Restrictions::default();
        for row in OnThePath::find_by_statement(on_the_paths).all(db).await? {
            if let (Some(key), Some(level)) = (row.key, row.level) {
                restrictions.add(&row.id, key, level);
            }
            facts.insert(row.id, (row.kind, row.status));
        }
        let (grants, restrictions) = (actor.shared_grants(), Arc::new(restrictions));
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let standing = standing(&row.path, &facts);
                let access = Access::new(Arc::clone(&grants), row.path.clone(), Arc::clone(&restrictions))?;
                Some(AccountView::new(row, access, standing))
            })
            .collect())
    }
}

/// What an account has from its path, whose accounts' kind and status are in `facts`.
fn standing(path: &AccountPath, facts: &HashMap<AccountId, (AccountKind, AccountStatus)>) -> Standing {
    let mut standing = Standing {
        status: AccountStatus::Active,
        level: 0,
    };
    for id in path.ids() {
        // An account is never deleted, so one that is missing was made after the statement: it cannot be on a path
        // that was read before.
        let Some((kind, status)) = facts.get(&id) else {
            continue;
        };
        standing.level = match kind {
            AccountKind::Platform | AccountKind::Main => 0,
            AccountKind::Subaccount => standing.level + 1,
        };
        standing.status = match (standing.status, status) {
            (AccountStatus::Closed, _) | (_, AccountStatus::Closed) => AccountStatus::Closed,
            (AccountStatus::Suspended, _) | (_, AccountStatus::Suspended) => AccountStatus::Suspended,
            (AccountStatus::Active, AccountStatus::Active) => AccountStatus::Active,
        };
    }
    standing
}

fn by_id(views: Vec<AccountView>) -> HashMap<AccountId, AccountView> {
    views.into_iter().map(|view| (view.id().clone(), view)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_level_come_from_the_whole_path() {
        let ids: Vec<AccountId> = (0..4).map(|_| AccountId::new()).collect();
        let path = ids[1..]
            .iter()
            .fold(AccountPath::root(&ids[0]), |path, id| path.child(id));
        let kinds = [
            AccountKind::Platform,
            AccountKind::Main,
            AccountKind::Subaccount,
            AccountKind::Subaccount,
        ];
        let facts = |statuses: [AccountStatus; 4]| -> HashMap<_, _> {
            let facts = kinds.into_iter().zip(statuses);
            ids.iter().cloned().zip(facts).collect()
        };
        use AccountStatus::{Active, Closed, Suspended};
        for (statuses, status) in [
            ([Active, Active, Active, Active], Active),
            ([Active, Suspended, Active, Active], Suspended),
            ([Active, Closed, Suspended, Active], Closed),
            ([Active, Active, Active, Suspended], Suspended),
        ] {
            assert_eq!(standing(&path, &facts(statuses)), Standing { status, level: 2 });
        }
    }
}
