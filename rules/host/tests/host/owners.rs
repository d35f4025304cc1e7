//! Budgets: an owner whose rules burn fuel waits or is turned away, and others do not.

use std::time::{Duration, Instant};

use canopy_rules_host::testing::component_from_wat;
use canopy_rules_host::{Host, RuleError, RuleKind};

use crate::sandbox::{built_in, settings, usage};

const FLAT: &str = r#"{"meters": {"*": {"unit_price": "1"}}}"#;

fn line(configuration: &str) -> canopy_rules_host::PricingInput {
    usage(configuration, &[("sms", 1_000_000, 0, 0)])
}

#[tokio::test]
async fn an_owner_who_burns_fuel_is_turned_away_and_others_are_not() {
    let mut settings = settings();
    settings.small.places = 4;
    // What one endless call uses up takes a minute to come back.
    settings.fuel_per_minute = Some(settings.small.fuel);
    settings.queue_wait = Duration::from_secs(1);
    let host = Host::new(settings).unwrap();
    let endless = r#"(module (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
        (func (export "canopy:rules/pricing-rule@1.0.0#price")
          (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (loop (br 0)) unreachable))"#;
    let endless = component_from_wat(RuleKind::Pricing, endless);
    let burner = host.prepare_for("acc_burner", endless).await.unwrap();
    let burner = burner.for_owner("acc_burner", "rul_endless");
    let good = built_in(&host, "tiered-pricing").await;
    let (others, own) = (
        good.for_owner("acc_other", "rul_other"),
        good.for_owner("acc_burner", "rul_good"),
    );

    let mut ends = Vec::new();
    for _ in 0..3 {
        ends.push(host.price(&burner, line("{}")).await.unwrap_err());
        host.price(&others, line(FLAT)).await.unwrap();
    }
    assert!(matches!(ends[0], RuleError::OutOfFuel { .. }), "{}", ends[0]);
    let RuleError::Throttled { retry_after } = ends[2] else {
        panic!("it was not turned away: {}", ends[2])
    };
    assert!(retry_after > Duration::from_secs(1));

    // All rules of the owner share the budget.
    let begin = Instant::now();
    let examined = host.examine_pricing(&own, line(FLAT)).await;
    assert!(matches!(examined.result, Err(RuleError::Throttled { .. })));
    assert_eq!(examined.fuel, 0);
    assert!(begin.elapsed() < Duration::from_secs(1), "it is told at once");
    assert!(!examined.result.unwrap_err().is_rules_fault());
    // Nobody's rule, and the same rule without an owner, go on.
    host.price(&good.for_nobody("rul_builtin"), line(FLAT))
        .await
        .unwrap();
    host.price(&good, line(FLAT)).await.unwrap();
}
