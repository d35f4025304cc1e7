//! The part of the schema that is tried: types, fields and what these are asked with.

/// A field: its name, the type that it gives if there is something to select from that, and its arguments.
pub(super) type Field = (&'static str, &'static str, Arguments);

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Arguments {
    None,
    Page,
    Usage,
    Account,
    Node,
    Resource,
    Key,
}

use Arguments::{Account, Key, Node, None as Plain, Page, Resource, Usage};

pub(super) const TENANT: &[Field] = &[
    ("id", "", Plain),
    ("name", "", Plain),
    ("status", "", Plain),
    ("kind", "", Plain),
    ("depth", "", Plain),
    ("level", "", Plain),
    ("currency", "", Plain),
    ("timeZone", "", Plain),
    ("createdAt", "", Plain),
    ("planInherited", "", Plain),
    ("billingMode", "", Plain),
    ("creditMode", "", Plain),
    ("plan", "Plan", Plain),
    ("permissionSet", "PermissionSet", Plain),
    ("parent", "Tenant", Plain),
    ("ancestors", "Tenant", Plain),
    ("subaccounts", "TenantConnection", Page),
    ("subaccounts", "TenantConnection", Page),
    ("members", "MemberConnection", Page),
    ("members", "MemberConnection", Page),
    ("limits", "Limits", Plain),
    ("billingTransfer", "BillingTransfer", Plain),
    ("credits", "Credits", Plain),
    ("usage", "Usage", Usage),
    ("usage", "Usage", Usage),
];

/// Fields that no plan serves.
pub(super) const UNPLANNED: &[Field] = &[("apiKeys", "ApiKeyConnection", Page), ("maxVariance", "", Plain)];

const CONNECTIONS: [(&str, &str, &str); 4] = [
    ("TenantConnection", "TenantEdge", "Tenant"),
    ("MemberConnection", "MemberEdge", "Member"),
    ("AccessConnection", "AccessEdge", "Tenant"),
    ("ApiKeyConnection", "ApiKeyEdge", "ApiKey"),
];

/// The fields of a connection or an edge.
fn fields_of_list(ty: &str) -> Option<Vec<Field>> {
    if let Some((_, edge, node)) = CONNECTIONS.iter().find(|own| own.0 == ty) {
        let own = [
            ("edges", *edge),
            ("nodes", *node),
            ("pageInfo", "PageInfo"),
            ("totalCount", ""),
        ];
        return Some(own.map(|(name, gives)| (name, gives, Plain)).to_vec());
    }
    let (_, edge, node) = CONNECTIONS.iter().find(|own| own.1 == ty)?;
    let role = (*edge == "AccessEdge").then_some(("role", "", Plain));
    let own = [("cursor", "", Plain), ("node", *node, Plain)];
    Some(own.into_iter().chain(role).collect())
}

fn leaves(names: &[&'static str]) -> Vec<Field> {
    names.iter().map(|name| (*name, "", Plain)).collect()
}

fn and(names: &[&'static str], more: &[Field]) -> Vec<Field> {
    [leaves(names), more.to_vec()].concat()
}

/// What can be selected from an object of this type.
pub(super) fn fields(ty: &str) -> Vec<Field> {
    if let Some(fields) = fields_of_list(ty) {
        return fields;
    }
    match ty {
        "Query" => vec![
            ("account", "Tenant", Account),
            ("account", "Tenant", Account),
            ("node", "Node", Node),
            ("me", "Me", Plain),
        ],
        "Me" => vec![
            ("user", "User", Plain),
            ("actingAs", "Tenant", Plain),
            ("accounts", "AccessConnection", Page),
        ],
        "Tenant" | "Account" | "Subaccount" => TENANT.to_vec(),
        "Node" => leaves(&["id"]),
        "Plan" => leaves(&["id", "name", "description", "configuration"]),
        "ApiKey" => leaves(&["id", "name", "createdAt"]),
        "PermissionSet" => vec![
            ("permissions", "Permission", Plain),
            ("permission", "Permission", Key),
        ],
        "Permission" => and(
            &["key", "level", "maxLevel"],
            &[("decidedBy", "PermissionDecider", Plain)],
        ),
        "PermissionDecider" => leaves(&["kind", "account", "key", "role"]),
        "PageInfo" => leaves(&["hasNextPage", "hasPreviousPage", "startCursor", "endCursor"]),
        "Member" => and(
            &["id", "role", "createdAt", "lastSignInAt"],
            &[("user", "User", Plain)],
        ),
        "User" => leaves(&["id", "name", "email"]),
        "Limits" => vec![
            ("resources", "ResourceLimit", Plain),
            ("resource", "ResourceLimit", Resource),
        ],
        "ResourceLimit" => {
            let decided = ("decidedBy", "LimitDecider", Plain);
            and(&["resource", "max", "used", "remaining", "reason"], &[decided])
        }
        "LimitDecider" => leaves(&["kind", "account", "ruleVersion", "ruleDigest"]),
        "BillingTransfer" => leaves(&[
            "id",
            "state",
            "badge",
            "status",
            "startedAt",
            "graceEndsAt",
            "completedAt",
            "keepAgencyAccess",
        ]),
        "Credits" => vec![("purchased", "Money", Plain), ("pool", "Money", Plain)],
        "Money" => leaves(&["amount", "currency"]),
        "Usage" => vec![
            ("granularity", "", Plain),
            ("timeZone", "", Plain),
            ("period", "UsagePeriod", Plain),
            ("totals", "UsageTotal", Plain),
            ("buckets", "UsageBucket", Plain),
        ],
        "UsagePeriod" => leaves(&["start", "end"]),
        "UsageTotal" => and(&["meter", "quantity", "events"], &[("amount", "Money", Plain)]),
        "UsageBucket" => and(
            &["start", "meter", "quantity", "events"],
            &[("amount", "Money", Plain)],
        ),
        _ => panic!("say what {ty} has"),
    }
}

/// What a fragment inside of an object of this type may be about.
pub(super) fn conditions(ty: &str) -> &'static [&'static str] {
    match ty {
        "Tenant" => &["Tenant", "Account", "Subaccount", "Node", "Subaccount"],
        "Account" => &["Account", "Tenant", "Node"],
        "Subaccount" => &["Subaccount", "Tenant"],
        "Node" => &["Tenant", "Account", "Subaccount", "Node", "Tenant", "Member"],
        "Member" => &["Member", "Node"],
        "Plan" => &["Plan", "Node"],
        _ => &[],
    }
}
