//! A database for one test, gone with it: a SQLite file, or a PostgreSQL database where
//! CANOPY_TEST_DATABASE_URL names a server. Both are copies of one that was migrated once.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use canopy::config::{Config, Sources};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbErr};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// A database of its own.
pub(crate) struct TestDatabase {
    url: String,
    // The template lives as long as a test that was made from it.
    _template: Arc<Template>,
    place: Place,
}

enum Place {
    File { _directory: TempDir },
    Server { admin: String, name: String },
}

/// What every test's database is a copy of.
enum Template {
    File { path: PathBuf, _directory: TempDir },
    Server { admin: String, name: String },
}

/// True if this run is on PostgreSQL.
pub(crate) fn on_postgres() -> bool {
    std::env::var_os("CANOPY_TEST_DATABASE_URL").is_some()
}

static NUMBER: AtomicUsize = AtomicUsize::new(0);

fn fresh_name(what: &str) -> String {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("canopy_{what}_{}_{number}", std::process::id())
}

impl TestDatabase {
    pub(crate) async fn create() -> Self {
        let template = Template::get().await;
        let (url, place) = match template.as_ref() {
            Template::File { path, .. } => {
                let directory = tempfile::tempdir().expect("a temporary directory can be made");
                let file = directory.path().join("canopy.db");
                std::fs::copy(path, &file).expect("the template can be copied");
                let url = format!("sqlite://{}?mode=rwc", file.display());
                (
                    url,
                    Place::File {
                        _directory: directory,
                    },
                )
            }
            Template::Server { admin, name: from } => {
                let name = fresh_name("it");
                administer(admin, &format!("CREATE DATABASE {name} TEMPLATE {from}")).await;
                let admin = admin.clone();
                (sibling(&admin, &name), Place::Server { admin, name })
            }
        };
        Self {
            url,
            _template: template,
            place,
        }
    }

    /// The URL, as `database.url` in the configuration.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A pool of its own, opened as the product opens it.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        canopy::database::connect(&config(&self.url))
            .await
            .expect("the test's database can be opened")
    }
}

/// The configuration of the product with another database.
pub(crate) fn config(url: &str) -> Config {
    Sources::default()
        .flag("--database", "database.url", Some(url))
        .load()
        .expect("the defaults are valid")
        .config
}

impl Template {
    async fn get() -> Arc<Self> {
        static CURRENT: Mutex<Weak<Template>> = Mutex::const_new(Weak::new());
        let mut current = CURRENT.lock().await;
        if let Some(template) = current.upgrade() {
            return template;
        }
        let template = Arc::new(Self::make().await);
        *current = Arc::downgrade(&template);
        template
    }

    async fn make() -> Self {
        let (url, template) = match std::env::var("CANOPY_TEST_DATABASE_URL") {
            Ok(admin) => {
                let name = fresh_name("template");
                administer(&admin, &format!("CREATE DATABASE {name}")).await;
                (sibling(&admin, &name), Template::Server { admin, name })
            }
            Err(_) => {
                let directory = tempfile::tempdir().expect("a temporary directory can be made");
                let path = directory.path().join("template.db");
                let url = format!("sqlite://{}?mode=rwc", path.display());
                (
                    url,
                    Template::File {
                        path,
                        _directory: directory,
                    },
                )
            }
        };
        let connection = canopy::database::connect(&config(&url))
            .await
            .expect("a new database can be opened");
        canopy::database::migrate(&connection)
            .await
            .expect("a new database can be migrated");
        if let Template::File { .. } = template {
            // The file alone is copied: nothing may be left in the write-ahead log.
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            connection
                .execute_unprepared(checkpoint)
                .await
                .expect("a checkpoint can be made");
        }
        connection.close().await.expect("the connection can be closed");
        template
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Place::Server { admin, name } = &self.place {
            remove(admin.clone(), name.clone());
        }
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        if let Template::Server { admin, name } = self {
            remove(admin.clone(), name.clone());
        }
    }
}

/// The URL of another database of the same server.
fn sibling(admin: &str, name: &str) -> String {
    let (server, _) = admin
        .rsplit_once('/')
        .expect("a URL names a database after its last slash");
    format!("{server}/{name}")
}

async fn administer(admin: &str, sql: &str) {
    let done = attempt(admin, sql).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn attempt(admin: &str, sql: &str) -> Result<(), DbErr> {
    let connection = Database::connect(admin)
        .await
        .expect("CANOPY_TEST_DATABASE_URL names a server that answers");
    let done = connection.execute_unprepared(sql).await;
    connection.close().await.expect("the connection can be closed");
    done.map(|_| ())
}

/// How often a database is tried to be dropped, and how fast.
const TRIES: (u32, Duration) = (100, Duration::from_millis(100));

/// Drops a database from outside of any runtime, so that a failed test cleans up too. While the server's autovacuum is in
/// it, it cannot be: that process is the server's own and ends by itself.
fn remove(admin: String, name: String) {
    let removal = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        runtime.block_on(async {
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let mut tries = tokio::time::interval(TRIES.1);
            for _ in 1..TRIES.0 {
                tries.tick().await;
                if attempt(&admin, &sql).await.is_ok() {
                    return;
                }
            }
            administer(&admin, &sql).await;
        });
    });
    if removal.join().is_err() && !std::thread::panicking() {
        panic!("a database of a test was not dropped");
    }
}
