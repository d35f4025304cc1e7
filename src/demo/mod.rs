//! The demo: a realistic tree, made through the same services as everything else.
//!
//! `tree` says what there is, `seed` makes it, `usage` records a month of usage, `story` reads back what a
//! visitor needs, `announce` tells it. Nothing here bypasses a check of the domain.

mod announce;
mod seed;
mod story;
mod tree;
mod usage;

pub use announce::{as_json, as_text, write_files};
pub use seed::seed;
pub use story::{Story, find_platform, tell};

/// The README's nested query; its variable is `id`.
pub const HIERARCHY: &str = include_str!("hierarchy.graphql");

/// The documents that the demo hands out, by name.
pub const QUERIES: [(&str, &str); 6] = [
    ("hierarchy", HIERARCHY),
    ("me", include_str!("queries/me.graphql")),
    ("recordUsage", include_str!("queries/record_usage.graphql")),
    ("uploadRule", include_str!("queries/upload_rule.graphql")),
    ("activateRule", include_str!("queries/activate_rule.graphql")),
    ("usageUpdates", include_str!("queries/usage_updates.graphql")),
];
