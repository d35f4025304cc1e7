//! The question of each rating is rebuilt from what is stored, byte for byte.

use canopy_domain::entity::rule_version::{self, RuleKind};
use canopy_domain::pricing::input_of;
use canopy_domain::rules::RuleSource;
use sea_orm::{FromQueryResult, Statement};
use serde_json::{Value, json};

use super::{Chain, chain, markup, tiers, used};
use crate::app::{App, rules};

impl App {
    async fn all<T: FromQueryResult>(&self, table: &str) -> Vec<T> {
        let sql = format!("SELECT * FROM {table} ORDER BY id");
        let statement = Statement::from_string(self.probe.get_database_backend(), sql);
        T::find_by_statement(statement).all(&self.probe).await.unwrap()
    }

    /// Rebuilds the question of each rating from what is stored, and asks it again. Answers how many a rule priced,
    /// and how many no rule did.
    pub(super) async fn replay_all(&self) -> (usize, usize) {
        let events = self.ratings().await;
        let versions: Vec<rule_version::Model> = self.all("rule_versions").await;
        let (mut priced, mut passed_on) = (0, 0);
        for (event, rating) in events
            .iter()
            .flat_map(|(event, ratings)| ratings.iter().map(move |rating| (event, rating)))
        {
            let Some(version) = &rating.rule_version_id else {
                assert_eq!(rating.input_digest, None);
                passed_on += 1;
                continue;
            };
            let version = versions.iter().find(|row| row.id == *version).unwrap();
            let input = input_of(rating, event, version).unwrap();
            let digest = Some(input.digest().to_string());
            assert_eq!(digest, rating.input_digest, "{rating:#?} {event:#?} {input:#?}");

            let loaded = rules::host().loaded(&version.digest.parse().unwrap()).unwrap();
            let outcome = rules::host().price(&loaded, input).await.unwrap();
            assert_eq!(outcome.value[0].amount, rating.price);
            assert_eq!(Some(outcome.value[0].digest().to_string()), rating.output_digest);
            priced += 1;
        }
        (priced, passed_on)
    }
}

/// Objects that a database or a reader of JSON may write in another way than they came.
fn odd_attributes() -> Vec<Value> {
    let texts = [
        "{}",
        r#"{"b": 1, "a": {"z": [], "y": {}}, "aa": null, "": false}"#,
        r#"{"floats": [1.0, 1e0, -0.0, 0.1, 1e18, 1e19, 1e300, 5e-324, 1.7976931348623157e308, 1e-7]}"#,
        r#"{"digits": [0.1234567890123456789, 123456789012345678, 3.141592653589793238462643, 9007199254740993.0]}"#,
        r#"{"whole": [18446744073709551615, -9223372036854775808, 18446744073709551616, 0, -0]}"#,
        r#"{"clé": "日本語 💡 \u2028 \u007f \u001f \" \\ / ", "\ud83d\ude00": "e\u0301"}"#,
        r#"{"same": 1, "same": 2}"#,
    ];
    let deep = format!(r#"{{"deep": {}1{}}}"#, "[".repeat(100), "]".repeat(100));
    let texts = texts.into_iter().map(str::to_owned).chain([deep]);
    texts.map(|text| serde_json::from_str(&text).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_question_of_a_rating_is_rebuilt_byte_for_byte_whatever_its_attributes_are() {
    let Chain {
        app,
        accounts: [platform, main, client, branch],
        owners,
    } = chain().await;
    app.tiered_pricing(&platform, tiers()).await;
    app.tiered_pricing(&main, markup()).await;
    let odd = odd_attributes().into_iter().enumerate();
    let batch: Vec<Value> = odd.map(|(n, odd)| used(n, "33.333333", odd)).collect();
    app.accepted(&app.record(&owners[0], &branch, json!(batch)).await);
    app.accepted(&app.record(&owners[0], &client, json!(batch)).await);
    let size = batch.len();
    // For the branch three edges, the last one without a rule; for the client two.
    assert_eq!(app.replay_all().await, (4 * size, size));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_rating_and_a_rating_by_an_earlier_version_have_receipts_too() {
    let Chain {
        app,
        accounts: [platform, main, client, branch],
        owners,
    } = chain().await;
    let early: Vec<Value> = (0..20).map(|n| used(n, "7.5", json!({"n": 1e18}))).collect();
    app.accepted(&app.record(&owners[0], &branch, json!(early)).await);
    app.tiered_pricing(&platform, tiers()).await;
    app.tiered_pricing(&client, markup()).await;
    let now = used("now", "90", Value::Null);
    app.accepted(&app.record(&owners[0], &client, json!([now])).await);
    assert_eq!(app.domain.rate_pending(100).await.unwrap(), 20);

    app.tiered_pricing(&platform, json!({"meters": {"*": {"unit_price": "2"}}}))
        .await;
    app.tiered_pricing(&main, markup()).await;
    let batch: Vec<Value> = (0..300)
        .map(|n| used(format!("b{n}"), "1", json!({"n": n})))
        .collect();
    app.accepted(&app.record(&owners[0], &branch, json!(batch)).await);
    assert_eq!(app.replay_all().await, (20 * 2 + 1 + 300 * 3, 20 + 1));
}

/// Answers a single line with the character NUL, which lies at 8, as its reason.
const REASON_IS_NUL: &str = "
  (i64.store (local.get $priced) (local.get $quantity))
  (i32.store offset=16 (local.get $priced) (i32.const 8))
  (i32.store offset=20 (local.get $priced) (i32.const 1))
  (i32.store offset=4 (local.get $answer) (local.get $priced))
  (i32.store offset=8 (local.get $answer) (i32.const 1))
  (return (local.get $answer))";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_no_database_can_keep_is_a_failure_of_its_rule() {
    let Chain {
        app,
        accounts: [_, main, client, _],
        owners,
    } = chain().await;
    let source = RuleSource::Wasm(rules::doubling(REASON_IS_NUL));
    app.live_rule(&main, RuleKind::Pricing, source, json!({}), None)
        .await;
    let batch = json!([used("a", "1", json!({})), used("b", "5000", json!({}))]);
    let events = app.accepted(&app.record(&owners[1], &client, batch).await);
    assert_eq!(events[0]["ratingStatus"], "RATED");
    assert_eq!(events[1]["ratingStatus"], "PENDING");
    assert_eq!(app.replay_all().await, (1, 1));
}
