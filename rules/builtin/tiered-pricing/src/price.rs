//! The price of one line. A price by quantity is the difference between what the
//! period costs after the line and before it: so the lines of a period add up
//! to the price of its total, whatever their number and size.

use alloc::string::String;
use alloc::vec::Vec;

use canopy_rules_sdk::money::{self, Rounding};
use canopy_rules_sdk::pricing::{LineItem, PricedLine, UsageLine};

use crate::configuration::{Package, Tariff};

/// None when a number is out of range.
pub(crate) fn line(tariff: &Tariff, line: &UsageLine) -> Option<PricedLine> {
    let span = Span {
        before: line.period.quantity,
        after: money::add(line.period.quantity, line.quantity)?,
        rounding: tariff.rounding.into(),
        per: tariff.per.0,
    };
    let mut items = Vec::new();
    let mut reason = String::new();
    if let Some(price) = tariff.unit_price {
        let part = Part {
            start: i64::MIN,
            end: i64::MAX,
            unit_price: price.0,
        };
        let mut item = span.item(&part)?;
        item.description = described(price.0, span.per);
        items.push(item);
    }
    if !tariff.tiers.is_empty() {
        tiers(tariff, &span, &mut items)?;
        reason = used_before(span.before);
    }
    if let Some(package) = &tariff.package {
        items.push(packages(package, &span)?);
        reason = used_before(span.before);
    }
    if let Some(ppm) = tariff.markup_ppm {
        markup(ppm, line, span.rounding, &mut items)?;
    }
    let mut amount = items
        .iter()
        .try_fold(0, |sum, item| money::add(sum, item.amount))?;
    if let Some(minimum) = tariff.minimum
        && line.quantity > 0
        && amount < minimum.0
    {
        let missing = money::add(minimum.0, -amount)?;
        items.push(LineItem {
            description: String::from("Up to the minimum"),
            quantity: 0,
            amount: missing,
        });
        amount = minimum.0;
    }
    Some(PricedLine {
        amount,
        items,
        reason,
    })
}

/// Where in the period's total a line lies.
struct Span {
    before: i64,
    after: i64,
    rounding: Rounding,
    per: i64,
}

/// A stretch of the period's total with one price.
struct Part {
    start: i64,
    end: i64,
    unit_price: i64,
}

impl Span {
    /// How much of a part is used when the total stands at `total`.
    fn used(part: &Part, total: i64) -> i64 {
        match part.start {
            i64::MIN => total.min(part.end),
            start => total.clamp(start, part.end) - start,
        }
    }

    /// What the part costs more after the line than before, yet without words.
    fn item(&self, part: &Part) -> Option<LineItem> {
        let cost = |used| money::mul_div(used, part.unit_price, self.per, self.rounding);
        let (before, after) = (Self::used(part, self.before), Self::used(part, self.after));
        let amount = money::add(cost(after)?, -cost(before)?)?;
        Some(LineItem {
            description: String::new(),
            quantity: money::add(after, -before)?,
            amount,
        })
    }
}

fn tiers(tariff: &Tariff, span: &Span, items: &mut Vec<LineItem>) -> Option<()> {
    let mut start = i64::MIN;
    for (index, tier) in tariff.tiers.iter().enumerate() {
        let end = tier.up_to.map_or(i64::MAX, |end| end.0);
        let part = Part {
            start,
            end,
            unit_price: tier.unit_price.0,
        };
        let mut item = span.item(&part)?;
        let reached = |total: i64| i64::from(total > start.max(0));
        let fees = tier.flat_fee.0 * (reached(span.after) - reached(span.before));
        item.amount = money::add(item.amount, fees)?;
        if item.quantity != 0 || item.amount != 0 {
            item.description.push_str("Tier ");
            money::write(&mut item.description, (index as i64 + 1) * money::UNIT);
            item.description.push_str(": ");
            item.description.push_str(&described(tier.unit_price.0, span.per));
            if fees != 0 {
                item.description.push_str(" and ");
                money::write(&mut item.description, tier.flat_fee.0);
                item.description.push_str(" once");
            }
            items.push(item);
        }
        start = end;
    }
    Some(())
}

fn packages(package: &Package, span: &Span) -> Option<LineItem> {
    let size = package.size.0;
    let opened = |total: i64| total.max(0) / size + i64::from(total.max(0) % size != 0);
    let count = opened(span.after) - opened(span.before);
    let mut description = String::from("Packages of ");
    money::write(&mut description, size);
    description.push_str(" at ");
    money::write(&mut description, package.price.0);
    Some(LineItem {
        description,
        quantity: money::bounded(i128::from(count) * i128::from(money::UNIT))?,
        amount: money::bounded(i128::from(count) * i128::from(package.price.0))?,
    })
}

fn markup(ppm: i64, line: &UsageLine, rounding: Rounding, items: &mut Vec<LineItem>) -> Option<()> {
    let raise = money::mul_div(line.cost, ppm, 1_000_000, rounding)?;
    items.push(LineItem {
        description: String::from("Cost"),
        quantity: line.quantity,
        amount: line.cost,
    });
    if raise != 0 {
        // Millionths are percent with four digits after the point.
        let mut description = String::from("Markup of ");
        money::write(&mut description, ppm.checked_mul(100)?);
        description.push_str(" %");
        items.push(LineItem {
            description,
            quantity: line.quantity,
            amount: raise,
        });
    }
    Some(())
}

/// A price in words.
fn described(price: i64, per: i64) -> String {
    let mut text = String::with_capacity(32);
    money::write(&mut text, price);
    text.push_str(" per ");
    money::write(&mut text, per);
    text
}

fn used_before(quantity: i64) -> String {
    let mut text = String::with_capacity(64);
    money::write(&mut text, quantity);
    text.push_str(" were used in the period before.");
    text
}
