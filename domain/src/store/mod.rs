//! Where the rows of a nested read come from: prepared statements, those of one request sent together.
//!
//! On PostgreSQL a request sends on one connection whatever it asks for at once, without waiting for the first answer:
//! the driver of sea-orm sends one statement at a time. Rows come as they are, without a model in between. SQLite is in the process, and there sea-orm's pool answers.
//! It knows SQL and values, and nothing of what the rows mean.

mod address;
mod pipeline;
mod query;
mod row;

use std::sync::Arc;

use futures_util::FutureExt;
use sea_orm::{ConnectionTrait, Statement};

use crate::{Domain, Result};

use pipeline::{Pipeline, PipelineError};

pub use address::is_near;
pub(crate) use pipeline::Lease;
pub use pipeline::PipelineSettings;
pub(crate) use query::{Given, Query};
pub(crate) use row::Row;

/// Told of each statement that goes past sea-orm, before it is sent.
pub type StatementListener = Arc<dyn Fn(Statement) + Send + Sync>;

/// The two ways to the rows.
pub(crate) struct Store {
    /// None on SQLite, and where it cannot be had.
    pipeline: Option<Pipeline>,
    listener: Option<StatementListener>,
}

impl Store {
    /// A store with a pipeline of its own, if there is to be one.
    pub(crate) fn new(settings: Option<&PipelineSettings>, listener: Option<StatementListener>) -> Self {
        let pipeline = settings.and_then(|settings| match Pipeline::new(settings) {
            Ok(pipeline) => Some(pipeline),
            Err(error) => {
                tracing::warn!(%error, "reads are not sent together");
                None
            }
        });
        Self { pipeline, listener }
    }
}

impl Domain {
    /// The same services for one request: what it reads at once is sent at once.
    pub fn for_one_request(&self) -> Self {
        Self(Arc::clone(&self.0), Lease::new())
    }

    /// The rows that `query` selects. Asked for at once, several are answered on one connection, one after the other.
    pub(crate) async fn rows(&self, query: &Query, given: &[Given<'_>]) -> Result<Vec<Row>> {
        let (db, store) = (&self.0.db, &self.0.store);
        let backend = db.get_database_backend();
        let Some(pipeline) = &store.pipeline else {
            let rows = db.query_all_raw(query.statement(backend, given)).boxed().await?;
            return Ok(rows.into_iter().map(Row::Pooled).collect());
        };
        if let Some(listener) = &store.listener {
            listener(query.statement(backend, given));
        }
        let rows = pipeline.rows(&self.1, query, given).await?;
        Ok(rows.into_iter().map(Row::Pipelined).collect())
    }
}
