//! Whatever happened, each receipt of it replays equal.

use serde_json::{Value, json};

use super::{Chain, chain, markup, tiers, used};

/// Numbers that look like chance and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

async fn history_replays_equal(seed: u64) {
    let Chain {
        app,
        accounts,
        owners,
    } = chain().await;
    let mut chance = Chance(seed);
    let configurations = [
        tiers(),
        markup(),
        json!({"meters": {"*": {"unit_price": "0.000001"}}}),
        json!({"meters": {"minutes": {"unit_price": "2"}}}),
    ];
    for step in 0..25 {
        match chance.below(5) {
            0 => {
                let (seller, configuration) = (chance.below(3), chance.below(configurations.len()));
                app.tiered_pricing(&accounts[seller], configurations[configuration].clone())
                    .await;
            }
            1 => {
                app.domain.rate_pending(50).await.unwrap();
            }
            _ => {
                let account = &accounts[1 + chance.below(3)];
                let size = [1, 3, 40][chance.below(3)];
                let batch: Vec<Value> = (0..size)
                    .map(|n| {
                        let quantity = format!("{}.{:06}", chance.below(200), chance.below(1_000_000));
                        let attributes = json!({"é": chance.below(9), "f": 1e18, "step": step});
                        let mut event = used(format!("{step}.{n}"), &quantity, attributes);
                        event["meter"] = json!(["minutes", "messages"][chance.below(2)]);
                        event
                    })
                    .collect();
                app.record(&owners[0], account, json!(batch)).await.success();
            }
        }
    }
    let mut seen = 0;
    for account in &accounts[1..] {
        let steps = app.replays(&owners[0], account).await;
        for step in &steps {
            assert_eq!(step["replay"], "EQUAL", "seed {seed}: {step:#}");
        }
        seen += i64::try_from(steps.len()).unwrap();
    }
    assert_eq!(seen, app.count("ratings").await);
    let (priced, passed_on) = app.replay_all().await;
    assert!(priced > 0, "seed {seed} priced nothing");
    assert_eq!(i64::try_from(priced + passed_on).unwrap(), seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_receipt_of_a_history_replays_equal() {
    for seed in 1..=4 {
        history_replays_equal(seed).await;
    }
}
