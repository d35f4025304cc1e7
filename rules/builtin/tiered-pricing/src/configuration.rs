//! The configuration of `tiered-pricing`, and what makes sense of it.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use canopy_rules_sdk::config::Micros;
use canopy_rules_sdk::money::{self, UNIT};
use serde::Deserialize;

/// So many that a receipt can show each (32 items) with markup and minimum.
const MAX_TIERS: usize = 30;

/// A markup of minus one million is the whole cost.
const MIN_MARKUP: i64 = -1_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    meters: BTreeMap<String, Tariff>,
}

impl Configuration {
    /// The tariff of a meter, or that of `*`.
    pub(crate) fn tariff(&self, meter: &str) -> Option<&Tariff> {
        self.meters.get(meter).or_else(|| self.meters.get("*"))
    }

    /// What is wrong, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (meter, tariff) in &self.meters {
            tariff
                .check()
                .map_err(|wrong| format!("meters.{meter}: {wrong}."))?;
        }
        Ok(())
    }
}

/// How one meter is priced.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tariff {
    /// Price of `per` units.
    pub(crate) unit_price: Option<Micros>,
    /// Prices by how much was used in the period, each for its part.
    #[serde(default)]
    pub(crate) tiers: Vec<Tier>,
    /// Price of whole packages.
    pub(crate) package: Option<Package>,
    /// Number of units that a price is for.
    #[serde(default = "one")]
    pub(crate) per: Micros,
    /// Passes the cost on, raised by so many millionths.
    pub(crate) markup_ppm: Option<i64>,
    /// The least that a line costs.
    pub(crate) minimum: Option<Micros>,
    #[serde(default)]
    pub(crate) rounding: Rounding,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tier {
    /// Where the tier ends: a quantity in the period. The last has none.
    pub(crate) up_to: Option<Micros>,
    pub(crate) unit_price: Micros,
    /// Charged once per period, when the tier is reached.
    #[serde(default)]
    pub(crate) flat_fee: Micros,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Package {
    pub(crate) size: Micros,
    pub(crate) price: Micros,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Rounding {
    #[default]
    HalfEven,
    HalfUp,
    Down,
    Up,
}

impl From<Rounding> for money::Rounding {
    fn from(rounding: Rounding) -> Self {
        match rounding {
            Rounding::HalfEven => Self::HalfEven,
            Rounding::HalfUp => Self::HalfUp,
            Rounding::Down => Self::Down,
            Rounding::Up => Self::Up,
        }
    }
}

fn one() -> Micros {
    Micros(UNIT)
}

impl Tariff {
    fn check(&self) -> Result<(), &'static str> {
        let bases = [
            self.unit_price.is_some(),
            !self.tiers.is_empty(),
            self.package.is_some(),
        ];
        match bases.into_iter().filter(|given| *given).count() {
            0 if self.markup_ppm.is_none() => {
                return Err("needs one of `unit_price`, `tiers`, `package`, `markup_ppm`");
            }
            0 | 1 => {}
            _ => return Err("may have only one of `unit_price`, `tiers`, `package`"),
        }
        if self.per.0 <= 0 {
            return Err("`per` must be above zero");
        }
        if self
            .package
            .as_ref()
            .is_some_and(|p| p.size.0 <= 0 || p.price.0 < 0)
        {
            return Err("`package` needs a `size` above zero and a `price` that is not negative");
        }
        if self
            .markup_ppm
            .is_some_and(|ppm| !(MIN_MARKUP..=money::MAX).contains(&ppm))
        {
            return Err("`markup_ppm` must be at least -1000000");
        }
        let prices = self.unit_price.iter().chain(&self.minimum);
        let tier_prices = self.tiers.iter().flat_map(|t| [&t.unit_price, &t.flat_fee]);
        if prices.chain(tier_prices).any(|price| price.0 < 0) {
            return Err("a price may not be negative");
        }
        self.check_tiers()
    }

    fn check_tiers(&self) -> Result<(), &'static str> {
        if self.tiers.len() > MAX_TIERS {
            return Err("may have at most 30 tiers");
        }
        let Some((last, earlier)) = self.tiers.split_last() else {
            return Ok(());
        };
        if last.up_to.is_some() {
            return Err("the last tier may not have `up_to`");
        }
        let mut start = 0;
        for tier in earlier {
            match tier.up_to {
                Some(end) if end.0 > start => start = end.0,
                _ => return Err("each tier but the last needs an `up_to` above the one before"),
            }
        }
        Ok(())
    }
}
