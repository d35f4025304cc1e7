//! People and their memberships.

mod add;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, Level, MemberId, PermissionKey, Role, UserId, member, user};
use sea_orm::sea_query::Condition;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::page::{List, Pages, PreparedLists, Shape};
use crate::store::Row;
use crate::{AccountView, Actor, Domain, Page, PageArgs, Principal, Result, Sealed};

/// A membership with its person.
#[derive(Debug, Clone)]
pub struct MemberView {
    /// The membership.
    pub member: member::Model,
    /// The person.
    pub user: Person,
}

/// A person, as others may know them.
#[derive(Debug, Clone)]
pub struct Person {
    /// The id.
    pub id: UserId,
    /// The address, in lower case; the login.
    pub email: String,
    /// What people call them.
    pub name: String,
    /// When they last signed in.
    pub last_sign_in_at: Option<Timestamp>,
}

impl From<user::Model> for Person {
    fn from(row: user::Model) -> Self {
        Self {
            id: row.id,
            email: row.email,
            name: row.name,
            last_sign_in_at: row.last_sign_in_at,
        }
    }
}

/// The members of accounts, each with the person.
static MEMBERS: LazyLock<PreparedLists> = LazyLock::new(|| {
    PreparedLists::new(Shape {
        table: "members",
        parent: "account_id",
        condition: "true",
        total: "member_count",
        columns: "page.id, page.account_id, page.user_id, page.role, page.created_at, u.email, u.name, u.last_sign_in_at"
            .to_owned(),
        joined: "JOIN users u ON u.id = page.user_id",
    })
});

fn read(row: &Row, at: usize) -> Result<MemberView> {
    Ok(MemberView {
        member: member::Model {
            id: row.parsed(at)?,
            account_id: row.parsed(at + 1)?,
            user_id: row.parsed(at + 2)?,
            role: row.named(at + 3)?,
            created_at: row.time(at + 4)?,
        },
        user: Person {
            id: row.parsed(at + 2)?,
            email: row.text(at + 5)?.into_owned(),
            name: row.text(at + 6)?.into_owned(),
            last_sign_in_at: row.value(at + 7)?,
        },
    })
}

/// An account that the actor may switch to, and as what.
#[derive(Debug, Clone)]
pub struct AccessibleAccount {
    /// The account.
    pub account: AccountView,
    /// What the actor is there; none for an API key.
    pub role: Option<Role>,
}

impl Domain {
    /// A page of the members of each account. An account without `MEMBERS` READ is missing from the answer.
    pub async fn members(
        &self,
        _actor: &Actor,
        accounts: &[AccountView],
        page: &PageArgs,
    ) -> Result<Pages<AccountId, MemberView>> {
        let accounts: Vec<AccountId> = accounts
            .iter()
            .filter(|account| account.access().allows(PermissionKey::Members, Level::Read))
            .map(|account| account.id().clone())
            .collect();
        MEMBERS.pages(self, &accounts, page, read).await
    }

    /// The same for whoever may see these accounts.
    pub async fn members_sealed(
        &self,
        accounts: &[AccountId],
        page: &PageArgs,
    ) -> Result<Sealed<Page<MemberView>>> {
        let pages = MEMBERS.pages(self, accounts, page, read).await?;
        Ok(Sealed::new(PermissionKey::Members, pages))
    }

    /// The memberships with these ids in accounts where the actor has `MEMBERS` READ; the others are left out.
    pub async fn members_by_id(
        &self,
        actor: &Actor,
        ids: &[MemberId],
    ) -> Result<HashMap<MemberId, MemberView>> {
        let rows = member::Entity::find()
            .filter(member::Column::Id.is_in(ids.iter().cloned()))
            .all(&self.0.db)
            .await?;
        let accounts: Vec<AccountId> = rows.iter().map(|member| member.account_id.clone()).collect();
        let mut accounts = self.accounts(actor, &accounts).await?;
        accounts.retain(|_, account| account.access().allows(PermissionKey::Members, Level::Read));
        let visible = || {
            rows.iter()
                .filter(|member| accounts.contains_key(&member.account_id))
        };
        let people = self
            .people(visible().map(|member| member.user_id.clone()).collect())
            .await?;
        let views = visible().filter_map(|member| {
            let user = people.get(&member.user_id).cloned()?;
            Some((
                member.id.clone(),
                MemberView {
                    member: member.clone(),
                    user,
                },
            ))
        });
        Ok(views.collect())
    }

    /// The accounts that the actor was granted directly, which one may switch to: one page for the actor.
    pub async fn accessible_accounts(
        &self,
        actor: &Actor,
        page: &PageArgs,
    ) -> Result<crate::Page<AccessibleAccount>> {
        let granted: HashSet<AccountId> = actor
            .grants()
            .iter()
            .map(|grant| grant.account_id.clone())
            .collect();
        let accounts = self.granted_accounts(actor, &granted).await?;
        let Principal::User(user_id) = actor.principal() else {
            return Ok(of_grants(accounts, page));
        };
        let memberships = List::<member::Entity> {
            parent: member::Column::UserId,
            id: member::Column::Id,
            condition: Condition::all().add(member::Column::AccountId.is_in(granted)),
        };
        let page = memberships
            .pages(&self.0.db, std::slice::from_ref(user_id), page)
            .await?
            .remove(user_id)
            .unwrap_or_default();
        Ok(page.filter_map(|member| {
            Some(AccessibleAccount {
                account: accounts.get(&member.account_id).cloned()?,
                role: Some(member.role),
            })
        }))
    }

    /// The person behind the actor; none for an API key.
    pub async fn current_user(&self, actor: &Actor) -> Result<Option<Person>> {
        match actor.principal() {
            Principal::User(id) => {
                let row = user::Entity::find_by_id(id.clone()).one(&self.0.db).await?;
                Ok(row.map(Person::from))
            }
            Principal::ApiKey(_) | Principal::System => Ok(None),
        }
    }

    /// The granted accounts, whichever of them is acted on: one switches from each to each.
    async fn granted_accounts(
        &self,
        actor: &Actor,
        ids: &HashSet<AccountId>,
    ) -> Result<HashMap<AccountId, AccountView>> {
        let ids: Vec<&str> = ids.iter().map(AccountId::as_str).collect();
        let views = self.accounts_in(actor, &actor.reach(), &ids).await?;
        Ok(views.into_iter().map(|view| (view.id().clone(), view)).collect())
    }

    async fn people(&self, ids: HashSet<UserId>) -> Result<HashMap<UserId, Person>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let people = user::Entity::find()
            .filter(user::Column::Id.is_in(ids))
            .all(&self.0.db)
            .await?;
        Ok(people
            .into_iter()
            .map(|user| (user.id.clone(), user.into()))
            .collect())
    }
}

/// The page of an actor without memberships; an API key has one account.
fn of_grants(accounts: HashMap<AccountId, AccountView>, args: &PageArgs) -> crate::Page<AccessibleAccount> {
    let total = accounts.len() as u64;
    let rows = accounts
        .into_iter()
        .map(|(id, account)| (id.to_string(), AccessibleAccount { account, role: None }))
        .collect();
    let mut page = crate::page::cut_from(rows, args);
    page.total = args.with_total.then_some(total);
    page
}
