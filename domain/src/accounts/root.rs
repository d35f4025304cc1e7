//! Making platforms and main accounts: an operator's act.

use canopy_entity::account::{AccountKind, AccountStatus, BillingMode, CreditMode};
use canopy_entity::{AccountId, AccountPath, PlanId, account, plan, time};
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::json;

use super::create::time_zone;
use super::name::name;
use crate::transaction::{self, work};
use crate::usage::Zone;
use crate::{Domain, Error, Result, audit};

/// What a root or main account is made with, by an operator or the demo.
#[derive(Debug, Clone)]
pub struct NewRoot {
    /// The platform above; none for a platform or for a main account of its own.
    pub parent: Option<AccountId>,
    /// `Platform` or `Main`.
    pub kind: account::AccountKind,
    /// The name.
    pub name: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Its plan; required for a main account.
    pub plan_id: Option<PlanId>,
    /// Its time zone, by its name; the platform's if none, or UTC.
    pub time_zone: Option<String>,
}

impl Domain {
    /// Makes a platform or a main account. For operators: not reachable through GraphQL.
    pub async fn create_root(&self, new: NewRoot) -> Result<account::Model> {
        let name = name(&new.name)?;
        check(&new)?;
        if let Some(plan_id) = &new.plan_id {
            let plan = plan::Entity::find_by_id(plan_id.clone()).one(&self.0.db).await?;
            plan.ok_or(Error::NotFound("plan"))?;
        }
        let parent = match &new.parent {
            None => None,
            Some(id) => Some(self.platform(id).await?),
        };
        let time_zone = match (time_zone(new.time_zone.as_deref())?, &parent) {
            (Some(zone), _) => zone.name().to_owned(),
            (None, Some(parent)) => parent.time_zone.clone(),
            (None, None) => Zone::UTC.name().to_owned(),
        };
        let id = AccountId::new();
        let now = time::now();
        let row = &account::Model {
            path: parent
                .as_ref()
                .map_or_else(|| AccountPath::root(&id), |parent| parent.path.child(&id)),
            depth: parent.as_ref().map_or(0, |parent| parent.depth + 1),
            id,
            parent_id: new.parent,
            kind: new.kind,
            name,
            status: AccountStatus::Active,
            currency: new.currency,
            time_zone,
            plan_id: new.plan_id,
            plan_inherited: false,
            billing_mode: BillingMode::Own,
            credit_mode: CreditMode::Manual,
            external_ref: None,
            created_at: now,
            updated_at: now,
            restrictions: String::new(),
        };
        let actor = &self.system_actor(&row.id, &row.path);
        transaction::run(&self.0.writer, "create-root", |txn| {
            work(async move {
                account::Entity::insert(row.clone().into_active_model())
                    .exec_without_returning(txn)
                    .await?;
                let entry = audit::Entry {
                    account_id: &row.id,
                    path: &row.path,
                    action: "account.create",
                    target: row.id.as_str(),
                    detail: json!({ "name": row.name, "kind": row.kind, "planId": row.plan_id }),
                };
                audit::write(txn, actor, entry).await
            })
        })
        .await?;
        Ok(row.clone())
    }

    async fn platform(&self, id: &AccountId) -> Result<account::Model> {
        let parent = account::Entity::find_by_id(id.clone()).one(&self.0.db).await?;
        let parent = parent.ok_or(Error::NotFound("account"))?;
        if parent.kind != AccountKind::Platform {
            return Err(Error::bad_input(
                &["parent"],
                "A main account stands alone or below a platform.",
            ));
        }
        if parent.status != AccountStatus::Active {
            return Err(Error::conflict(&["parent"], "The platform is not active."));
        }
        Ok(parent)
    }
}

/// `Error::BadInput` at what is wrong with the new account in itself.
fn check(new: &NewRoot) -> Result<()> {
    if new.currency.len() != 3 || !new.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(Error::bad_input(
            &["currency"],
            "A currency is an ISO 4217 code, as in `USD`.",
        ));
    }
    match (new.kind, &new.parent, &new.plan_id) {
        (AccountKind::Platform, None, _) | (AccountKind::Main, _, Some(_)) => Ok(()),
        (AccountKind::Platform, Some(_), _) => Err(Error::bad_input(&["parent"], "A platform stands alone.")),
        (AccountKind::Main, _, None) => Err(Error::bad_input(&["planId"], "A main account needs a plan.")),
        (AccountKind::Subaccount, _, _) => Err(Error::bad_input(
            &["kind"],
            "A subaccount is made from its parent.",
        )),
    }
}
