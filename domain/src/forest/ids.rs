//! Ids that are the same in each forest: a fixed instant, then a number in the digits of a ULID.

use std::str::FromStr;

/// The first half of each ULID: midnight of 1 January 2025.
const INSTANT: &str = "01jgfjjz00";

/// The id of the kind with this prefix and number; ids are in the order of their numbers.
pub(super) fn id<I: FromStr>(prefix: &str, number: u64) -> I {
    let text = format!("{prefix}{INSTANT}{number:016}");
    text.parse()
        .unwrap_or_else(|_| unreachable!("decimal digits are digits of a ULID: {text}"))
}

#[cfg(test)]
mod tests {
    use canopy_entity::AccountId;

    use super::*;

    #[test]
    fn ids_are_in_the_order_of_their_numbers() {
        let ids: Vec<AccountId> = [0, 9, 10, 6_000, 1_000_000]
            .map(|number| id("acc_", number))
            .into();
        assert!(ids.is_sorted());
    }
}
