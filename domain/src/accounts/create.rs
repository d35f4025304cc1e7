//! Making subaccounts: by whoever may, within the limits.

use canopy_entity::account::{AccountKind, AccountStatus, BillingMode, CreditMode};
use canopy_entity::{AccountId, Level, MemberId, PermissionKey, PlanId, Role, account, member, time};
use canopy_rules_host::{MemberPolicy, Policy};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};
use serde_json::json;

use super::AccountView;
use super::name::{check_external_ref, name};
use super::room::Room;
use crate::events::{RightsChange, outbox};
use crate::idempotency::{Claim, Replayable};
use crate::pricing::hold_terms;
use crate::transaction::{self, breaks_uniqueness, work};
use crate::usage::Zone;
use crate::{Actor, Domain, Error, Micros, Principal, Result, audit, ledger};

/// What a subaccount is made with.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct CreateSubaccount {
    /// The account above.
    pub parent_id: AccountId,
    /// 2 to 120 characters.
    pub name: String,
    /// Its plan; the parent's if none.
    pub plan_id: Option<PlanId>,
    /// Which credits pay first; the first that the parent's plan allows if none. The plan must allow it.
    pub credit_mode: Option<CreditMode>,
    /// The caller's own name for it.
    pub external_ref: Option<String>,
    /// Its time zone, by its name; the parent's if none.
    pub time_zone: Option<String>,
}

/// A subaccount that only has still to find its parent unchanged.
struct Draft<'a> {
    input: &'a CreateSubaccount,
    name: String,
    credit_mode: CreditMode,
    time_zone: Option<Zone>,
    starter_credits: Micros,
    owner: Option<member::Model>,
    id: AccountId,
}

impl Domain {
    /// Makes a subaccount. Needs `SUBACCOUNTS` FULL at the parent. The limits rule of the parent's plan decides
    /// about depth and count; starter credits of the plan are granted; one transaction. A signed-in person becomes
    /// its OWNER where the member policy is OWN (the creator becomes OWNER).
    pub async fn create_subaccount(
        &self,
        actor: &Actor,
        input: CreateSubaccount,
        idempotency_key: Option<&str>,
    ) -> Result<Replayable<AccountView>> {
        let claim = Claim::new(actor, "createSubaccount", idempotency_key, &input)?;
        let parent = self.account(actor, &input.parent_id).await?;
        parent.access().require(PermissionKey::Subaccounts, Level::Full)?;
        if let Some(id) = claim.find::<AccountId>(&self.0.db).await? {
            return Ok(Replayable::replayed(self.account(actor, &id).await?));
        }
        parent.require_active(&["parentId"])?;
        if parent.row().kind == AccountKind::Platform {
            return Err(Error::bad_input(
                &["parentId"],
                "The main accounts of a platform are made by its operator.",
            ));
        }
        let name = name(&input.name)?;
        check_external_ref(input.external_ref.as_deref())?;
        if let Some(plan_id) = &input.plan_id {
            self.require_available_plan(actor, plan_id).await?;
        }
        let room = &self.room_for_child(actor, &parent).await?;
        let draft = &draft(actor, &input, name, &room.policy)?;

        let claim = &claim;
        let (id, replayed) = transaction::run(&self.0.writer, "create-subaccount", |txn| {
            work(async move {
                if let Some(id) = claim.find::<AccountId>(txn).await? {
                    return Ok((id, true));
                }
                insert(txn, actor, room, draft).await?;
                claim.store(txn, &draft.id).await?;
                Ok((draft.id.clone(), false))
            })
        })
        .await?;
        if let Some(owner) = &draft.owner {
            let rights = RightsChange::Of(owner.user_id.to_string());
            self.0.hub.rights_changed(rights);
        }
        let value = self.account(actor, &id).await?;
        Ok(Replayable { value, replayed })
    }
}

fn draft<'a>(actor: &Actor, input: &'a CreateSubaccount, name: String, policy: &Policy) -> Result<Draft<'a>> {
    let id = AccountId::new();
    let owner = match (actor.principal(), policy.members) {
        (Principal::User(user_id), MemberPolicy::Own) => Some(member::Model {
            id: MemberId::new(),
            account_id: id.clone(),
            user_id: user_id.clone(),
            role: Role::Owner,
            created_at: time::now(),
        }),
        _ => None,
    };
    Ok(Draft {
        credit_mode: credit_mode(policy, input.credit_mode)?,
        time_zone: time_zone(input.time_zone.as_deref())?,
        // The host has checked the product; an amount out of bounds would be its mistake, not the caller's.
        starter_credits: Micros::new(policy.starter_credits.value()).map_err(Error::internal)?,
        input,
        name,
        owner,
        id,
    })
}

/// The wanted credit mode if the policy allows it, or else its first one.
pub(super) fn credit_mode(policy: &Policy, wanted: Option<CreditMode>) -> Result<CreditMode> {
    use canopy_rules_host::CreditMode as Host;
    let allowed: Vec<CreditMode> = policy
        .credit_modes
        .iter()
        .map(|mode| match mode {
            Host::Manual => CreditMode::Manual,
            Host::Reselling => CreditMode::Reselling,
        })
        .collect();
    match wanted {
        None => Ok(allowed.first().copied().unwrap_or(CreditMode::Manual)),
        Some(mode) if allowed.contains(&mode) => Ok(mode),
        Some(_) => Err(Error::bad_input(
            &["creditMode"],
            "The parent's plan does not allow this credit mode.",
        )),
    }
}

/// The time zone with this name, if one is given.
pub(super) fn time_zone(name: Option<&str>) -> Result<Option<Zone>> {
    name.map(|name| Zone::named(name, "timeZone")).transpose()
}

async fn insert(txn: &impl ConnectionTrait, actor: &Actor, room: &Room, draft: &Draft<'_>) -> Result<()> {
    // So that nothing is moved meanwhile, and leaves the new account where its parent stood.
    hold_terms(txn, &room.root()).await?;
    let parent = room.take(txn, &["parentId"]).await?;
    let input = draft.input;
    let now = time::now();
    let row = account::Model {
        id: draft.id.clone(),
        path: parent.path.child(&draft.id),
        depth: parent.depth + 1,
        kind: AccountKind::Subaccount,
        name: draft.name.clone(),
        status: AccountStatus::Active,
        currency: parent.currency.clone(),
        time_zone: match draft.time_zone {
            Some(zone) => zone.name().to_owned(),
            None => parent.time_zone.clone(),
        },
        plan_id: input.plan_id.clone().or_else(|| parent.plan_id.clone()),
        plan_inherited: input.plan_id.is_none(),
        billing_mode: BillingMode::Parent,
        credit_mode: draft.credit_mode,
        external_ref: input.external_ref.clone(),
        created_at: now,
        updated_at: now,
        restrictions: String::new(),
        parent_id: Some(parent.id.clone()),
    };
    account::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(txn)
        .await
        .map_err(|error| {
            if breaks_uniqueness(&error) {
                Error::conflict(
                    &["externalRef"],
                    "Another subaccount has this external reference.",
                )
            } else {
                error.into()
            }
        })?;
    if let Some(owner) = &draft.owner {
        member::Entity::insert(owner.clone().into_active_model())
            .exec_without_returning(txn)
            .await?;
        let rights = RightsChange::Of(owner.user_id.to_string());
        outbox::write_rights_change(txn, &row.id, &row.path, &rights).await?;
    }
    if draft.starter_credits > Micros::ZERO {
        ledger::grant_starter(txn, &parent, &row, draft.starter_credits).await?;
    }
    let entry = audit::Entry {
        account_id: &row.id,
        path: &row.path,
        action: "subaccount.create",
        target: row.id.as_str(),
        detail: json!({
            "name": row.name,
            "planId": row.plan_id,
            "creditMode": row.credit_mode,
            "timeZone": row.time_zone,
            "starterCredits": draft.starter_credits,
        }),
    };
    audit::write(txn, actor, entry).await
}
