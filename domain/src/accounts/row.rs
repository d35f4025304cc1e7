//! An account's row, as the statements of this crate select it.

use canopy_entity::account;

use crate::Result;
use crate::store::Row;

/// The columns of `accounts`, in the order in which they are read.
const COLUMNS: [&str; 17] = [
    "id",
    "parent_id",
    "path",
    "depth",
    "kind",
    "name",
    "status",
    "currency",
    "time_zone",
    "plan_id",
    "plan_inherited",
    "billing_mode",
    "credit_mode",
    "external_ref",
    "created_at",
    "updated_at",
    "restrictions",
];

/// How many they are.
pub(crate) const WIDTH: usize = COLUMNS.len();

/// The columns of the table that stands in a statement under the name `table`.
pub(crate) fn columns(table: &str) -> String {
    COLUMNS.map(|column| format!("{table}.{column}")).join(", ")
}

/// The account in a row that has its columns from the place `at` on.
pub(crate) fn read(row: &Row, at: usize) -> Result<account::Model> {
    Ok(account::Model {
        id: row.parsed(at)?,
        parent_id: row.maybe_parsed(at + 1)?,
        path: row.parsed(at + 2)?,
        depth: row.value(at + 3)?,
        kind: row.named(at + 4)?,
        name: row.text(at + 5)?.into_owned(),
        status: row.named(at + 6)?,
        currency: row.text(at + 7)?.into_owned(),
        time_zone: row.text(at + 8)?.into_owned(),
        plan_id: row.maybe_parsed(at + 9)?,
        plan_inherited: row.value(at + 10)?,
        billing_mode: row.named(at + 11)?,
        credit_mode: row.named(at + 12)?,
        external_ref: row.maybe_text(at + 13)?.map(|text| text.into_owned()),
        created_at: row.time(at + 14)?,
        updated_at: row.time(at + 15)?,
        restrictions: row.text(at + 16)?.into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use canopy_entity::account;
    use sea_orm::{IdenStatic, Iterable};

    use super::*;

    #[test]
    fn all_columns_of_the_table_are_read_in_its_order() {
        let columns: Vec<&str> = account::Column::iter().map(|column| column.as_str()).collect();
        assert_eq!(columns, COLUMNS);
    }
}
