//! What hostile documents cost before they are refused, at a quarter, a half and the whole of the largest size: work that
//! is linear takes twice the time for twice the size.
//!
//! `cargo bench --bench documents`. Source of the documents: tests/it/front/hostile/families.rs.

#[path = "../tests/it/front/hostile/families.rs"]
mod families;

use std::hint::black_box;
use std::time::{Duration, Instant};

use async_graphql::Variables;
use canopy::config::Sources;
use canopy::house::{self, Pending, Tokens};
use canopy::serve::schema_settings;
use canopy_schema::{Ask, CanopySchema, RequestId, Uploads};
use families::{FAMILIES, Fate, LARGEST};
use serde_json::Value;

/// How often each is tried; the median counts.
const ROUNDS: usize = 15;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let url = format!(
        "sqlite://{}?mode=rwc",
        directory.path().join("bench.db").display()
    );
    let sources = Sources::default().flag("--database", "database.url", Some(&url));
    let mut config = sources.load().expect("the defaults are valid").config;
    // Each round shall do all of the work.
    config.graphql.kept_documents = "0B".parse().expect("a size");
    let domain = runtime
        .block_on(house::open(&config, Pending::Apply, Tokens::Unused))
        .expect("the house opens");
    let schema = canopy_schema::build(domain, schema_settings(&config));

    println!("| family | bytes | µs | for half of it | for a quarter | half to whole | fate |");
    println!("|---|---|---|---|---|---|---|");
    let mut longest = Duration::ZERO;
    for family in &FAMILIES {
        let at = |size: usize| {
            let body = (family.body)(size);
            (
                body.len(),
                median(|| runtime.block_on(ask(&schema, config.graphql.max_values, &body))),
            )
        };
        let (quarter, half, (bytes, whole)) = (at(LARGEST / 4), at(LARGEST / 2), at(LARGEST));
        longest = longest.max(whole);
        println!(
            "| {} | {bytes} | {} | {} | {} | {:.1} | {} |",
            family.name,
            whole.as_micros(),
            half.1.as_micros(),
            quarter.1.as_micros(),
            whole.as_secs_f64() / half.1.as_secs_f64(),
            match family.fate {
                Fate::Refused => "refused",
                Fate::Served => "served",
            }
        );
    }
    println!("\nThe longest took {:.1} ms.", longest.as_secs_f64() * 1e3);
}

/// Reads a body, and does all that is done with it up to its answer.
async fn ask(schema: &CanopySchema, max_values: usize, body: &str) {
    if canopy_schema::has_more_values(body.as_bytes(), max_values) {
        return;
    }
    let Ok(Value::Object(mut fields)) = serde_json::from_str(body) else {
        return;
    };
    let Some(Value::String(text)) = fields.remove("query") else {
        return;
    };
    let Ok(document) = schema.read(text) else {
        return;
    };
    let prepared = schema.prepare(Ask {
        document,
        operation_name: None,
        variables: Variables::from_json(fields.remove("variables").unwrap_or_default()),
        uploads: Uploads::default(),
        idempotency_key: None,
        client_address: None,
        request_id: RequestId::default(),
    });
    if let Ok(prepared) = prepared {
        black_box(schema.execute(prepared, None).await);
    }
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}
