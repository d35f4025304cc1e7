//! Accounts, and what is around them.

use canopy_domain::entity::PermissionKey as Key;
use canopy_domain::entity::plan;
use canopy_domain::members::{AccessibleAccount, MemberView, Person};
use canopy_domain::permissions::EffectiveLevel;
use canopy_domain::{AccountView, Error, Page};

use super::super::gathered::{Below, Gathered, Level};
use super::super::plan::{
    ACCESSES, Connection, ConnectionField, ConnectionTypes, EdgeField, MEMBERS, MeField, MemberField,
    PageInfoField, PermissionDeciderField, PermissionField, PermissionSetField, PlanField, RootReads,
    Selection, TENANTS, TenantField, TenantPlan, Tenants, UserField,
};
use super::Writer;
use crate::cursor;
use crate::scalars::{DateTime, int};
use crate::types::account_kind::AccountKind;
use crate::types::account_status::AccountStatus;
use crate::types::billing_mode::BillingMode;
use crate::types::credit_mode::CreditMode;
use crate::types::permission_decider::{
    PermissionDeciderKind, deciding_role, restricted_key, visible_account,
};
use crate::types::permission_key::PermissionKey;
use crate::types::permission_level::PermissionLevel;
use crate::types::role::Role;
use crate::types::tenant::TenantType;

/// What the edge of a row tells beside it.
trait Row {
    /// What the caller is there.
    fn role(&self) -> Option<Role> {
        None
    }
}

impl Row for AccountView {}

impl Row for MemberView {}

impl Row for AccessibleAccount {
    fn role(&self) -> Option<Role> {
        self.role.map(Role::from)
    }
}

impl<'w> Writer<'w> {
    /// Who asks.
    pub(super) fn me(
        &mut self,
        selection: &'w Selection<MeField>,
        reads: &'w RootReads,
        gathered: &Gathered,
    ) {
        self.object(selection, "Me", |writer, field| match field {
            MeField::User(selection) => {
                let user = gathered.user.as_ref().map(Option::as_ref).map_err(Error::clone);
                writer.found(user, |writer, row| writer.user(selection, row));
            }
            MeField::ActingAs(at) => writer.root(reads, gathered, *at),
            MeField::Accounts(at, connection) => {
                let (plans, read) = (&reads.accessible[*at].tenants, &gathered.accessible[*at]);
                writer.connection(connection, ACCESSES, &read.page, |writer, at, row| {
                    writer.tenant(&plans[*at], &read.below[*at], &row.account);
                });
            }
        });
    }

    /// A single account.
    pub(super) fn root(&mut self, reads: &'w RootReads, gathered: &Gathered, at: usize) {
        let found = gathered.roots[at].as_ref();
        let selection = reads.accounts[at].selection;
        let (plans, below) = (&reads.selections[selection], &gathered.below[selection]);
        self.found(found.map(Option::as_ref).map_err(Error::clone), |writer, view| {
            writer.tenant(plans, below, view);
        });
    }

    /// An account as `plans` show it, with what was read below it.
    pub(super) fn tenant(&mut self, plans: &'w Tenants, below: &Below, view: &AccountView) {
        let ty = TenantType::of(view);
        let (plan, level) = match (ty, &plans.subaccount, &below.subaccount) {
            (TenantType::Subaccount, Some(plan), Some(level)) => (plan, level),
            _ => (&plans.account, &below.account),
        };
        self.object(&plan.selection, ty.name(), |writer, field| {
            writer.tenant_field(plan, field, level, view);
        });
    }

    fn tenant_field(
        &mut self,
        plan: &'w TenantPlan,
        field: &'w TenantField,
        level: &Level,
        view: &AccountView,
    ) {
        let (row, id) = (view.row(), view.id());
        match field {
            TenantField::Id => self.plain(id.as_str()),
            TenantField::Name => self.text(&row.name),
            TenantField::Status => self.item::<AccountStatus>(view.status()),
            TenantField::Kind => self.item::<AccountKind>(row.kind),
            TenantField::Depth => self.int(row.depth),
            TenantField::Level => self.int(int(view.level().into())),
            TenantField::Currency => self.text(&row.currency),
            TenantField::TimeZone => self.text(&row.time_zone),
            TenantField::CreatedAt => self.shown(DateTime(row.created_at)),
            TenantField::PlanInherited => self.boolean(row.plan_inherited),
            TenantField::BillingMode => self.item::<BillingMode>(row.billing_mode),
            TenantField::CreditMode => self.item::<CreditMode>(row.credit_mode),
            TenantField::Plan(selection) => self.nullable(row.plan_id.as_ref(), |writer, _| {
                writer.found(level.plans.get(id), |writer, row| writer.plan(selection, row));
            }),
            TenantField::PermissionSet(selection) => self.permission_set(selection, view),
            TenantField::Parent(at) => self.nullable(row.parent_id.as_ref(), |writer, id| {
                let plans = &plan.reads.parents[*at];
                writer.found(level.parents.get(id), |writer, parent| {
                    writer.tenant(plans, &level.above[*at], parent);
                });
            }),
            TenantField::Ancestors(list) => {
                let (plans, read) = (&plan.reads.ancestors[list.each], &level.ancestors);
                let ancestors = read.of.get(id).into_iter().flatten();
                self.list(list, ancestors, |writer, at, ancestor| {
                    writer.tenant(plans, &read.above[*at], ancestor);
                });
            }
            TenantField::Subaccounts(at, connection) => {
                let (plans, read) = (&plan.reads.subaccounts[*at].tenants, &level.subaccounts[*at]);
                self.found(read.pages.get(id), |writer, page| {
                    writer.connection(connection, TENANTS, page, |writer, at, child| {
                        writer.tenant(&plans[*at], &read.below[*at], child);
                    });
                });
            }
            TenantField::Members(at, connection) => {
                self.found(level.members[*at].get(id), |writer, page| {
                    writer.connection(connection, MEMBERS, page, Self::member);
                });
            }
            TenantField::Limits(selection) => {
                let found = level
                    .limits
                    .get(id)
                    .and_then(|own| own.map(Result::as_ref).transpose().map_err(Error::clone));
                self.found(found, |writer, limits| writer.limits(selection, view, limits));
            }
            TenantField::BillingTransfer(selection) => {
                self.found(level.billing.get(id), |writer, own| {
                    writer.billing_transfer(selection, own)
                });
            }
            TenantField::Credits(selection) => {
                self.found(level.credits.get(id), |writer, own| {
                    writer.credits(selection, own)
                });
            }
            TenantField::Usage(at, selection) => {
                let granularity = self.bound.granularity(plan.reads.usage[*at]);
                self.found(level.usage[*at].get(id), |writer, own| {
                    writer.usage(selection, granularity, own);
                });
            }
        }
    }

    fn plan(&mut self, selection: &'w Selection<PlanField>, row: &plan::Model) {
        self.object(selection, "Plan", |writer, field| match field {
            PlanField::Id => writer.plain(row.id.as_str()),
            PlanField::Name => writer.text(&row.name),
            PlanField::Description => writer.text(&row.description),
            PlanField::Configuration => writer.json(&row.limits_configuration),
        });
    }

    fn permission_set(&mut self, selection: &'w Selection<PermissionSetField>, view: &AccountView) {
        self.object(selection, "PermissionSet", |writer, field| match field {
            PermissionSetField::Permissions(list) => {
                writer.list(list, Key::all(), |writer, selection, key| {
                    writer.permission(selection, view, key);
                });
            }
            PermissionSetField::Permission(at, selection) => {
                let key = writer.bound.key(*at).into();
                writer.permission(selection, view, key);
            }
        });
    }

    fn permission(&mut self, selection: &'w Selection<PermissionField>, view: &AccountView, key: Key) {
        let access = view.access();
        self.object(selection, "Permission", |writer, field| match field {
            PermissionField::Key => writer.item::<PermissionKey>(key),
            PermissionField::Level => writer.item::<PermissionLevel>(access.level(key)),
            PermissionField::MaxLevel => writer.item::<PermissionLevel>(key.max_level()),
            PermissionField::DecidedBy(selection) => {
                writer.permission_decider(selection, view, key, &access.effective(key));
            }
        });
    }

    fn permission_decider(
        &mut self,
        selection: &'w Selection<PermissionDeciderField>,
        view: &AccountView,
        key: Key,
        effective: &EffectiveLevel,
    ) {
        let (decider, scope) = (&effective.decided_by, self.actor.scope());
        self.object(selection, "PermissionDecider", |writer, field| match field {
            PermissionDeciderField::Kind => {
                writer.item::<PermissionDeciderKind>(PermissionDeciderKind::of(decider))
            }
            PermissionDeciderField::Account => {
                writer.nullable(visible_account(decider, view, scope), |writer, id| {
                    writer.plain(id.as_str())
                });
            }
            PermissionDeciderField::Key => writer.item::<PermissionKey>(restricted_key(decider, key)),
            PermissionDeciderField::Role => {
                writer.nullable(deciding_role(decider), |writer, role| writer.item::<Role>(role));
            }
        });
    }

    /// A page of a list; `node` writes a row.
    fn connection<N, R: Row>(
        &mut self,
        selection: &'w Connection<N>,
        types: ConnectionTypes,
        page: &Page<R>,
        mut node: impl FnMut(&mut Self, &'w N, &R),
    ) {
        self.object(selection, types.connection, |writer, field| match field {
            ConnectionField::Edges(list) => {
                writer.list(list, page.items.iter(), |writer, selection, (id, row)| {
                    writer.object(selection, types.edge, |writer, field| match field {
                        EdgeField::Cursor => writer.plain(&cursor::encode(id)),
                        EdgeField::Node(own) => node(writer, own, row),
                        EdgeField::Role => {
                            writer.nullable(row.role(), |writer, role| writer.item::<Role>(role))
                        }
                    });
                });
            }
            ConnectionField::Nodes(list) => {
                writer.list(list, page.items.iter(), |writer, own, (_, row)| {
                    node(writer, own, row)
                });
            }
            ConnectionField::PageInfo(selection) => writer.page_info(selection, page),
            ConnectionField::TotalCount => {
                let total = page.total.expect("a list is counted where its total is selected");
                writer.int(int(total));
            }
        });
    }

    fn page_info<R>(&mut self, selection: &'w Selection<PageInfoField>, page: &Page<R>) {
        let cursor = |writer: &mut Self, row: Option<&(String, R)>| {
            writer.nullable(row, |writer, (id, _)| writer.plain(&cursor::encode(id)));
        };
        self.object(selection, "PageInfo", |writer, field| match field {
            PageInfoField::HasNextPage => writer.boolean(page.has_next),
            PageInfoField::HasPreviousPage => writer.boolean(page.has_previous),
            PageInfoField::StartCursor => cursor(writer, page.items.first()),
            PageInfoField::EndCursor => cursor(writer, page.items.last()),
        });
    }

    fn member(&mut self, selection: &'w Selection<MemberField>, view: &MemberView) {
        let (row, user) = (&view.member, &view.user);
        self.object(selection, "Member", |writer, field| match field {
            MemberField::Id => writer.plain(row.id.as_str()),
            MemberField::User(selection) => writer.user(selection, user),
            MemberField::Role => writer.item::<Role>(row.role),
            MemberField::CreatedAt => writer.shown(DateTime(row.created_at)),
            MemberField::LastSignInAt => {
                writer.nullable(user.last_sign_in_at, |writer, at| writer.shown(DateTime(at)));
            }
        });
    }

    fn user(&mut self, selection: &'w Selection<UserField>, row: &Person) {
        self.object(selection, "User", |writer, field| match field {
            UserField::Id => writer.plain(row.id.as_str()),
            UserField::Name => writer.text(&row.name),
            UserField::Email => writer.text(&row.email),
        });
    }
}
