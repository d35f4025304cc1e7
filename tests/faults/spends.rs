//! The last credit, spent from all nodes at once: one of them has it, the others are told LIMIT_EXCEEDED.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::Arena;
use crate::audit::Audit;
use crate::world::LAST_CREDIT;

const SPEND: &str = "mutation ($input: RecordUsageInput!) {
  recordUsage(input: $input) { results { status userErrors { code } } userErrors { code } }
}";

/// What one unit costs at the account with the last credit.
const UNIT: &str = "0.01";

/// Plays so many rounds.
pub(crate) async fn run(arena: &Arc<Arena>, audit: &Audit, rounds: u64) -> Result<()> {
    let place = &arena.world.places[LAST_CREDIT];
    let balance = format!(
        "SELECT CAST(sum(credits - debits) AS bigint) FROM ledger_accounts
         WHERE account_id = '{}' AND kind IN ('PURCHASED', 'POOL')",
        place.id
    );
    for round in 0..rounds {
        arena.world.fund(LAST_CREDIT, UNIT).await?;
        let spends = arena.nodes.iter().map(|node| async move {
            let event = json!({
                "meter": "minutes", "quantity": "1", "idempotencyKey": format!("last-{round}-{}", node.name),
            });
            let input = json!({"accountId": place.id, "events": [event]});
            let request = arena
                .streams
                .post(format!("{}/graphql", node.base))
                .bearer_auth(&place.key);
            let answer = request
                .json(&json!({"query": SPEND, "variables": {"input": input}}))
                .send();
            let answer: Value = answer.await?.json().await?;
            let result = &answer["data"]["recordUsage"]["results"][0];
            let code = result["userErrors"][0]["code"].as_str();
            match (result["status"].as_str(), code) {
                (Some("ACCEPTED"), None) => Ok(true),
                (Some("REJECTED"), Some("LIMIT_EXCEEDED")) => Ok(false),
                _ => Err(anyhow::anyhow!("{} answered {answer}", node.name)),
            }
        });
        let won = try_join_all(spends)
            .await
            .with_context(|| format!("round {round} of the last credit"))?;
        let winners = won.iter().filter(|won| **won).count();
        ensure!(
            winners == 1,
            "round {round} of the last credit: {winners} had it: {won:?}"
        );
        let left = audit.number(&balance).await?;
        ensure!(
            left == 0,
            "round {round} of the last credit: {left} micro-units are left"
        );
    }
    Ok(())
}
