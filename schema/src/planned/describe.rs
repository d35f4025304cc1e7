//! A query plan in words, for people: what is read on each level, behind which gate, and what an account there costs.

use std::fmt::{Display, Formatter, Result};

use super::KeptPlan;
use super::compile::Unplanned;
use super::plan::{Named, QueryPlan, TenantPlan, Tenants};
use crate::authorization::{Gate, gates};

impl Display for QueryPlan {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        for (at, plans) in self.reads.selections.iter().enumerate() {
            let asked = self.reads.accounts.iter().filter(|own| own.selection == at);
            for own in asked {
                let named = match own.named {
                    Named::Account(_) => "account: one by its id, in scope",
                    Named::Node(_) => "node: an account by its id, in scope",
                    Named::ActedOn => "me: the account that is acted on",
                };
                writeln!(formatter, "{named}")?;
            }
            tenants(formatter, plans, 1)?;
        }
        if self.reads.user {
            writeln!(formatter, "me: the person")?;
        }
        for own in &self.reads.accessible {
            writeln!(formatter, "me: a page of the accounts that one may switch to")?;
            own.tenants
                .iter()
                .try_for_each(|plans| tenants(formatter, plans, 1))?;
        }
        write!(formatter, "kept in about {} bytes", self.bytes)
    }
}

impl Display for KeptPlan {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match self.0.as_ref() {
            Ok(plan) => plan.fmt(formatter),
            Err(Unplanned(why)) => write!(formatter, "answered by resolvers: {why}"),
        }
    }
}

/// A line of the description.
fn line(formatter: &mut Formatter<'_>, depth: usize, text: impl Display) -> Result {
    writeln!(formatter, "{:1$}{text}", "", 2 * depth)
}

fn tenants(formatter: &mut Formatter<'_>, plans: &Tenants, depth: usize) -> Result {
    let Some(subaccount) = &plans.subaccount else {
        return level(formatter, &plans.account, depth);
    };
    for (ty, plan) in [("Account", &plans.account), ("Subaccount", subaccount)] {
        line(formatter, depth, format_args!("of the type {ty}:"))?;
        level(formatter, plan, depth + 1)?;
    }
    Ok(())
}

fn level(formatter: &mut Formatter<'_>, plan: &TenantPlan, depth: usize) -> Result {
    let own = format_args!("shows {} fields, {} points each", plan.fields, plan.points);
    line(formatter, depth, own)?;
    let reads = &plan.reads;
    let once = [
        (reads.plans, "plans", None),
        (reads.limits, "limits", Some(gates::LIMITS)),
        (reads.billing, "billing", Some(gates::BILLING_TRANSFER)),
        (reads.credits, "credits", Some(gates::CREDITS)),
    ];
    for (_, name, gate) in once.into_iter().filter(|own| own.0) {
        read(formatter, depth, name, gate)?;
    }
    for _ in &reads.usage {
        read(formatter, depth, "usage", Some(gates::USAGE))?;
    }
    for _ in &reads.members {
        read(formatter, depth, "members", Some(gates::MEMBERS))?;
    }
    for own in &reads.subaccounts {
        read(formatter, depth, "subaccounts", Some(gates::SUBACCOUNTS))?;
        own.tenants
            .iter()
            .try_for_each(|plans| tenants(formatter, plans, depth + 1))?;
    }
    for (name, selections) in [("parents", &reads.parents), ("ancestors", &reads.ancestors)] {
        if !selections.is_empty() {
            read(formatter, depth, name, None)?;
        }
        selections
            .iter()
            .try_for_each(|plans| tenants(formatter, plans, depth + 1))?;
    }
    Ok(())
}

fn read(formatter: &mut Formatter<'_>, depth: usize, name: &str, gate: Option<Gate>) -> Result {
    match gate {
        Some(gate) => line(
            formatter,
            depth,
            format_args!("reads {name}, where the caller has {gate}"),
        ),
        None => line(formatter, depth, format_args!("reads {name}")),
    }
}
