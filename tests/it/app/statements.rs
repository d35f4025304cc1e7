//! Listens to the SQL statements of a connection.

use std::sync::{Arc, Mutex};

use canopy_domain::store::StatementListener;
use sea_orm::{DatabaseConnection, Statement};

/// The statements since the last time they were taken.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Statement>>>);

impl Recorder {
    /// Records all statements of `connection` from now on.
    pub(crate) fn listen(&self, connection: &mut DatabaseConnection) {
        let statements = Arc::clone(&self.0);
        connection.set_metric_callback(move |info| {
            statements.lock().unwrap().push(info.statement.clone());
        });
    }

    /// Records the statements that go past sea-orm.
    pub(crate) fn listener(&self) -> StatementListener {
        let statements = Arc::clone(&self.0);
        Arc::new(move |statement| statements.lock().unwrap().push(statement))
    }

    /// Takes what was recorded.
    pub(crate) fn take(&self) -> Vec<Statement> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}
