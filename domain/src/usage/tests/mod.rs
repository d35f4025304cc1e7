//! The whole way of an event, on a real database and with real rules: `CANOPY_TEST_DATABASE_URL` chooses PostgreSQL.

mod group_commit;
mod open_quarters;
mod recording;
mod retries;
mod rights;
mod streams;
mod turns;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use canopy_entity::ledger_account::LedgerKind;
use canopy_entity::rule_version::{FailurePolicy, RuleKind};
use canopy_entity::{account, ledger_account, outbox, time};
use canopy_rules_host::{CompilerCommand, Host, HostSettings};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryFilter,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

use super::*;
use crate::auth::TokenSettings;
use crate::domain::Faults;
use crate::rules::{ChangeRule, RuleSource, RuleStep, RuleVersionView, UploadRule};
use crate::testing::TestDatabase;
use crate::{Actor, Domain, ErrorCode, Micros, Settings};

/// The compiler of rules, which is a program of its own; built once if it is not there.
fn compiler() -> PathBuf {
    static COMPILER: LazyLock<PathBuf> = LazyLock::new(|| {
        let deps = std::env::current_exe().unwrap();
        let program = deps.ancestors().nth(2).unwrap().join("canopy-rule-compiler");
        if !program.exists() {
            let built = std::process::Command::new(env!("CARGO"))
                .args([
                    "build",
                    "--quiet",
                    "-p",
                    "canopy-rules-host",
                    "--bin",
                    "canopy-rule-compiler",
                ])
                .status();
            assert!(built.unwrap().success());
        }
        program
    });
    COMPILER.clone()
}

fn host() -> Host {
    static HOST: LazyLock<Host> = LazyLock::new(|| {
        let mut settings = HostSettings::new(CompilerCommand {
            program: compiler(),
            args: Vec::new(),
        });
        // A compiler without optimizations, beside other tests, on a busy machine.
        settings.small.compile.cpu *= 10;
        settings.small.compile.deadline *= 10;
        Host::new(settings).unwrap()
    });
    HOST.clone()
}

/// A platform, an agency below it, a client of the agency, and a client's client.
struct House {
    domain: Domain,
    database: TestDatabase,
    actor: Actor,
    platform: account::Model,
    agency: account::Model,
    client: account::Model,
    inner: account::Model,
}

/// A process on `database`.
fn open(database: &TestDatabase, faults: Faults) -> Domain {
    open_with(database, |settings| settings.faults = faults)
}

fn open_with(database: &TestDatabase, set: impl FnOnce(&mut Settings)) -> Domain {
    let tokens = TokenSettings {
        secret: vec![7; 32],
        issuer: "canopy".to_owned(),
        audience: "canopy".to_owned(),
        lifetime: Duration::from_secs(60),
        leeway: Duration::from_secs(5),
    };
    let mut settings = Settings::new(tokens);
    set(&mut settings);
    Domain::open(database.db.clone(), host(), settings).unwrap()
}

async fn house() -> House {
    house_with(Faults::default()).await
}

async fn house_with(faults: Faults) -> House {
    let database = TestDatabase::new().await;
    let domain = open(&database, faults);
    domain.ensure_builtins().await.unwrap();
    let plan = canopy_entity::PlanId::parse("pln_itellico").unwrap();
    let platform = database.account(None, &plan).await;
    let agency = database.account(Some(&platform), &plan).await;
    let client = database.account(Some(&agency), &plan).await;
    let inner = database.account(Some(&client), &plan).await;
    let actor = domain.system_actor(&platform.id, &platform.path);
    House {
        domain,
        database,
        actor,
        platform,
        agency,
        client,
        inner,
    }
}

impl House {
    /// Whether a transaction waits for another; SQLite does not say.
    async fn anybody_waits(&self) -> bool {
        let waits = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        match self.database.db.get_database_backend() {
            DbBackend::Sqlite => true,
            _ => self.count(waits).await > 0,
        }
    }

    /// A transaction that writes from its beginning, as SQLite wants it told.
    async fn begin(&self) -> DatabaseTransaction {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.database.db.begin_with_options(options).await.unwrap()
    }

    async fn upload(
        &self,
        owner: &account::Model,
        configuration: serde_json::Value,
        policy: FailurePolicy,
    ) -> crate::Result<RuleVersionView> {
        let upload = UploadRule {
            account_id: owner.id.clone(),
            kind: RuleKind::Pricing,
            name: "prices".to_owned(),
            source: RuleSource::Builtin("tiered-pricing".to_owned()),
            configuration,
            failure_policy: Some(policy),
            check: true,
        };
        Ok(self.domain.upload_rule(&self.actor, upload, None).await?.value)
    }

    async fn sell(&self, owner: &account::Model, configuration: serde_json::Value, policy: FailurePolicy) {
        let version = self.upload(owner, configuration, policy).await.unwrap();
        self.activate(&version).await;
    }

    async fn activate(&self, version: &RuleVersionView) {
        let activate = ChangeRule::new(RuleStep::Activate, version.row.id.clone());
        self.domain
            .change_rule(&self.actor, activate, None)
            .await
            .unwrap();
        // These tests count the news of usage.
        outbox::Entity::delete_many()
            .filter(outbox::Column::Topic.eq("rule"))
            .exec(&self.database.db)
            .await
            .unwrap();
    }

    /// The platform charges 0.10 per unit, the agency half as much again.
    async fn with_prices(self) -> Self {
        let price = serde_json::json!({"meters": {"minutes": {"unit_price": "0.10"}}});
        self.sell(&self.platform, price, FailurePolicy::KeepPending).await;
        let markup = serde_json::json!({"meters": {"*": {"markup_ppm": 500_000}}});
        self.sell(&self.agency, markup, FailurePolicy::KeepPending).await;
        self
    }

    async fn grant(&self, account: &account::Model, amount: &str) {
        let view = self.domain.account(&self.actor, &account.id).await.unwrap();
        let amount = amount.parse().unwrap();
        self.domain
            .grant_credits(&self.actor, &view, amount)
            .await
            .unwrap();
    }

    async fn record(&self, account: &account::Model, events: Vec<NewUsageEvent>) -> Vec<EventOutcome> {
        self.try_record(account, events).await.unwrap()
    }

    async fn try_record(
        &self,
        account: &account::Model,
        events: Vec<NewUsageEvent>,
    ) -> crate::Result<Vec<EventOutcome>> {
        let batch = RecordUsage {
            account_id: account.id.clone(),
            events,
        };
        self.domain.record_usage(&self.actor, batch).await
    }

    async fn wallet(&self, account: &account::Model, kind: LedgerKind) -> i64 {
        let row = ledger_account::Entity::find()
            .filter(ledger_account::Column::AccountId.eq(account.id.clone()))
            .filter(ledger_account::Column::Kind.eq(kind))
            .one(&self.database.db)
            .await
            .unwrap();
        row.map_or(0, |row| row.credits - row.debits)
    }

    async fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) AS n FROM {table}");
        let statement = crate::statement::statement(self.database.db.get_database_backend(), &sql, []);
        let row = self.database.db.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get("", "n").unwrap()
    }

    /// How many facts the outbox tells.
    async fn told(&self) -> i64 {
        let rows = outbox::Entity::find().all(&self.database.db).await.unwrap();
        rows.iter().map(|row| i64::from(row.events)).sum()
    }

    /// Debits equal credits over the whole ledger, and no wallet is overdrawn.
    async fn assert_balanced(&self) {
        let rows = ledger_account::Entity::find()
            .all(&self.database.db)
            .await
            .unwrap();
        let (debits, credits) = rows.iter().fold((0, 0), |(debits, credits), row| {
            (debits + row.debits, credits + row.credits)
        });
        assert_eq!(debits, credits);
    }

    async fn usage(&self, account: &account::Model, include_descendants: bool) -> UsageView {
        let now = time::now();
        let query = UsageQuery {
            period: Period {
                start: now - chrono::Duration::hours(1),
                end: now + chrono::Duration::hours(1),
            },
            granularity: Granularity::Month,
            clocks: Clocks::default(),
            meters: Some(vec!["minutes".to_owned()]),
            include_descendants,
            only_totals: false,
        };
        let view = self.domain.account(&self.actor, &account.id).await.unwrap();
        let mut views = self.domain.usage(&self.actor, &[view], &query).await.unwrap();
        views.remove(&account.id).unwrap()
    }
}

fn event(key: &str, quantity: &str) -> NewUsageEvent {
    NewUsageEvent {
        account_id: None,
        idempotency_key: key.to_owned(),
        meter: "minutes".to_owned(),
        quantity: quantity.parse().unwrap(),
        occurred_at: None,
        attributes: serde_json::Value::Null,
    }
}

fn micros(text: &str) -> i64 {
    text.parse::<Micros>().unwrap().get()
}

fn accepted(outcome: &EventOutcome) -> &canopy_entity::usage_event::Model {
    match outcome {
        EventOutcome::Accepted(row) => row,
        other => panic!("not accepted: {other:?}"),
    }
}

fn refused(outcome: &EventOutcome) -> ErrorCode {
    match outcome {
        EventOutcome::Refused(error) => error.code(),
        other => panic!("not refused: {other:?}"),
    }
}
