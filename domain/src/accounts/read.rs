//! Reading accounts within the actor's scope, many at a time: one statement, whatever their number.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use canopy_entity::{AccountId, AccountPath, Level, PermissionKey, Scope, account};

use super::{AccountView, Standing, row};
use crate::page::{Pages, PreparedLists, Shape};
use crate::permissions::{Access, Restrictions};
use crate::store::{Given, Query, Row};
use crate::{Actor, Domain, Error, Page, PageArgs, Result, Sealed};

/// Accounts by their ids, in a scope, each with what [`Standing::told`] reads.
static BY_ID: LazyLock<Query> = LazyLock::new(|| {
    Query::new(&format!(
        "SELECT {columns}, (
           SELECT string_agg(b.id || ' ' || b.kind || ' ' || b.status || ' ' || b.restrictions, ';')
           FROM accounts b WHERE [b.id ON r.path])
         FROM accounts r WHERE r.id IN [$1] AND [r.path WITHIN $2 $3]",
        columns = row::columns("r")
    ))
});

/// The children of accounts.
static CHILDREN: LazyLock<PreparedLists> = LazyLock::new(|| {
    PreparedLists::new(Shape {
        table: "accounts",
        parent: "parent_id",
        condition: "accounts.status <> 'CLOSED'",
        total: "subaccount_count",
        columns: row::columns("page"),
        joined: "",
    })
});

/// An account below one that is not known to be the actor's to see.
pub struct Child {
    account: account::Model,
    restrictions: Restrictions,
}

impl Domain {
    /// The accounts with these ids, as far as they are in scope; the others are left out.
    pub async fn accounts(
        &self,
        actor: &Actor,
        ids: &[AccountId],
    ) -> Result<HashMap<AccountId, AccountView>> {
        let distinct: HashSet<&str> = ids.iter().map(AccountId::as_str).collect();
        let ids: Vec<&str> = distinct.into_iter().collect();
        Ok(by_id(self.accounts_in(actor, actor.scope(), &ids).await?))
    }

    /// The accounts with these ids in `scope`, as the actor may see them. One that no grant reaches is left out.
    pub(crate) async fn accounts_in(
        &self,
        actor: &Actor,
        scope: &Scope,
        ids: &[&str],
    ) -> Result<Vec<AccountView>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let lows: Vec<&str> = scope.roots().iter().map(AccountPath::as_str).collect();
        let highs: Vec<String> = scope.roots().iter().map(AccountPath::end).collect();
        let highs: Vec<&str> = highs.iter().map(String::as_str).collect();
        let given = [Given::Texts(ids), Given::Texts(&lows), Given::Texts(&highs)];
        let mut views = Vec::with_capacity(ids.len());
        for row in self.rows(&BY_ID, &given).await? {
            let account = row::read(&row, 0)?;
            let standing = Standing::told(&account.path, &row.text(row::WIDTH)?)?;
            views.extend(view(actor, account, standing));
        }
        Ok(views)
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
        let may_read =
            |parent: &&AccountView| parent.access().allows(PermissionKey::Subaccounts, Level::Read);
        let ids = parents.iter().filter(may_read).map(|parent| parent.id().clone());
        let children = self.subaccounts_sealed(&ids.collect::<Vec<_>>(), page).await?;
        Ok(open_subaccounts(actor, parents, children))
    }

    /// The same for whoever may see the parents.
    pub async fn subaccounts_sealed(
        &self,
        parents: &[AccountId],
        page: &PageArgs,
    ) -> Result<Sealed<Page<Child>>> {
        let child = |row: &Row, at: usize| {
            let account = row::read(row, at)?;
            let restrictions = Restrictions::parse(&account.restrictions)?;
            Ok(Child {
                account,
                restrictions,
            })
        };
        let pages = CHILDREN.pages(self, parents, page, child).await?;
        Ok(Sealed::new(PermissionKey::Subaccounts, pages))
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
}

/// The children of these parents, as the actor may see them.
pub fn open_subaccounts(
    actor: &Actor,
    parents: &[AccountView],
    children: Sealed<Page<Child>>,
) -> Pages<AccountId, AccountView> {
    let above: HashMap<&AccountId, &Arc<Standing>> = parents
        .iter()
        .map(|parent| (parent.id(), parent.access().standing()))
        .collect();
    let views = children.open(parents).into_iter().filter_map(|(id, page)| {
        let above = above.get(&id)?;
        let page = page.filter_map(|child| {
            let (account, above) = (child.account, Some(Arc::clone(above)));
            let standing = Standing::new(above, account.kind, account.status, child.restrictions);
            view(actor, account, Arc::new(standing))
        });
        Some((id, page))
    });
    views.collect()
}

/// The account as the actor may see it; none if no grant reaches it.
pub(super) fn view(
    actor: &Actor,
    account: impl Into<Arc<account::Model>>,
    standing: Arc<Standing>,
) -> Option<AccountView> {
    let account = account.into();
    let access = Access::new(actor.shared_grants(), account.path.clone(), standing)?;
    Some(AccountView::new(account, access))
}

fn by_id(views: Vec<AccountView>) -> HashMap<AccountId, AccountView> {
    views.into_iter().map(|view| (view.id().clone(), view)).collect()
}
