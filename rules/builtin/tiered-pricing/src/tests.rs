//! The examples of the README, and the edges of the arithmetic.

use canopy_rules_sdk::pricing::{Account, PeriodTotals, UsageLine};

use super::*;

fn usage(meter: &str, quantity: i64, before: i64, cost: i64) -> UsageLine {
    UsageLine {
        account: 0,
        meter: meter.into(),
        quantity,
        cost,
        occurred_at: 0,
        attributes: None,
        period: PeriodTotals {
            start: 0,
            quantity: before,
            lines: 0,
        },
    }
}

fn price(configuration: &str, lines: Vec<UsageLine>) -> Result<Vec<PricedLine>, RuleError> {
    TieredPricing::price(PricingInput {
        seller_path: "acc_A/".into(),
        currency: "USD".into(),
        configuration: configuration.into(),
        accounts: vec![Account {
            path: "acc_A/acc_B/".into(),
            buyer: "acc_B".into(),
            buyer_plan: "pln_x".into(),
        }],
        lines,
    })
}

fn amount(configuration: &str, quantity: i64, before: i64, cost: i64) -> i64 {
    let priced = price(configuration, vec![usage("m", quantity, before, cost)]).unwrap();
    let sum: i64 = priced[0].items.iter().map(|item| item.amount).sum();
    assert_eq!(sum, priced[0].amount, "items add up");
    priced[0].amount
}

const TIERS: &str = r#"{"meters": {"m": {"tiers": [
    {"up_to": "1000", "unit_price": "0.09"},
    {"up_to": "5000", "unit_price": "0.07", "flat_fee": "2"},
    {"unit_price": "0.05"}]}}}"#;

#[test]
fn a_unit_price_is_for_per_units() {
    let dollars = r#"{"meters": {"m": {"unit_price": "0.15", "per": "1000000"}}}"#;
    assert_eq!(amount(dollars, 1_000_000_000_000, 0, 0), 150_000);
    assert_eq!(
        amount(r#"{"meters": {"*": {"unit_price": 90000}}}"#, 1_500_000, 0, 0),
        135_000
    );
}

#[test]
fn a_line_that_crosses_tiers_is_charged_in_each() {
    let priced = price(TIERS, vec![usage("m", 1_500_000_000, 500_000_000, 0)]).unwrap();
    let items: Vec<_> = priced[0]
        .items
        .iter()
        .map(|i| (i.description.as_str(), i.quantity, i.amount))
        .collect();
    assert_eq!(
        items,
        [
            ("Tier 1: 0.09 per 1", 500_000_000, 45_000_000),
            ("Tier 2: 0.07 per 1 and 2 once", 1_000_000_000, 72_000_000),
        ]
    );
    assert_eq!(priced[0].reason, "500 were used in the period before.");
}

#[test]
fn lines_of_a_period_add_up_to_the_price_of_its_total() {
    let thirds = r#"{"meters": {"m": {"unit_price": "0.000001", "per": "3"}}}"#;
    for configuration in [TIERS, thirds] {
        let whole = amount(configuration, 6_000_000_000, 0, 0);
        let step = 7_000_000;
        let mut sum = 0;
        let mut at = 0;
        while at < 6_000_000_000 {
            let quantity = step.min(6_000_000_000 - at);
            sum += amount(configuration, quantity, at, 0);
            at += quantity;
        }
        assert_eq!(sum, whole);
    }
}

#[test]
fn a_correction_takes_back_what_was_charged() {
    for configuration in [
        TIERS,
        r#"{"meters": {"m": {"package": {"size": "100", "price": "15"}}}}"#,
    ] {
        let charged = amount(configuration, 800_000_000, 600_000_000, 0);
        let returned = amount(configuration, -800_000_000, 1_400_000_000, 0);
        assert!(charged > 0);
        assert_eq!(charged + returned, 0);
    }
    assert!(amount(TIERS, -5_000_000, 0, 0) < 0, "even below nothing used");
}

#[test]
fn packages_are_paid_when_they_are_opened() {
    let packages = r#"{"meters": {"m": {"package": {"size": "100", "price": "15"}}}}"#;
    assert_eq!(amount(packages, 1, 0, 0), 15_000_000);
    assert_eq!(amount(packages, 99_999_999, 1, 0), 0);
    assert_eq!(amount(packages, 1, 100_000_000, 0), 15_000_000);
    assert_eq!(amount(packages, 250_000_000, 50_000_000, 0), 30_000_000);
}

#[test]
fn a_markup_passes_the_cost_on_and_raises_it() {
    let markup = r#"{"meters": {"*": {"markup_ppm": 250000}}}"#;
    assert_eq!(amount(markup, 1_000_000, 0, 80_000), 100_000);
    let priced = price(markup, vec![usage("any", 1, 0, 80_000)]).unwrap();
    assert_eq!(priced[0].items[1].description, "Markup of 25 %");
    assert_eq!(
        amount(r#"{"meters": {"*": {"markup_ppm": -1000000}}}"#, 1, 0, 80_000),
        0
    );
    let both = r#"{"meters": {"*": {"unit_price": "0.01", "markup_ppm": 0}}}"#;
    assert_eq!(amount(both, 1_000_000, 0, 80_000), 90_000);
}

#[test]
fn the_minimum_is_for_a_line_that_used_something() {
    let minimum = r#"{"meters": {"*": {"unit_price": "0.01", "minimum": "0.5"}}}"#;
    assert_eq!(amount(minimum, 1_000_000, 0, 0), 500_000);
    assert_eq!(amount(minimum, 100_000_000, 0, 0), 1_000_000);
    assert_eq!(amount(minimum, 0, 0, 0), 0);
    assert_eq!(amount(minimum, -1_000_000, 5_000_000, 0), -10_000);
}

#[test]
fn rounding_is_as_named() {
    let with =
        |rounding: &str| format!(r#"{{"meters": {{"m": {{"unit_price": 1, "rounding": "{rounding}"}}}}}}"#);
    let amounts = ["HALF_EVEN", "HALF_UP", "DOWN", "UP"].map(|name| amount(&with(name), 2_500_000, 0, 0));
    assert_eq!(amounts, [2, 3, 2, 3]);
}

#[test]
fn a_meter_without_a_price_is_refused() {
    let error = price(TIERS, vec![usage("other", 1, 0, 0)]).unwrap_err();
    assert!(matches!(error, RuleError::Unsupported(text) if text.contains("`other`")));
}

#[test]
fn amounts_out_of_range_are_refused() {
    let dear = r#"{"meters": {"m": {"unit_price": "1000000"}}}"#;
    assert!(matches!(
        price(dear, vec![usage("m", 1 << 53, 0, 0)]),
        Err(RuleError::Failed(_))
    ));
}

#[test]
fn a_wrong_configuration_is_refused_and_says_where() {
    let cases = [
        ("{}", "meters"),
        (r#"{"meters": {"m": {}}}"#, "meters.m"),
        (
            r#"{"meters": {"m": {"unit_price": 1, "package": {"size": 1, "price": 1}}}}"#,
            "only one",
        ),
        (r#"{"meters": {"m": {"unit_price": -1}}}"#, "negative"),
        (r#"{"meters": {"m": {"unit_price": 1, "per": 0}}}"#, "per"),
        (
            r#"{"meters": {"m": {"package": {"size": 0, "price": 1}}}}"#,
            "size",
        ),
        (
            r#"{"meters": {"m": {"tiers": [{"up_to": 1, "unit_price": 1}]}}}"#,
            "last tier",
        ),
        (
            r#"{"meters": {"m": {"tiers": [{"up_to": 2, "unit_price": 1}, {"up_to": 2, "unit_price": 1}, {"unit_price": 1}]}}}"#,
            "above",
        ),
        (r#"{"meters": {"m": {"markup_ppm": -1000001}}}"#, "markup_ppm"),
        (r#"{"meters": {"m": {"unit_prize": 1}}}"#, "unit_prize"),
    ];
    for (configuration, expected) in cases {
        match price(configuration, vec![usage("m", 1, 0, 0)]) {
            Err(RuleError::Configuration(text)) => assert!(text.contains(expected), "{text}"),
            other => panic!("{configuration}: {other:?}"),
        }
    }
}
