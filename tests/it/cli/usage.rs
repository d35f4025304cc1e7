//! `canopy usage export`, against a real server.

use std::path::Path;

use canopy_domain::entity::Level;
use canopy_domain::entity::PermissionKey;
use serde_json::{Value, json};

use crate::app::process::canopy;
use crate::app::served::{House, house};
use crate::app::within;
use crate::operations::event;

impl House {
    /// What the command ended with, and what it wrote to standard output and to standard error.
    async fn canopy_usage(&self, folder: &Path, more: &str) -> (Option<i32>, String, String) {
        let key = self
            .app
            .api_key(&self.main, &[(PermissionKey::Usage, Level::Full)])
            .await;
        let now = canopy_domain::entity::time::now();
        let day = |days: i64| (now + chrono::Duration::days(days)).format("%Y-%m-%d");
        let line = format!("usage export --from {} --to {} {more}", day(-20), day(1));
        let arguments: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        let mut command = canopy(&arguments);
        command
            .current_dir(folder)
            .env("CANOPY_URL", self.server.url("/graphql"))
            .env("CANOPY_TOKEN", key.secret());
        let ran = within("the command", command.output()).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (ran.status.code(), text(ran.stdout), text(ran.stderr))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_there_when_it_is_whole_and_not_before() {
    let house = house().await;
    let batch: Vec<Value> = (0..1_000).map(|n| event(&format!("{n:04}"))).collect();
    for prefix in ["a", "b"] {
        let mut batch = batch.clone();
        for event in &mut batch {
            event["idempotencyKey"] = json!(format!("{prefix}{}", event["idempotencyKey"].as_str().unwrap()));
        }
        house
            .app
            .accepted(&house.app.record(&house.owner, &house.main, json!(batch)).await);
    }
    let folder = tempfile::tempdir().unwrap();
    let left = || std::fs::read_dir(folder.path()).unwrap().count();
    house.app.faults.break_at("usage.export.next");
    let (code, _, told) = house.canopy_usage(folder.path(), "--out usage.csv").await;
    assert_eq!((code, left()), (Some(5), 0), "{told}");
    house.app.faults.mend();
    let (code, told, log) = house.canopy_usage(folder.path(), "--out usage.csv").await;
    assert_eq!((code, left()), (Some(0), 1), "{log}");
    let csv = std::fs::read_to_string(folder.path().join("usage.csv")).unwrap();
    assert_eq!(csv.lines().count(), 2_001);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told, json!({"file": "usage.csv", "bytes": csv.len()}));

    let (code, lines, log) = house
        .canopy_usage(
            folder.path(),
            "--granularity month --format ndjson --include-descendants",
        )
        .await;
    assert_eq!(code, Some(0), "{log}");
    let sums: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: i64 = sums.iter().map(|sum| sum["events"].as_i64().unwrap()).sum();
    assert_eq!(events, 2_000);
    let (code, _, told) = house.canopy_usage(folder.path(), "--account nonsense").await;
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("NOT_FOUND"), "{told}");
}
