//! A month of usage: the first of it recorded by the product itself, the rest by the same rule and written in bulk,
//! with the receipts that recording it would have made.

use std::collections::HashMap;

use canopy_domain::entity::account;
use canopy_domain::entity::rating::{Stored, StoredEdge, StoredItem, StoredReceipt};
use canopy_domain::entity::time::{self, Timestamp};
use canopy_domain::entity::{AccountId, RuleVersionId, UsageBatchId, UsageEventId, digest};
use canopy_domain::rules_host::{
    ENGINE, Host, LoadedRule, PeriodTotals, PricingAccount, PricingInput, UsageLine, builtin,
};
use canopy_domain::usage::{NewUsageEvent, RecordUsage};
use canopy_domain::{Actor, Domain, Micros};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};

use crate::Result;
use crate::seller::{self, Seller, tiers};

/// Events that are recorded as a client would.
const RECORDED: usize = 10_000;
const BATCH: usize = 1_000;
const METERS: [&str; 3] = ["call_minutes", "messages", "tokens"];
const ATTRIBUTES: &str = r#"{"direction":"inbound","region":"eu-west"}"#;

pub(crate) struct Seeded {
    pub(crate) domain: Domain,
    pub(crate) host: Host,
    pub(crate) wasm: Vec<u8>,
    pub(crate) actor: Actor,
    pub(crate) seller: account::Model,
    pub(crate) rule: RuleVersionId,
    pub(crate) events: usize,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) month: String,
    pub(crate) database: &'static str,
    _folder: tempfile::TempDir,
}

/// What is tried in its place.
pub(crate) fn other_tiers() -> Value {
    json!({"meters": {"*": {"tiers": [
        {"up_to": "500", "unit_price": "0.1"}, {"up_to": "5000", "unit_price": "0.08"}, {"unit_price": "0.055"}
    ]}}})
}

pub(crate) async fn make(events: usize, accounts: usize) -> Result<Seeded> {
    let folder = tempfile::tempdir()?;
    let url = match std::env::var("CANOPY_BENCH_DATABASE_URL") {
        Ok(server) => new_database(&server).await?,
        Err(_) => format!("sqlite://{}?mode=rwc", folder.path().join("bench.db").display()),
    };
    let db = seller::database(&url).await?;
    let host = seller::host()?;
    let seller = Seller::settle(&db, host.clone(), "pln_connector").await?;
    let wasm = builtin("tiered-pricing").ok_or("no such rule")?.wasm.to_vec();
    let rule = seller.price().await?;
    let buyers = seller.clients(accounts).await?;
    let now = time::now();
    let (from, to) = (now - chrono::Duration::days(30), now);
    let recorded = record(&seller, &buyers, events.min(RECORDED)).await?;
    let mut bulk = Bulk {
        db: &db,
        host: &host,
        loaded: host.prepare(wasm.clone()).await?,
        seller: &seller.account,
        buyers: &buyers,
        rule: &rule,
        from,
        used: HashMap::new(),
    };
    bulk.write(events - recorded).await?;
    if db.get_database_backend() != DbBackend::Sqlite {
        db.execute_unprepared("ANALYZE").await?;
    }
    Ok(Seeded {
        database: match db.get_database_backend() {
            DbBackend::Sqlite => "SQLite",
            _ => "PostgreSQL",
        },
        domain: seller.domain,
        host,
        wasm,
        actor: seller.actor,
        rule,
        events,
        from,
        to: to + chrono::Duration::hours(1),
        month: format!("{} to {}", from.date_naive(), to.date_naive()),
        seller: seller.account,
        _folder: folder,
    })
}

async fn new_database(server: &str) -> Result<String> {
    let name = format!("canopy_bench_{}", std::process::id());
    let admin = Database::connect(server).await?;
    admin
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await?;
    let (base, _) = server.rsplit_once('/').ok_or("a URL names a database")?;
    Ok(format!("{base}/{name}"))
}

/// Records usage as a client would.
async fn record(seller: &Seller, buyers: &[account::Model], events: usize) -> Result<usize> {
    for start in (0..events).step_by(BATCH) {
        let batch = (start..events.min(start + BATCH)).map(|number| NewUsageEvent {
            account_id: Some(buyers[number % buyers.len()].id.clone()),
            idempotency_key: format!("recorded {number}"),
            meter: METERS[number % METERS.len()].to_owned(),
            quantity: Micros::new(quantity(number)).expect("a small number"),
            occurred_at: None,
            attributes: serde_json::from_str(ATTRIBUTES).expect("JSON"),
        });
        let input = RecordUsage {
            account_id: seller.account.id.clone(),
            events: batch.collect(),
        };
        seller.domain.record_usage(&seller.actor, input).await?;
    }
    Ok(events)
}

fn quantity(number: usize) -> i64 {
    (1 + (number * 7_919) % 997) as i64 * 100_000
}

/// Usage that is written past the product, with the same rule and the same receipts.
struct Bulk<'a> {
    db: &'a DatabaseConnection,
    host: &'a Host,
    loaded: LoadedRule,
    seller: &'a account::Model,
    buyers: &'a [account::Model],
    rule: &'a RuleVersionId,
    from: Timestamp,
    used: HashMap<(usize, usize, Timestamp), (i64, i64)>,
}

impl Bulk<'_> {
    async fn write(&mut self, events: usize) -> Result<()> {
        let mut days: HashMap<(AccountId, Timestamp, usize), (i64, i64)> = HashMap::new();
        for start in (0..events).step_by(BATCH) {
            let end = events.min(start + BATCH);
            let rows = self.batch(start..end, events, &mut days).await?;
            let (first, last) = (&rows[0], &rows[rows.len() - 1]);
            let found = [self.seller.id.to_string(), self.rule.to_string()].map(|rated_by| {
                json!({
                    "rated_by": rated_by, "batch_id": first["batch_id"],
                    "first_event_id": first["id"], "last_event_id": last["id"],
                })
            });
            insert(self.db, "rated_batches", found.to_vec()).await?;
            insert(self.db, "usage_events", rows).await?;
        }
        let mut trees: HashMap<(AccountId, Timestamp, usize), (i64, i64)> = days.clone();
        for ((_, day, meter), (quantity, events)) in &days {
            let tree = trees.entry((self.seller.id.clone(), *day, *meter)).or_default();
            tree.0 += quantity;
            tree.1 += events;
        }
        let sums: Vec<Value> = trees
            .into_iter()
            .map(|(key, (tree_quantity, tree_events))| {
                let (quantity, events) = days.get(&key).copied().unwrap_or_default();
                let (account, day, meter) = key;
                json!({
                    "account_id": account, "granularity": "DAY", "bucket_start": text(day),
                    "meter": METERS[meter], "quantity": quantity, "events": events, "amount": 0,
                    "tree_quantity": tree_quantity, "tree_events": tree_events, "tree_amount": 0,
                })
            })
            .collect();
        for chunk in sums.chunks(BATCH) {
            insert(self.db, "usage_aggregates", chunk.to_vec()).await?;
        }
        Ok(())
    }

    async fn batch(
        &mut self,
        numbers: std::ops::Range<usize>,
        events: usize,
        days: &mut HashMap<(AccountId, Timestamp, usize), (i64, i64)>,
    ) -> Result<Vec<Value>> {
        let seller = format!("{}/", self.seller.id);
        let mut input = PricingInput::new(seller.as_str(), "USD", tiers().to_string());
        let batch = UsageBatchId::new();
        let mut rows = Vec::new();
        for (place, number) in numbers.enumerate() {
            // As they come in: all accounts mixed, in the order of time; the last two days are those recorded.
            let (buyer, meter) = ((number * 7_919) % self.buyers.len(), number % METERS.len());
            let account = &self.buyers[buyer];
            let at =
                self.from + chrono::Duration::milliseconds((number as i64 * 28 * 86_400_000) / events as i64);
            let month = day(at).with_day_one();
            let used = self.used.entry((buyer, meter, month)).or_default();
            let index = input.account(PricingAccount {
                path: format!("{seller}{}/", account.id),
                buyer: account.id.to_string(),
                buyer_plan: account
                    .plan_id
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            });
            input.lines.push(UsageLine {
                account: index,
                meter: METERS[meter].to_owned(),
                quantity: quantity(number),
                cost: 0,
                occurred_at: at.timestamp(),
                attributes: Some(ATTRIBUTES.to_owned()),
                period: PeriodTotals {
                    start: month.timestamp(),
                    quantity: used.0,
                    lines: used.1,
                },
            });
            used.0 += quantity(number);
            used.1 += 1;
            let sum = days.entry((account.id.clone(), day(at), meter)).or_default();
            sum.0 += quantity(number);
            sum.1 += 1;
            rows.push(json!({
                "id": UsageEventId::new(), "account_id": account.id, "path": account.path,
                "batch_id": batch, "place": place,
                "idempotency_key": format!("bulk {number}"), "payload_digest": digest::kept(&[0; 32]),
                "meter": METERS[meter], "quantity": quantity(number), "occurred_at": text(at),
                "recorded_at": text(at), "attributes": ATTRIBUTES, "rating_status": "RATED", "rating_attempts": 0,
            }));
        }
        self.price(&input, &mut rows).await?;
        Ok(rows)
    }

    async fn price(&self, input: &PricingInput, rows: &mut [Value]) -> Result<()> {
        let outcome = self.host.price(&self.loaded, input.clone()).await?;
        let digest = self.loaded.digest().to_string();
        let mut digests = input.line_digests();
        let priced = outcome.value.iter().zip(&input.lines).zip(rows).enumerate();
        for (number, ((priced, line), row)) in priced {
            let account = &input.accounts[line.account as usize];
            let asked = digests.of(number).expect("a line of the input");
            let receipt = StoredReceipt {
                rule: self.rule.as_str(),
                digest: &digest,
                input: &digest::kept(asked.as_bytes()),
                output: &digest::kept(priced.digest().as_bytes()),
                engine: ENGINE,
                plan: &account.buyer_plan,
                period: (line.period.start, line.period.quantity, line.period.lines),
                fuel: i64::try_from(outcome.fuel)?,
            };
            let items = priced.items.iter();
            let items = items.map(|item| (item.description.as_str().into(), item.quantity, item.amount));
            let items = serde_json::value::to_raw_value(&items.collect::<Vec<StoredItem<'_>>>())?;
            let ratings = Stored {
                currency: "USD",
                at: None,
                counted_at: None,
                edges: vec![StoredEdge {
                    cost: 0,
                    price: priced.amount,
                    receipt: Some(receipt),
                    items: Some(&items),
                }],
            };
            row["ratings"] = serde_json::to_string(&ratings)?.into();
        }
        Ok(())
    }
}

trait WithDayOne {
    fn with_day_one(self) -> Timestamp;
}

impl WithDayOne for Timestamp {
    fn with_day_one(self) -> Timestamp {
        chrono::Datelike::with_day(&self, 1).expect("each month has a first day")
    }
}

fn day(at: Timestamp) -> Timestamp {
    at.date_naive().and_time(chrono::NaiveTime::MIN).and_utc()
}

fn text(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false)
}

/// Writes rows in one statement, as one JSON parameter.
async fn insert(db: &DatabaseConnection, table: &str, rows: Vec<Value>) -> Result<()> {
    let Some(first) = rows.first().and_then(Value::as_object) else {
        return Ok(());
    };
    let columns: Vec<&str> = first.keys().map(String::as_str).collect();
    let names = columns.join(", ");
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => {
            let values: Vec<String> = columns
                .iter()
                .map(|name| format!("json_extract(value, '$.{name}')"))
                .collect();
            format!(
                "INSERT INTO {table} ({names}) SELECT {} FROM json_each($1)",
                values.join(", ")
            )
        }
        _ => format!(
            "INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_recordset(NULL::{table}, $1)"
        ),
    };
    let values = [Value::Array(rows).into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.execute_raw(statement).await?;
    Ok(())
}
