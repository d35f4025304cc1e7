//! What a pricing rule is asked in the suite: meters, quantities and whole inputs.
//! Pure, and the same at every run.

use serde_json::Value;

use crate::contract::{MAX_INTEGER, MAX_LINES, PeriodTotals, PricingAccount, PricingInput, UsageLine};
use crate::manifest::{Manifest, is_meter};

pub(super) const MAIN: &str = "acc_00000000000000000000000001";
pub(super) const SUB: &str = "acc_00000000000000000000000002";
pub(super) const PLAN: &str = "pln_00000000000000000000000001";
const BELOW: &str = "acc_00000000000000000000000003";
const JANUARY: i64 = 1_767_225_600;
const HOUR: i64 = 3600;

/// A unit in micro-units.
pub(super) const UNIT: i64 = 1_000_000;

/// Asked about whatever else is: few configurations name it.
const SAMPLE_METER: &str = "sample_units";

/// Numbers of a configuration that are looked at.
const MAX_MARKS: usize = 24;

/// The meters to ask about: first those that the configuration names, last one that hardly any does.
pub(super) fn meters(
    manifest: &Manifest,
    configuration: &Value,
    used: &[String],
    most: usize,
) -> Vec<String> {
    let configured = configuration.get("meters").and_then(Value::as_object);
    let configured = configured.into_iter().flat_map(|meters| meters.keys());
    let mut meters: Vec<String> = Vec::new();
    for meter in configured.chain(used).chain(&manifest.meters) {
        if meters.len() + 1 < most && meter != "*" && is_meter(meter) && !meters.contains(meter) {
            meters.push(meter.clone());
        }
    }
    if !meters.iter().any(|meter| meter == SAMPLE_METER) {
        meters.push(SAMPLE_METER.to_owned());
    }
    meters
}

/// Quantities at which the price may change: the numbers in the configuration, as units and as micro-units.
pub(super) fn marks(configuration: &Value) -> Vec<i64> {
    let mut marks = Vec::new();
    gather(configuration, &mut marks);
    marks
}

fn gather(value: &Value, marks: &mut Vec<i64>) {
    let mut add = |mark: f64| {
        let fits = (1.0..=1e15).contains(&mark);
        if fits && marks.len() < MAX_MARKS && !marks.contains(&(mark as i64)) {
            marks.push(mark as i64);
        }
    };
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            add(number * UNIT as f64);
            add(number);
        }
        Value::String(text) => add(text.parse().unwrap_or(0.0) * UNIT as f64),
        Value::Array(items) => items.iter().for_each(|item| gather(item, marks)),
        Value::Object(fields) => fields.values().for_each(|field| gather(field, marks)),
        _ => {}
    }
}

/// Ascending quantities: just at and above each mark, and ever larger ones between.
pub(super) fn rungs(marks: &[i64], most: usize) -> Vec<i64> {
    let mut rungs: Vec<i64> = marks
        .iter()
        .flat_map(|mark| [mark - 1, *mark, mark + 1, mark + UNIT])
        .collect();
    let powers = (0..=7).map(|exponent| UNIT.pow(2) / 10_i64.pow(exponent));
    rungs.extend([0, 1]);
    rungs.extend(powers.flat_map(|power| [power, power + 1]));
    let mut step = UNIT;
    while step < 1_000_000 * UNIT && rungs.len() < most {
        rungs.push(step);
        step += step / 4;
    }
    rungs.truncate(most);
    rungs.sort_unstable();
    rungs.dedup();
    rungs
}

/// An input without lines, and its buyer's own account as the first.
fn empty(configuration: &str) -> PricingInput {
    let mut input = PricingInput::new(format!("{MAIN}/"), "USD", configuration);
    input.account(account(0));
    input
}

/// The buyer itself, or an account below it.
fn account(below: usize) -> PricingAccount {
    let path = match below {
        0 => format!("{MAIN}/{SUB}/"),
        n => format!("{MAIN}/{SUB}/{BELOW}{n}/"),
    };
    PricingAccount {
        path,
        buyer: SUB.into(),
        buyer_plan: PLAN.into(),
    }
}

/// A line with nothing unusual about it.
pub(super) fn line(meter: &str, quantity: i64, cost: i64, before: i64) -> UsageLine {
    UsageLine {
        account: 0,
        meter: meter.into(),
        quantity,
        cost,
        occurred_at: JANUARY + HOUR,
        attributes: None,
        period: PeriodTotals {
            start: JANUARY,
            quantity: before,
            lines: i64::from(before != 0),
        },
    }
}

/// Lines that have nothing unusual about them.
pub(super) fn lines(configuration: &str, lines: Vec<UsageLine>) -> PricingInput {
    PricingInput {
        lines,
        ..empty(configuration)
    }
}

/// Some of each meter: accounts, times, attributes and totals differ from line to line.
pub(super) fn mixture(configuration: &str, meters: &[String]) -> PricingInput {
    let mut input = empty(configuration);
    let mut dice = Dice(0x5eed);
    for (index, meter) in meters.iter().cycle().take(8).enumerate() {
        let quantity = dice.quantity().abs() + 1;
        let mut line = line(meter, quantity, quantity / 7, dice.quantity().abs());
        line.account = input.account(account(index % 3));
        line.occurred_at += HOUR * (index as i64) * 5;
        line.attributes = (index % 2 == 1).then(|| format!(r#"{{"region":"eu","seconds":{index}}}"#));
        input.lines.push(line);
    }
    input
}

/// Whole and broken quantities, corrections and large numbers of one meter, over a day.
pub(super) fn spread(configuration: &str, meter: &str) -> PricingInput {
    let mut dice = Dice(0xb0bd);
    let mut quantities = vec![1, -1, UNIT / 2, -5 * UNIT / 2, 1000 * UNIT, -1000 * UNIT];
    quantities.extend((0..17).map(|_| dice.quantity()).filter(|quantity| *quantity != 0));
    let spread = quantities.iter().enumerate().map(|(hour, quantity)| {
        let cost = if hour % 3 == 0 { 0 } else { quantity / 11 };
        let mut line = line(meter, *quantity, cost, dice.quantity().abs());
        line.occurred_at += HOUR * hour as i64;
        line
    });
    lines(configuration, spread.collect())
}

/// Ascending quantities with nothing before, at a cost in proportion, and with much before.
pub(super) fn ladders(configuration: &str, meter: &str, rungs: &[i64]) -> [PricingInput; 3] {
    [(0, 0), (UNIT / 100, 0), (0, 500 * UNIT)].map(|(unit_cost, before)| {
        let rung = |quantity: &i64| line(meter, *quantity, product(*quantity, unit_cost), before);
        lines(configuration, rungs.iter().map(rung).collect())
    })
}

/// Groups of one quantity at ascending costs.
pub(super) fn costs(configuration: &str, meter: &str) -> Vec<PricingInput> {
    let group = |quantity: i64| {
        let cost = |unit_cost| line(meter, quantity, product(quantity, unit_cost), 0);
        let unit_costs = [0, 1, 4_321, 150_000, UNIT, 25 * UNIT];
        lines(configuration, unit_costs.map(cost).into())
    };
    [UNIT, 1_234_567, 1000 * UNIT].map(group).into()
}

/// Some quantities at what the account really pays.
pub(super) fn real_costs(configuration: &str, meter: &str, unit_cost: i64) -> PricingInput {
    let quantities = [UNIT, 60 * UNIT, 1000 * UNIT];
    let line = |quantity| line(meter, quantity, product(quantity, unit_cost), 0);
    lines(configuration, quantities.map(line).into())
}

/// Nothing was used, and nothing is known of it.
pub(super) fn nothing(configuration: &str, meter: &str) -> PricingInput {
    let mut bare = line(meter, 0, 0, 0);
    (bare.occurred_at, bare.period) = (0, PeriodTotals::default());
    let mut hollow = line(meter, 0, 0, 0);
    hollow.attributes = Some("{}".into());
    lines(configuration, vec![line(meter, 0, 0, 0), hollow, bare])
}

/// The largest numbers of the contract.
pub(super) fn enormous(configuration: &str, meter: &str) -> PricingInput {
    let most = MAX_INTEGER;
    let mut last = line(meter, UNIT, UNIT, most - UNIT);
    last.period.lines = most;
    let all = vec![
        line(meter, most, 0, 0),
        line(meter, most, most, 0),
        line(meter, -most, -most, most),
        line(meter, UNIT, most, 0),
        last,
    ];
    lines(configuration, all)
}

/// As many lines as there may be, of several accounts.
pub(super) fn many(configuration: &str, meters: &[String]) -> PricingInput {
    let mut input = empty(configuration);
    for (index, meter) in meters.iter().cycle().take(MAX_LINES).enumerate() {
        let mut line = line(meter, UNIT + index as i64, 0, index as i64 * UNIT);
        line.account = input.account(account(index % 50));
        input.lines.push(line);
    }
    input
}

/// Texts as long as they may be.
pub(super) fn wordy(configuration: &str, meter: &str) -> PricingInput {
    let mut input = empty(configuration);
    let path: String = (0..32).map(|level| format!("{BELOW}{level:02}/")).collect();
    let mut line = line(meter, UNIT, 0, 0);
    line.account = input.account(PricingAccount {
        path: format!("{MAIN}/{SUB}/{path}"),
        ..account(0)
    });
    line.attributes = Some(format!(r#"{{"note":"{}"}}"#, "é\\\"".repeat(800)));
    input.lines = vec![line.clone()];
    line.meter = "m".repeat(64);
    input.lines.push(line);
    input
}

fn product(quantity: i64, unit_cost: i64) -> i64 {
    let product = i128::from(quantity) * i128::from(unit_cost) / i128::from(UNIT);
    i64::try_from(product).unwrap_or(i64::MAX).min(MAX_INTEGER)
}

/// Quantities that look accidental and are always the same.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 20
    }

    /// Of any size up to a million units, of either sign.
    fn quantity(&mut self) -> i64 {
        let size = 10_i64.pow((self.next() % 13) as u32);
        let quantity = (self.next() % 1_000_000) as i64 * size / UNIT;
        if self.next().is_multiple_of(4) {
            -quantity
        } else {
            quantity
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_meters_of_the_configuration_come_first() {
        let configuration = json!({"meters": {"*": {}, "call_minutes": {}}});
        let manifest = Manifest {
            meters: vec!["sms".into(), "call_minutes".into(), String::new()],
            ..Manifest::default()
        };
        let used = ["tokens".to_owned()];
        assert_eq!(
            meters(&manifest, &configuration, &used, 9),
            ["call_minutes", "tokens", "sms", "sample_units"]
        );
        assert_eq!(
            meters(&manifest, &configuration, &used, 2),
            ["call_minutes", "sample_units"]
        );
        assert_eq!(meters(&manifest, &json!(7), &[], 1), ["sample_units"]);
    }

    #[test]
    fn rungs_stand_on_both_sides_of_the_numbers_of_a_configuration() {
        let configuration = json!({"tiers": [{"up_to": "1000", "price": 0.07}, {"above": 25}]});
        let rungs = rungs(&marks(&configuration), 160);
        for quantity in [1000 * UNIT, 1000 * UNIT + 1, 70_000, 25 * UNIT + 1, 26] {
            assert!(rungs.contains(&quantity), "{quantity}: {rungs:?}");
        }
        assert!(rungs.is_sorted() && rungs.len() <= 160 && rungs[0] == 0);
    }

    #[test]
    fn every_input_keeps_the_contract() {
        let meters = ["a".to_owned(), "b".to_owned()];
        let mut inputs = vec![
            mixture("{}", &meters),
            spread("{}", "a"),
            nothing("{}", "a"),
            enormous("{}", "a"),
            many("{}", &meters),
            wordy("{}", "a"),
            real_costs("{}", "a", i64::MAX),
        ];
        inputs.extend(ladders("{}", "a", &rungs(&[], 160)));
        inputs.extend(costs("{}", "a"));
        for input in inputs {
            assert!((1..=MAX_LINES).contains(&input.lines.len()));
            for line in &input.lines {
                assert!((line.account as usize) < input.accounts.len());
                for number in [line.quantity, line.cost, line.period.quantity, line.period.lines] {
                    assert!(number.abs() <= MAX_INTEGER, "{line:?}");
                }
                assert!(line.meter.len() <= 64);
                assert!(line.attributes.as_ref().is_none_or(|text| text.len() <= 4 << 10));
                if let Some(text) = &line.attributes {
                    serde_json::from_str::<Value>(text).unwrap();
                }
            }
        }
    }
}
