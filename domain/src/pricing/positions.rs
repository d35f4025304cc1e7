//! Where accounts stood before they were moved. Usage is sold along the path on which its account stood when it was used,
//! however late it is reported.

use std::collections::HashMap;

use canopy_entity::time::Timestamp;
use canopy_entity::{AccountId, AccountPath, account_position};
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::Result;
use crate::statement::{list, statement};

const POSITIONS: &str = "SELECT * FROM account_positions WHERE account_id IN [$1] ORDER BY account_id, until";

/// The places that an account had, each up to an instant, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Positions(Vec<(Timestamp, AccountPath)>);

impl Positions {
    /// Where the account stood at an instant; none if it was where it stands now.
    pub(super) fn at(&self, instant: Timestamp) -> Option<&AccountPath> {
        let then = self.0.iter().find(|(until, _)| instant < *until);
        then.map(|(_, path)| path)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

/// The places that these accounts had.
pub(super) async fn read(
    db: &impl ConnectionTrait,
    moved: &[AccountId],
) -> Result<HashMap<AccountId, Positions>> {
    let mut positions: HashMap<AccountId, Positions> = HashMap::new();
    if moved.is_empty() {
        return Ok(positions);
    }
    let read = statement(db.get_database_backend(), POSITIONS, [list(moved)]);
    for position in account_position::Model::find_by_statement(read).all(db).await? {
        let of_account = positions.entry(position.account_id).or_default();
        of_account.0.push((position.until, position.path));
    }
    Ok(positions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_stood_elsewhere_before_each_move_and_not_at_its_instant() {
        let id = AccountId::new();
        let places: Vec<AccountPath> = (0..2)
            .map(|_| AccountPath::root(&AccountId::new()).child(&id))
            .collect();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let positions = Positions(vec![
            (at("2026-03-01T00:00:00Z"), places[0].clone()),
            (at("2026-03-02T00:00:00Z"), places[1].clone()),
        ]);
        for (instant, place) in [
            ("2026-02-28T23:59:59.999999Z", Some(&places[0])),
            ("2026-03-01T00:00:00Z", Some(&places[1])),
            ("2026-03-01T23:59:59.999999Z", Some(&places[1])),
            ("2026-03-02T00:00:00Z", None),
        ] {
            assert_eq!(positions.at(at(instant)), place, "{instant}");
        }
        assert_eq!(Positions::default().at(at("2026-03-01T00:00:00Z")), None);
    }
}
