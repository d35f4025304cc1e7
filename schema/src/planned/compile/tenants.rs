//! What is selected from accounts, and what has to be read for it.

use async_graphql::parser::types::SelectionSet;

use super::super::bind::LookedAt;
use super::super::plan::{
    MEMBERS, PermissionDeciderField, PermissionField, PermissionSetField, PlanField, Selection, TENANTS,
    TenantField, TenantPlan, TenantReads, Tenants, UsageField, What,
};
use super::connections::looked_at;
use super::{Asked, Compiler, Flat, Own, Planned, place};

impl<'d> Compiler<'d> {
    /// What `sets` select from accounts of either type.
    pub(super) fn tenants(&mut self, sets: &[&'d SelectionSet]) -> Planned<Tenants> {
        let flat = self.flat(sets, "Account")?;
        let by_type = flat.by_type;
        let account = Box::new(self.tenant(flat)?);
        let subaccount = match by_type {
            true => {
                let flat = self.flat(sets, "Subaccount")?;
                Some(Box::new(self.tenant(flat)?))
            }
            false => None,
        };
        Ok(Tenants { account, subaccount })
    }

    fn tenant(&mut self, flat: Flat<'d>) -> Planned<TenantPlan> {
        self.bytes += size_of::<TenantPlan>();
        let around = std::mem::take(&mut self.own);
        let mut reads = TenantReads::default();
        let selection = self.selection(flat, |compiler, asked| compiler.tenant_field(asked, &mut reads))?;
        let Own { fields, points } = std::mem::replace(&mut self.own, around);
        Ok(TenantPlan {
            selection,
            reads,
            fields,
            points,
        })
    }

    fn tenant_field(&mut self, asked: &Asked<'d>, reads: &mut TenantReads) -> Planned<TenantField> {
        Ok(match asked.name() {
            "id" => TenantField::Id,
            "name" => TenantField::Name,
            "status" => TenantField::Status,
            "kind" => TenantField::Kind,
            "depth" => TenantField::Depth,
            "level" => TenantField::Level,
            "currency" => TenantField::Currency,
            "timeZone" => TenantField::TimeZone,
            "createdAt" => TenantField::CreatedAt,
            "planInherited" => TenantField::PlanInherited,
            "billingMode" => TenantField::BillingMode,
            "creditMode" => TenantField::CreditMode,
            "plan" => {
                reads.plans = true;
                TenantField::Plan(self.plan(&asked.sets)?)
            }
            "permissionSet" => TenantField::PermissionSet(self.permission_set(&asked.sets)?),
            "parent" => {
                let parent = self.tenants(&asked.sets)?;
                TenantField::Parent(place(&mut reads.parents, parent))
            }
            "ancestors" => {
                let ancestor = self.tenants(&asked.sets)?;
                TenantField::Ancestors(asked.list(place(&mut reads.ancestors, ancestor)))
            }
            "subaccounts" => {
                // The same page is read twice for two fields that select different things from its accounts.
                let (page, connection) = self.account_page(asked, TENANTS)?;
                TenantField::Subaccounts(place(&mut reads.subaccounts, page), connection)
            }
            "members" => {
                let connection = self.connection(&asked.sets, MEMBERS, Self::member)?;
                let page = self.arguments.page(asked.field, looked_at(&connection));
                TenantField::Members(place(&mut reads.members, page), connection)
            }
            "limits" => {
                reads.limits = true;
                TenantField::Limits(self.limits(&asked.sets)?)
            }
            "billingTransfer" => {
                reads.billing = true;
                TenantField::BillingTransfer(self.billing_transfer(&asked.sets)?)
            }
            "credits" => {
                reads.credits = true;
                TenantField::Credits(self.credits(&asked.sets)?)
            }
            "usage" => {
                let selection = self.usage(&asked.sets)?;
                let mut fields = selection.0.iter();
                let looked_at = LookedAt {
                    rows: fields.any(|own| matches!(own.what, What::Field(UsageField::Buckets(_)))),
                    total: false,
                };
                let usage = self.arguments.usage(asked.field, looked_at);
                TenantField::Usage(place(&mut reads.usage, usage), selection)
            }
            _ => return Err(asked.unplanned("Tenant")),
        })
    }

    fn plan(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<PlanField>> {
        self.select(sets, "Plan", |_, asked| {
            Ok(match asked.name() {
                "id" => PlanField::Id,
                "name" => PlanField::Name,
                "description" => PlanField::Description,
                "configuration" => PlanField::Configuration,
                _ => return Err(asked.unplanned("Plan")),
            })
        })
    }

    fn permission_set(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<PermissionSetField>> {
        self.select(sets, "PermissionSet", |compiler, asked| {
            let permission = compiler.permission(&asked.sets)?;
            Ok(match asked.name() {
                "permissions" => PermissionSetField::Permissions(asked.list(permission)),
                "permission" => {
                    PermissionSetField::Permission(compiler.arguments.key(asked.field), permission)
                }
                _ => return Err(asked.unplanned("PermissionSet")),
            })
        })
    }

    fn permission(&mut self, sets: &[&'d SelectionSet]) -> Planned<Selection<PermissionField>> {
        self.select(sets, "Permission", |compiler, asked| {
            Ok(match asked.name() {
                "key" => PermissionField::Key,
                "level" => PermissionField::Level,
                "maxLevel" => PermissionField::MaxLevel,
                "decidedBy" => PermissionField::DecidedBy(compiler.permission_decider(&asked.sets)?),
                _ => return Err(asked.unplanned("Permission")),
            })
        })
    }

    fn permission_decider(
        &mut self,
        sets: &[&'d SelectionSet],
    ) -> Planned<Selection<PermissionDeciderField>> {
        self.select(sets, "PermissionDecider", |_, asked| {
            Ok(match asked.name() {
                "kind" => PermissionDeciderField::Kind,
                "account" => PermissionDeciderField::Account,
                "key" => PermissionDeciderField::Key,
                "role" => PermissionDeciderField::Role,
                _ => return Err(asked.unplanned("PermissionDecider")),
            })
        })
    }
}
