//! What is dearer than one point an object, and how long the lists are that do not say so.
//!
//! A point stands for about one row read and half a kilobyte of answer. The numbers are judgements, not measurements:
//! they keep the dearest document within a small factor of what its points promise.

use crate::shape::Field;

/// The length that is assumed of a list without a length of its own.
const LENGTH: u64 = 10;

/// Lists that are longer or shorter than most: the type, the field, the length.
const LENGTHS: [(&str, &str, u64); 8] = [
    ("PermissionSet", "permissions", 28),
    ("Usage", "buckets", 50),
    ("UsageEvent", "ratings", 5),
    ("Query", "plans", 25),
    ("__Schema", "types", 200),
    ("__Schema", "directives", 8),
    ("__Type", "interfaces", 2),
    ("__Field", "args", 2),
];

/// Fields that read more than a row, run a rule, or give a text of up to 64 KiB: the type or `*`, the field, the points.
const WEIGHTS: [(&str, &str, u64); 30] = [
    ("*", "totalCount", 2),
    ("*", "limits", 5),
    ("*", "usage", 5),
    ("*", "configuration", 16),
    ("*", "configurationSchema", 16),
    ("*", "attributes", 4),
    ("*", "input", 16),
    ("*", "output", 16),
    ("*", "logs", 64),
    ("*", "checkReport", 20),
    ("Rating", "explain", 20),
    ("ResourceLimit", "explain", 20),
    ("*", "replay", 20),
    ("Mutation", "activateRule", 50),
    ("Mutation", "cancelSimulation", 10),
    ("Mutation", "checkRule", 500),
    ("Mutation", "correctUsage", 20),
    ("Mutation", "createSubaccount", 20),
    ("Mutation", "moveAccount", 50),
    ("Mutation", "quoteUsage", 10),
    ("Mutation", "recordUsage", 10),
    ("Mutation", "retireRule", 50),
    ("Mutation", "rollbackRule", 50),
    ("Mutation", "setPermissions", 20),
    ("Mutation", "setRuleGuard", 10),
    ("Mutation", "shadowRule", 50),
    ("Mutation", "signIn", 50),
    ("Mutation", "simulateRule", 500),
    ("Mutation", "updateSubaccount", 20),
    ("Mutation", "uploadRule", 500),
];

/// Mutations that cost so much for each item of a list in their input.
const EACH: [(&str, &str); 3] = [
    ("correctUsage", "corrections"),
    ("recordUsage", "events"),
    ("registerDocuments", "documents"),
];

/// What each mutation costs that is not in the table.
const MUTATION: u64 = 20;

/// The points of one object or value that a field gives, without what is selected from it.
pub(super) fn of(ty: &str, field: &str, known: &Field) -> u64 {
    let own = WEIGHTS
        .iter()
        .find(|(of, name, _)| *name == field && (*of == ty || *of == "*"));
    match own {
        Some((_, _, points)) => *points,
        None if ty == "Mutation" => MUTATION,
        None => u64::from(known.is_composite),
    }
}

/// The list in the input of a mutation whose items each cost the mutation's points.
pub(super) fn items(ty: &str, field: &str) -> Option<&'static str> {
    let own = EACH.iter().find(|(name, _)| ty == "Mutation" && *name == field);
    own.map(|(_, list)| *list)
}

/// The length that is assumed of a list.
pub(super) fn length(ty: &str, field: &str) -> u64 {
    let own = LENGTHS.iter().find(|(of, name, _)| *of == ty && *name == field);
    own.map_or(LENGTH, |(_, _, length)| *length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{Count, Shape};

    #[test]
    fn each_row_of_the_tables_is_a_field_of_the_schema() {
        let shape = Shape::of(&crate::sdl());
        for (ty, field, _) in WEIGHTS {
            let mut all = shape.all();
            assert!(
                all.any(|(of, name, _)| name == field && (ty == "*" || of == ty)),
                "{ty}.{field}"
            );
        }
        for (ty, field, _) in LENGTHS {
            let known = shape.field(ty, field).map(|known| known.count);
            assert_eq!(known, Some(Count::Some), "{ty}.{field}");
        }
    }
}
