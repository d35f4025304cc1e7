//! A row of either way, read by the places of its columns.

use std::borrow::Cow;
use std::str::FromStr;

use canopy_entity::time::Timestamp;
use sea_orm::{ActiveEnum, QueryResult, TryGetable};
use tokio_postgres::types::FromSql;

use crate::{Error, Result};

/// A row.
pub(crate) enum Row {
    Pipelined(tokio_postgres::Row),
    Pooled(QueryResult),
}

impl Row {
    /// Text that is there.
    pub(crate) fn text(&self, column: usize) -> Result<Cow<'_, str>> {
        self.maybe_text(column)?.ok_or_else(|| null(column))
    }

    /// Text, or none.
    pub(crate) fn maybe_text(&self, column: usize) -> Result<Option<Cow<'_, str>>> {
        Ok(match self {
            Row::Pipelined(row) => row
                .try_get::<_, Option<&str>>(column)
                .map_err(Error::internal)?
                .map(Cow::Borrowed),
            Row::Pooled(row) => row.try_get_by_index::<Option<String>>(column)?.map(Cow::Owned),
        })
    }

    /// Text that says what it is: an id, a path.
    pub(crate) fn parsed<T: FromStr>(&self, column: usize) -> Result<T>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        self.text(column)?.parse().map_err(Error::internal)
    }

    /// The same, or none.
    pub(crate) fn maybe_parsed<T: FromStr>(&self, column: usize) -> Result<Option<T>>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let text = self.maybe_text(column)?;
        text.map(|text| text.parse().map_err(Error::internal)).transpose()
    }

    /// One of the names of an enumeration.
    pub(crate) fn named<T: ActiveEnum<Value = String>>(&self, column: usize) -> Result<T> {
        let text = self.text(column)?.into_owned();
        Ok(T::try_from_value(&text)?)
    }

    /// A number of eight bytes.
    pub(crate) fn number(&self, column: usize) -> Result<i64> {
        self.value(column)
    }

    /// A number that counts something.
    pub(crate) fn count(&self, column: usize) -> Result<u64> {
        u64::try_from(self.number(column)?).map_err(Error::internal)
    }

    /// A value whose type both drivers read.
    pub(crate) fn value<T: TryGetable + for<'a> FromSql<'a>>(&self, column: usize) -> Result<T> {
        match self {
            Row::Pipelined(row) => row.try_get(column).map_err(Error::internal),
            Row::Pooled(row) => Ok(row.try_get_by_index(column)?),
        }
    }

    /// An instant.
    pub(crate) fn time(&self, column: usize) -> Result<Timestamp> {
        self.value(column)
    }
}

fn null(column: usize) -> Error {
    Error::internal(format!("column {column} of a row is null"))
}
