//! The accounts of a forest and what hangs on them. Pure: no database, no clock.

use canopy_entity::account::{AccountKind, AccountStatus, BillingMode, CreditMode};
use canopy_entity::billing_transfer::TransferStatus;
use canopy_entity::time::Timestamp;
use canopy_entity::{
    AccountId, AccountPath, Level, PermissionKey, PlanId, Role, RuleVersionId, account, account_limit,
    billing_transfer, member, permission_level, plan, user,
};
use chrono::{Duration, TimeZone, Utc};
use serde_json::json;

use super::ForestSize;
use super::ids::id;

/// Subaccounts of each tree's main account.
const CHILDREN: u64 = 25;
/// Those of them that have accounts below, and how many.
const PARENTS: u64 = 2;
const GRANDCHILDREN: u64 = 2;

const ROLES: [Role; 4] = [Role::Owner, Role::Admin, Role::Member, Role::Viewer];

/// Each plan and how many times its caps are those of the least.
const PLANS: [(&str, &str); 5] = [
    ("pln_free", "Free"),
    ("pln_starter", "Starter"),
    ("pln_growth", "Growth"),
    ("pln_business", "Business"),
    ("pln_enterprise", "Enterprise"),
];

/// What a plan limits besides the depth, with the cap of the least plan.
const CAPS: [(&str, i64); 7] = [
    ("agents", 40),
    ("api_keys", 20),
    ("campaigns", 30),
    ("members", 50),
    ("phone_numbers", 60),
    ("subaccounts", 100),
    ("webhooks", 10),
];

/// An account with its place in the forest, from which all else about it follows.
#[derive(Debug, Clone)]
pub(super) struct Planted {
    pub(super) number: u64,
    pub(super) row: account::Model,
}

/// All accounts, each after its parent.
pub(super) struct Trees {
    pub(super) accounts: Vec<Planted>,
    rule: RuleVersionId,
}

impl Trees {
    pub(super) fn new(size: ForestSize, rule: RuleVersionId) -> Self {
        let mut trees = Self {
            accounts: Vec::new(),
            rule,
        };
        let platform = trees.add(None, AccountKind::Platform, "Forest".to_owned(), None);
        for tree in 1..=u64::from(size.trees) {
            let plan = Some(plan_id(tree));
            let root = trees.add(
                Some(&platform),
                AccountKind::Main,
                format!("Root account {tree}"),
                plan,
            );
            for child in 1..=CHILDREN {
                // One in five has a plan of its own.
                let own = (child % 5 == 0).then(|| plan_id(tree + child));
                let name = format!("Subaccount {tree}/{child}");
                let parent = trees.add(Some(&root), AccountKind::Subaccount, name, own);
                let below = if child <= PARENTS { GRANDCHILDREN } else { 0 };
                for grandchild in 1..=below {
                    let name = format!("Nested {tree}/{child}/{grandchild}");
                    trees.add(Some(&parent), AccountKind::Subaccount, name, None);
                }
            }
        }
        trees
    }

    fn add(
        &mut self,
        parent: Option<&account::Model>,
        kind: AccountKind,
        name: String,
        plan: Option<PlanId>,
    ) -> account::Model {
        let number = self.accounts.len() as u64;
        let own_id: AccountId = id(AccountId::PREFIX, number);
        let inherited = kind == AccountKind::Subaccount && plan.is_none();
        let created_at = first_day() + Duration::minutes(number as i64);
        let row = account::Model {
            path: parent.map_or_else(|| AccountPath::root(&own_id), |parent| parent.path.child(&own_id)),
            parent_id: parent.map(|parent| parent.id.clone()),
            depth: parent.map_or(0, |parent| parent.depth + 1),
            id: own_id,
            kind,
            name,
            status: AccountStatus::Active,
            currency: "USD".to_owned(),
            time_zone: "UTC".to_owned(),
            plan_id: match inherited {
                true => parent.and_then(|parent| parent.plan_id.clone()),
                false => plan,
            },
            plan_inherited: inherited,
            billing_mode: billing_mode(kind, number),
            credit_mode: CreditMode::Manual,
            external_ref: None,
            created_at,
            updated_at: created_at,
            restrictions: String::new(),
        };
        self.accounts.push(Planted {
            number,
            row: row.clone(),
        });
        row
    }

    /// The platform's plans, after the platform.
    pub(super) fn plans(&self) -> Vec<plan::Model> {
        let owner = &self.accounts[0].row.id;
        let plans = PLANS.iter().zip(1_i64..).map(|((own_id, name), times)| {
            let caps = CAPS.iter().map(|(resource, cap)| {
                let cap = json!(cap * times);
                ((*resource).to_owned(), cap)
            });
            plan::Model {
                id: PlanId::parse(own_id).expect("a plan has a readable id"),
                owner_account_id: Some(owner.clone()),
                name: (*name).to_owned(),
                description: format!("{name}: {times} times the least."),
                limits_rule_version_id: self.rule.clone(),
                limits_configuration: json!({
                    "max_depth": 5, "caps": caps.collect::<serde_json::Map<_, _>>(),
                    "key_policy": "OWN", "member_policy": "OWN",
                }),
                meters: json!({}),
                created_at: first_day(),
            }
        });
        plans.collect()
    }

    /// The main account of each tree.
    pub(super) fn roots(&self) -> impl Iterator<Item = &account::Model> {
        let rows = self.accounts.iter().map(|planted| &planted.row);
        rows.filter(|row| row.kind == AccountKind::Main)
    }

    fn subaccounts(&self) -> impl Iterator<Item = &Planted> {
        let accounts = self.accounts.iter();
        accounts.filter(|planted| planted.row.kind == AccountKind::Subaccount)
    }

    /// Four people for each account, none of whom can sign in by password.
    pub(super) fn people(&self) -> impl Iterator<Item = (user::Model, member::Model)> {
        self.accounts.iter().flat_map(|Planted { number, row }| {
            ROLES.into_iter().zip(0_u64..).map(move |(role, place)| {
                let person = number * ROLES.len() as u64 + place;
                let user = user::Model {
                    id: id("usr_", person),
                    email: format!("user{}@acct{number}.example.com", place + 1),
                    name: format!("User {} of {number}", place + 1),
                    password_hash: None,
                    token_version: 0,
                    tokens_revoked_at: None,
                    created_at: row.created_at,
                    last_sign_in_at: None,
                };
                let member = member::Model {
                    id: id("mem_", person),
                    account_id: row.id.clone(),
                    user_id: user.id.clone(),
                    role,
                    created_at: row.created_at,
                };
                (user, member)
            })
        })
    }

    /// Each subaccount is restricted in all that a reader of everything can do without: reports on billing and usage,
    /// and READ for the account itself, are left.
    pub(super) fn restrictions(&self) -> impl Iterator<Item = permission_level::Model> {
        self.subaccounts().flat_map(|Planted { number, row }| {
            let keys = PermissionKey::all().zip(0_u64..);
            keys.filter_map(move |(key, place)| {
                Some(permission_level::Model {
                    account_id: row.id.clone(),
                    key,
                    level: left(key, number + place)?,
                    updated_at: row.created_at,
                })
            })
        })
    }

    /// What each parent allots to its subaccounts, of each resource of the plan.
    pub(super) fn limits(&self) -> impl Iterator<Item = account_limit::Model> {
        self.subaccounts().flat_map(|Planted { number, row }| {
            CAPS.into_iter()
                .zip(0_u64..)
                .map(move |((resource, cap), place)| {
                    let less = (number * 7 + place * 13) % (cap as u64 / 2);
                    account_limit::Model {
                        account_id: row.id.clone(),
                        resource: resource.to_owned(),
                        maximum: cap - less as i64,
                        updated_at: row.created_at,
                    }
                })
        })
    }

    /// Every other subaccount has had its billing transferred, or nearly so.
    pub(super) fn transfers(&self) -> impl Iterator<Item = billing_transfer::Model> {
        self.subaccounts().filter_map(|Planted { number, row }| {
            let status = transfer(*number)?;
            let started_at = row.created_at + Duration::days(90);
            let under_way = status == TransferStatus::InProgress;
            Some(billing_transfer::Model {
                id: id("btr_", *number),
                account_id: row.id.clone(),
                status,
                keep_agency_access: number.is_multiple_of(3),
                started_by: "system".to_owned(),
                started_at,
                // Long enough that no transfer ends while a benchmark runs.
                grace_ends_at: started_at + Duration::days(if under_way { 36_500 } else { 14 }),
                ended_at: (!under_way).then(|| started_at + Duration::days(14)),
            })
        })
    }
}

/// Midnight of 1 January 2025, as in each id.
fn first_day() -> Timestamp {
    Utc.timestamp_opt(1_735_689_600, 0)
        .single()
        .expect("an instant of UTC is one instant")
}

fn plan_id(number: u64) -> PlanId {
    let (own_id, _) = PLANS[number as usize % PLANS.len()];
    PlanId::parse(own_id).expect("a plan has a readable id")
}

/// The latest transfer of the subaccount with this number.
fn transfer(number: u64) -> Option<TransferStatus> {
    let statuses = [
        TransferStatus::InProgress,
        TransferStatus::Completed,
        TransferStatus::Cancelled,
        TransferStatus::Expired,
    ];
    (number.is_multiple_of(2)).then(|| statuses[(number / 2) as usize % statuses.len()])
}

fn billing_mode(kind: AccountKind, number: u64) -> BillingMode {
    match (kind, transfer(number)) {
        (AccountKind::Subaccount, Some(TransferStatus::Completed)) => BillingMode::Own,
        (AccountKind::Subaccount, _) => BillingMode::Parent,
        _ => BillingMode::Own,
    }
}

/// The level that is left to a key; none where nothing is taken away, since no restriction is no row.
fn left(key: PermissionKey, number: u64) -> Option<Level> {
    use PermissionKey as Key;
    match key {
        Key::Billing | Key::Usage => None,
        Key::Conversations => Some(Level::None),
        Key::Account => Some(Level::Limited),
        Key::Settings | Key::Members | Key::Subaccounts => Some(Level::Read),
        _ if number.is_multiple_of(3) => Some(Level::None),
        _ => Some(Level::Read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_have_the_shape_that_is_told() {
        let trees = Trees::new(ForestSize { trees: 200 }, RuleVersionId::new());
        assert_eq!(trees.accounts.len(), 1 + 6_000);
        assert_eq!(trees.roots().count(), 200);
        assert_eq!(trees.people().count(), 6_001 * 4);
        assert_eq!(trees.restrictions().count(), 5_800 * 26);
        assert_eq!(trees.limits().count(), 5_800 * CAPS.len());
        let transfers = trees.transfers().count();
        assert!((2_700..3_100).contains(&transfers), "{transfers}");
    }

    #[test]
    fn each_restriction_is_a_level_below_the_highest_that_the_key_allows() {
        let trees = Trees::new(ForestSize { trees: 2 }, RuleVersionId::new());
        for row in trees.restrictions() {
            assert!(row.key.allowed_levels().contains(&row.level), "{row:?}");
            assert_ne!(row.level, row.key.max_level(), "{row:?}");
        }
    }

    #[test]
    fn nobody_has_more_than_they_may() {
        let trees = Trees::new(ForestSize { trees: 3 }, RuleVersionId::new());
        for limit in trees.limits() {
            let had = match limit.resource.as_str() {
                "members" => ROLES.len() as u64,
                "subaccounts" => GRANDCHILDREN,
                _ => 0,
            };
            assert!(limit.maximum as u64 >= had, "{limit:?}");
        }
    }
}
