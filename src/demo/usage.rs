//! A month of usage for the demo, recorded as any client would record it.
//!
//! The quantities follow from the account and the day, so that two demos differ only in their dates.

use anyhow::{Context, bail};
use canopy_domain::{
    Actor, Domain, Micros,
    entity::{
        account::AccountKind,
        time::{Timestamp, now, truncate},
    },
    usage::{EventOutcome, NewUsageEvent, RecordUsage},
};
use chrono::{Datelike, Days, Duration, Weekday};

use super::seed::Accounts;

/// How many days back the usage goes.
const DAYS: u64 = 30;
/// Events in one batch: the bound of the domain is 1,000.
const BATCH: usize = 500;
/// The meters, with the usual quantity of a day in tenths.
const METERS: [(&str, u64); 2] = [("call_minutes", 180), ("messages", 400)];

/// Records the usage of every client account, oldest first; answers how many events.
pub(super) async fn record_month(
    domain: &Domain,
    system: &Actor,
    accounts: &Accounts,
) -> anyhow::Result<usize> {
    let mut clients: Vec<_> = accounts
        .iter()
        .filter(|(_, view)| view.row().kind == AccountKind::Subaccount)
        .collect();
    clients.sort_by_key(|(key, _)| key.as_str());
    let now = now();
    let mut events = Vec::new();
    for days_ago in (0..DAYS).rev() {
        for (key, view) in &clients {
            for (meter, usual) in METERS {
                let Some(occurred_at) = moment(now, days_ago, mixed(&[key.as_str(), meter], days_ago)) else {
                    continue;
                };
                events.push(NewUsageEvent {
                    account_id: Some(view.id().clone()),
                    idempotency_key: format!("demo-{meter}-{}", occurred_at.format("%Y-%m-%d")),
                    meter: meter.to_owned(),
                    quantity: quantity(key, meter, usual, occurred_at)?,
                    occurred_at: Some(occurred_at),
                    attributes: serde_json::json!({ "source": "demo" }),
                });
            }
        }
    }
    let top = accounts
        .get(super::tree::TOP.key)
        .context("the demo has no platform")?;
    let total = events.len();
    while !events.is_empty() {
        let rest = events.split_off(events.len().min(BATCH));
        let input = RecordUsage {
            account_id: top.id().clone(),
            events: std::mem::replace(&mut events, rest),
        };
        for outcome in domain.record_usage(system, input).await? {
            if let EventOutcome::Refused(error) = outcome {
                bail!("a usage event was refused: {error} ({})", error.code().as_str());
            }
        }
    }
    Ok(total)
}

/// A moment of the working day so many days ago; none if it is still to come.
fn moment(now: Timestamp, days_ago: u64, seed: u64) -> Option<Timestamp> {
    let day = now.date_naive().checked_sub_days(Days::new(days_ago))?;
    let minute = 8 * 60 + i64::try_from(seed % 600).ok()?;
    let at = day.and_hms_opt(0, 0, 0)?.and_utc() + Duration::minutes(minute);
    (at <= now).then(|| truncate(at))
}

/// The quantity of a day: less at weekends, and some accounts are larger than others.
fn quantity(account: &str, meter: &str, usual: u64, at: Timestamp) -> anyhow::Result<Micros> {
    let size = 40 + mixed(&[account], 0) % 120;
    let swing = 70 + mixed(&[account, meter], u64::from(at.ordinal())) % 60;
    let weekend = if matches!(at.weekday(), Weekday::Sat | Weekday::Sun) {
        30
    } else {
        100
    };
    let tenths = usual * size * swing * weekend / 1_000_000;
    let micros = i64::try_from(tenths.max(1))? * 100_000;
    Ok(Micros::new(micros)?)
}

/// A number that looks arbitrary and is always the same (FNV-1a).
fn mixed(words: &[&str], number: u64) -> u64 {
    let bytes = words
        .iter()
        .flat_map(|word| word.bytes())
        .chain(number.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone, Utc};

    use super::*;

    #[test]
    fn no_event_lies_ahead_or_more_than_a_month_back() {
        let now = Utc
            .with_ymd_and_hms(2025, 3, 1, 9, 0, 0)
            .single()
            .expect("a moment");
        for days_ago in 0..DAYS {
            for seed in [0, 59, 599, 600, u64::MAX] {
                if let Some(at) = moment(now, days_ago, seed) {
                    assert!(at <= now && now - at < Duration::days(35), "{at}");
                }
            }
        }
        assert!(moment(now, 0, 599).is_none());
    }

    #[test]
    fn quantities_are_positive_and_repeatable() {
        let at = Utc
            .with_ymd_and_hms(2025, 3, 1, 9, 0, 0)
            .single()
            .expect("a moment");
        let first = quantity("itellico.acme", "messages", 1, at).expect("in range");
        assert!(first > Micros::ZERO);
        assert_eq!(
            first,
            quantity("itellico.acme", "messages", 1, at).expect("in range")
        );
    }
}
