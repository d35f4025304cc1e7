//! A migrated database for the tests of this crate: SQLite in a file of its own, or a fresh database on the
//! PostgreSQL server that `CANOPY_TEST_DATABASE_URL` names.

use std::sync::LazyLock;

use canopy_entity::account::{AccountKind, AccountStatus, BillingMode, CreditMode};
use canopy_entity::rule_version::{FailurePolicy, RuleClass, RuleKind, RuleStatus};
use canopy_entity::{
    AccountId, AccountPath, PlanId, Role, RuleVersionId, UserId, account, plan, rule_artifact, rule_version,
    time,
};
use canopy_migrations::{Migrator, MigratorTrait};
use canopy_rules_host::{CompilerCommand, Host, HostSettings};
use sea_orm::{
    ActiveModelTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, EntityTrait,
    IntoActiveModel,
};

use crate::accounts::{CreateSubaccount, NewRoot};
use crate::auth::TokenSettings;
use crate::{Actor, Credentials, Domain, Settings};

/// A database that is gone with the test.
pub(crate) struct TestDatabase {
    pub(crate) db: DatabaseConnection,
    _folder: Option<tempfile::TempDir>,
}

impl TestDatabase {
    /// A fresh database with all tables.
    pub(crate) async fn new() -> Self {
        let (url, folder) = match std::env::var("CANOPY_TEST_DATABASE_URL") {
            Ok(server) if server.starts_with("postgres") => (fresh_postgres(&server).await, None),
            _ => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}?mode=rwc", folder.path().join("canopy.db").display());
                (url, Some(folder))
            }
        };
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(8)
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|sqlite| sqlite.pragma("journal_mode", "WAL").foreign_keys(true));
        let db = Database::connect(options).await.unwrap();
        Migrator::up(&db, None).await.unwrap();
        Self { db, _folder: folder }
    }

    /// A plan with this configuration of `limits-by-plan`.
    pub(crate) async fn plan(&self, configuration: serde_json::Value) -> PlanId {
        let digest = "0".repeat(64);
        let artifact = rule_artifact::Model {
            digest: digest.clone(),
            wasm: vec![0],
            configuration_schema: None,
            created_at: time::now(),
        };
        rule_artifact::Entity::insert(artifact.into_active_model())
            .on_conflict_do_nothing()
            .exec_without_returning(&self.db)
            .await
            .unwrap();
        let rule = rule_version::Model {
            id: RuleVersionId::new(),
            owner_account_id: None,
            kind: RuleKind::Limits,
            name: format!("rule-{}", &RuleVersionId::new().as_str()[20..]),
            version: 1,
            digest,
            size_bytes: 1,
            class: RuleClass::Small,
            status: RuleStatus::Active,
            configuration: serde_json::json!({}),
            failure_policy: FailurePolicy::Deny,
            created_by: "system".into(),
            created_at: time::now(),
        };
        insert::<rule_version::Entity>(&self.db, rule.clone()).await;
        let plan = plan::Model {
            id: PlanId::new(),
            owner_account_id: None,
            name: "A plan".into(),
            description: String::new(),
            limits_rule_version_id: rule.id,
            limits_configuration: configuration,
            meters: serde_json::json!({}),
            created_at: time::now(),
        };
        insert::<plan::Entity>(&self.db, plan.clone()).await;
        plan.id
    }

    /// An account below `parent`, or a platform if there is none. The first level below a platform is a main account.
    pub(crate) async fn account(&self, parent: Option<&account::Model>, plan: &PlanId) -> account::Model {
        let id = AccountId::new();
        let kind = match parent.map(|parent| parent.kind) {
            None => AccountKind::Platform,
            Some(AccountKind::Platform) => AccountKind::Main,
            Some(_) => AccountKind::Subaccount,
        };
        let row = account::Model {
            parent_id: parent.map(|parent| parent.id.clone()),
            path: parent.map_or_else(|| AccountPath::root(&id), |parent| parent.path.child(&id)),
            depth: parent.map_or(0, |parent| parent.depth + 1),
            kind,
            name: format!("{kind:?} account"),
            status: AccountStatus::Active,
            currency: "USD".into(),
            time_zone: "UTC".into(),
            plan_id: Some(plan.clone()),
            plan_inherited: false,
            billing_mode: if kind == AccountKind::Subaccount {
                BillingMode::Parent
            } else {
                BillingMode::Own
            },
            credit_mode: CreditMode::Manual,
            external_ref: None,
            created_at: time::now(),
            updated_at: time::now(),
            restrictions: String::new(),
            id,
        };
        insert::<account::Entity>(&self.db, row.clone()).await;
        row
    }
}

/// Inserts a row as it is.
pub(crate) async fn insert<E>(db: &DatabaseConnection, row: E::Model)
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: Send,
{
    E::insert(row.into_active_model().reset_all())
        .exec_without_returning(db)
        .await
        .unwrap();
}

async fn fresh_postgres(server: &str) -> String {
    let admin = Database::connect(server).await.unwrap();
    let name = format!("canopy_test_{}", &AccountId::new().as_str()[4..]);
    admin
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// A domain on a fresh database, with the rules and plans that Canopy ships.
pub(crate) struct TestDomain {
    pub(crate) domain: Domain,
    pub(crate) database: TestDatabase,
}

impl TestDomain {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new().await;
        let settings = Settings::new(TokenSettings {
            secret: vec![7; 32],
            issuer: "canopy".into(),
            audience: "canopy-api".into(),
            lifetime: std::time::Duration::from_secs(900),
            leeway: std::time::Duration::from_secs(5),
        });
        let domain = Domain::open(database.db.clone(), rules_host(), settings).unwrap();
        domain.ensure_builtins().await.unwrap();
        Self { domain, database }
    }

    /// A main account with this plan, and Canopy itself as an actor on it.
    pub(crate) async fn main_account(&self, plan: &str) -> (account::Model, Actor) {
        let new = NewRoot {
            parent: None,
            kind: AccountKind::Main,
            name: format!("Main account on {plan}"),
            currency: "USD".into(),
            plan_id: Some(PlanId::parse(plan).unwrap()),
            time_zone: None,
        };
        let row = self.domain.create_root(new).await.unwrap();
        let actor = self.domain.system_actor(&row.id, &row.path);
        (row, actor)
    }

    /// A person who is a member of an account, and the credentials of a token of theirs.
    pub(crate) async fn person(&self, account: &account::Model, role: Role) -> (UserId, Credentials) {
        let email = format!("{}@example.com", UserId::new().as_str());
        let user = self.domain.create_user(&email, "A person", None).await.unwrap();
        let system = self.domain.system_actor(&account.id, &account.path);
        let view = self.domain.account(&system, &account.id).await.unwrap();
        self.domain
            .add_member(&system, &view, &user.id, role)
            .await
            .unwrap();
        let token = self.domain.issue_token(&user.id, None).await.unwrap().token;
        (user.id, credentials(&token))
    }
}

/// A subaccount to be made, with nothing but a parent and a name.
pub(crate) fn subaccount(parent_id: &AccountId, name: &str) -> CreateSubaccount {
    CreateSubaccount {
        parent_id: parent_id.clone(),
        name: name.into(),
        plan_id: None,
        credit_mode: None,
        external_ref: None,
        time_zone: None,
    }
}

/// What a request with this token or API key carries.
pub(crate) fn credentials(secret: &str) -> Credentials {
    Credentials {
        authorization: Some(format!("Bearer {secret}")),
        sub_account: None,
        address: None,
    }
}

/// The sandbox of rules, one for all tests.
pub(crate) fn rules_host() -> Host {
    static HOST: LazyLock<Host> = LazyLock::new(|| {
        let mut settings = HostSettings::new(CompilerCommand {
            program: rule_compiler(),
            args: Vec::new(),
        });
        // A compiler without optimizations, beside other tests, on a busy machine.
        settings.small.compile.cpu *= 10;
        settings.small.compile.deadline *= 10;
        settings.small.deadline *= 10;
        Host::new(settings).unwrap()
    });
    HOST.clone()
}

/// The program that compiles rules, built if it is not there yet.
fn rule_compiler() -> std::path::PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("canopy-rule-compiler");
    if !program.exists() {
        let built = std::process::Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--package",
                "canopy-rules-host",
                "--bin",
                "canopy-rule-compiler",
            ])
            .status()
            .unwrap();
        assert!(built.success(), "the compiler of rules could not be built");
    }
    program
}
