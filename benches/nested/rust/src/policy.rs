//! How levels and limits combine down a path, as a peer would write it by hand: with what is in the tables and nothing
//! of Canopy's code.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

/// Each key, its umbrella, and what it calls the middle and the highest level.
pub const MATRIX: [(&str, Option<&str>, &str, &str); 28] = [
    ("CONVERSATIONS", None, "READ", "READ"),
    ("TASKS", None, "READ", "FULL"),
    ("AGENTS", None, "READ", "FULL"),
    ("AGENT_GENERAL", Some("AGENTS"), "READ", "FULL"),
    ("AGENT_PROMPT", Some("AGENTS"), "READ", "FULL"),
    ("AGENT_KNOWLEDGE", Some("AGENTS"), "READ", "FULL"),
    ("AGENT_TOOLS", Some("AGENTS"), "READ", "FULL"),
    ("AGENT_CALL_FLOW", Some("AGENTS"), "READ", "FULL"),
    ("AGENT_ANALYTICS", Some("AGENTS"), "READ", "FULL"),
    ("AGENT_NOTIFICATIONS", Some("AGENTS"), "READ", "FULL"),
    ("KNOWLEDGE_BASES", None, "READ", "FULL"),
    ("TELEPHONY", None, "READ", "FULL"),
    ("PHONE_NUMBERS", Some("TELEPHONY"), "READ", "FULL"),
    ("SIP_TRUNKS", Some("TELEPHONY"), "READ", "FULL"),
    ("COMPLIANCE_PROFILES", Some("TELEPHONY"), "READ", "FULL"),
    ("CAMPAIGNS_AND_CONTACTS", None, "READ", "FULL"),
    ("ACCOUNT", None, "LIMITED", "FULL"),
    ("SETTINGS", Some("ACCOUNT"), "READ", "FULL"),
    ("MEMBERS", Some("ACCOUNT"), "READ", "FULL"),
    ("SUBACCOUNTS", Some("ACCOUNT"), "READ", "FULL"),
    ("TRUST_CENTER", Some("ACCOUNT"), "READ", "FULL"),
    ("SCHEDULES", Some("ACCOUNT"), "READ", "FULL"),
    ("DEVELOPERS", None, "READ", "FULL"),
    ("INTEGRATIONS", Some("DEVELOPERS"), "READ", "FULL"),
    ("API_KEYS", Some("DEVELOPERS"), "READ", "FULL"),
    ("WEBHOOKS", Some("DEVELOPERS"), "READ", "FULL"),
    ("BILLING", None, "NONE", "FULL"),
    ("USAGE", Some("BILLING"), "NONE", "FULL"),
];

/// The level of each key that `restrictions`, those of an account and all above it, leave.
pub fn levels<'a>(
    restrictions: impl Iterator<Item = &'a (String, String)>,
) -> Vec<(&'static str, &'static str)> {
    let mut least: HashMap<&str, u8> = HashMap::with_capacity(MATRIX.len());
    for (key, level) in restrictions {
        let rank = match level.as_str() {
            "NONE" => 0,
            "FULL" => 2,
            _ => 1,
        };
        let known = least.entry(key).or_insert(rank);
        *known = rank.min(*known);
    }
    let of = |key: &str| least.get(key).copied().unwrap_or(2);
    let level = |(key, umbrella, middle, highest): (_, Option<&str>, _, _)| {
        let level = match umbrella.map_or(2, of).min(of(key)) {
            0 => "NONE",
            1 => middle,
            _ => highest,
        };
        (key, level)
    };
    MATRIX.into_iter().map(level).collect()
}

/// What Canopy counts of an account.
#[derive(Default, Clone, Copy)]
pub struct Used {
    pub api_keys: i64,
    pub depth: i64,
    pub members: i64,
    pub subaccounts: i64,
}

/// The least limit of each resource: of what the plans of the accounts on a path say, and of what is set on them.
pub fn limits<'a>(
    plans: impl Iterator<Item = &'a Value>,
    set: impl Iterator<Item = &'a (String, i64)>,
    used: Used,
) -> Vec<(String, Option<i64>, i64)> {
    let mut least: BTreeMap<&str, Option<i64>> = BTreeMap::new();
    let mut add = |resource: &'a str, max: Option<i64>| {
        let known = least.entry(resource).or_insert(max);
        *known = match (*known, max) {
            (Some(known), Some(max)) => Some(known.min(max)),
            (known, max) => known.or(max),
        };
    };
    for resource in ["api_keys", "depth", "members", "subaccounts"] {
        add(resource, None);
    }
    for plan in plans {
        add("depth", plan["max_depth"].as_i64());
        for (resource, max) in plan["caps"].as_object().into_iter().flatten() {
            add(resource, max.as_i64());
        }
    }
    for (resource, max) in set {
        add(resource, Some(*max));
    }
    let limit = |(resource, max): (&str, _)| {
        let used = match resource {
            "api_keys" => used.api_keys,
            "depth" => used.depth,
            "members" => used.members,
            "subaccounts" => used.subaccounts,
            _ => 0,
        };
        (resource.to_owned(), max, used)
    };
    least.into_iter().map(limit).collect()
}

/// Millionths as a decimal number without superfluous zeros.
pub fn decimal(micros: i64) -> String {
    let (whole, fraction) = (micros / 1_000_000, micros % 1_000_000);
    match fraction {
        0 => whole.to_string(),
        _ => format!("{whole}.{fraction:06}").trim_end_matches('0').to_owned(),
    }
}
