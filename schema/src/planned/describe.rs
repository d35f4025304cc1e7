//! A query plan for people and programs: what is read on each level, behind which gate, and what an account there costs.

use std::fmt::{Display, Formatter, Result};

use serde::Serialize;

use super::plan::{AccountPage, Named, QueryPlan, TenantPlan, Tenants};
use crate::authorization::{Gate, gates};

/// What a query plan reads and costs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanDescription {
    /// What is read first.
    reads: Vec<ReadDescription>,
    /// The most points that an answer may cost; none if variables decide about the sizes of its pages.
    most_points: Option<u64>,
    /// The memory that the plan takes, about.
    bytes: usize,
}

/// One kind of read of a level: it is done once for all accounts there.
#[derive(Debug, Serialize)]
struct ReadDescription {
    what: String,
    /// The right that the caller needs at an account; none if whoever sees the account sees this.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<String>,
    /// What is shown of the accounts that it gives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<LevelDescription>,
}

/// What is shown of the accounts of a level.
#[derive(Debug, Serialize)]
struct LevelDescription {
    /// The type of these accounts, where the document asks each type something else.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    only: Option<&'static str>,
    fields: usize,
    points: u64,
    reads: Vec<ReadDescription>,
}

impl PlanDescription {
    pub(super) fn of(plan: &QueryPlan) -> Self {
        let reads = &plan.reads;
        let mut told = Vec::new();
        for (at, selection) in reads.selections.iter().enumerate() {
            let asked = reads.accounts.iter().filter(|own| own.selection == at);
            let named: Vec<&str> = asked.map(|own| of_root(&own.named)).collect();
            told.push(ReadDescription::of(&named.join(", "), levels([selection])));
        }
        if reads.user {
            told.push(ReadDescription::of("person who asks", Vec::new()));
        }
        let accessible = "page of accounts that one may switch to";
        told.extend(reads.accessible.iter().map(|own| page(accessible, None, own)));
        Self {
            reads: told,
            most_points: plan.points,
            bytes: plan.bytes,
        }
    }
}

impl ReadDescription {
    fn of(what: &str, accounts: Vec<LevelDescription>) -> Self {
        Self {
            what: what.to_owned(),
            gate: None,
            accounts,
        }
    }

    fn behind(what: &str, gate: Gate) -> Self {
        Self {
            gate: Some(gate.to_string()),
            ..Self::of(what, Vec::new())
        }
    }
}

/// How a single account is found.
fn of_root(named: &Named) -> &'static str {
    match named {
        Named::Account(_) => "account by its id",
        Named::Node(_) => "node by its id",
        Named::ActedOn => "account that is acted on",
    }
}

fn page(what: &str, gate: Option<Gate>, own: &AccountPage) -> ReadDescription {
    ReadDescription {
        gate: gate.map(|gate| gate.to_string()),
        ..ReadDescription::of(what, levels(&own.tenants))
    }
}

fn levels<'p>(selections: impl IntoIterator<Item = &'p Tenants>) -> Vec<LevelDescription> {
    let mut told = Vec::new();
    for plans in selections {
        let Some(subaccount) = &plans.subaccount else {
            told.push(level(&plans.account, None));
            continue;
        };
        told.push(level(&plans.account, Some("Account")));
        told.push(level(subaccount, Some("Subaccount")));
    }
    told
}

fn level(plan: &TenantPlan, only: Option<&'static str>) -> LevelDescription {
    let reads = &plan.reads;
    let once = [
        (reads.limits, "limits", gates::LIMITS),
        (reads.billing, "billing", gates::BILLING_TRANSFER),
        (reads.credits, "credits", gates::CREDITS),
    ];
    let once = once.into_iter().filter(|(wanted, ..)| *wanted);
    let mut told: Vec<ReadDescription> = once
        .map(|(_, what, gate)| ReadDescription::behind(what, gate))
        .collect();
    if reads.plans {
        told.insert(0, ReadDescription::of("plans", Vec::new()));
    }
    let usage = reads.usage.iter();
    told.extend(usage.map(|_| ReadDescription::behind("usage", gates::USAGE)));
    let members = reads.members.iter();
    told.extend(members.map(|_| ReadDescription::behind("a page of members", gates::MEMBERS)));
    let subaccounts = reads.subaccounts.iter();
    told.extend(subaccounts.map(|own| page("a page of subaccounts", Some(gates::SUBACCOUNTS), own)));
    for (what, selections) in [("parents", &reads.parents), ("ancestors", &reads.ancestors)] {
        if !selections.is_empty() {
            told.push(ReadDescription::of(what, levels(selections)));
        }
    }
    LevelDescription {
        only,
        fields: plan.fields,
        points: plan.points,
        reads: told,
    }
}

impl Display for PlanDescription {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match self.most_points {
            Some(points) => writeln!(
                formatter,
                "at most {points} points; plan of about {} bytes",
                self.bytes
            )?,
            None => writeln!(
                formatter,
                "variables decide about the points; plan of about {} bytes",
                self.bytes
            )?,
        }
        self.reads.iter().try_for_each(|own| own.write(formatter, 0))
    }
}

impl ReadDescription {
    fn write(&self, formatter: &mut Formatter<'_>, depth: usize) -> Result {
        write!(formatter, "{:1$}reads {2}", "", 2 * depth, self.what)?;
        match &self.gate {
            Some(gate) => writeln!(formatter, ", where the caller has {gate}")?,
            None => writeln!(formatter)?,
        }
        let mut accounts = self.accounts.iter();
        accounts.try_for_each(|own| own.write(formatter, depth + 1))
    }
}

impl LevelDescription {
    fn write(&self, formatter: &mut Formatter<'_>, depth: usize) -> Result {
        let each = self.only.unwrap_or("account");
        let (fields, points) = (self.fields, self.points);
        writeln!(
            formatter,
            "{:1$}each {each}: {fields} fields, {points} points",
            "",
            2 * depth
        )?;
        let mut reads = self.reads.iter();
        reads.try_for_each(|own| own.write(formatter, depth + 1))
    }
}
