//! How exported usage is written: CSV (RFC 4180) and lines of JSON, with the same names. Pure.

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use canopy_domain::{
    entity::{
        UsageEventId,
        time::Timestamp,
        usage_event::{CorrectionPart, RatingStatus},
    },
    usage::{ExportedEvent, ExportedRows, ExportedSum, Granularity},
};
use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::value::RawValue;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Csv,
    Ndjson,
}

/// What rows have, and how they are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) format: Format,
    /// The length of the buckets; none for single events.
    pub(super) granularity: Option<Granularity>,
}

const OF_EVENTS: &str = "id,account,accountName,meter,quantity,occurredAt,recordedAt,idempotencyKey,attributes,\
    ratingStatus,amount,currency,correction,corrects,reason,countedAt,adjusts\r\n";
const OF_SUMS: &str = "account,accountName,start,granularity,meter,quantity,events,amount,currency\r\n";

impl Format {
    /// The format that the client takes; CSV if it takes any.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::ACCEPT).iter();
        let mut ranges = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|range| {
                range
                    .split(';')
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .to_ascii_lowercase()
            })
            .filter(|range| !range.is_empty())
            .peekable();
        if ranges.peek().is_none() {
            return Some(Self::Csv);
        }
        ranges.find_map(|range| match range.as_str() {
            "text/csv" | "text/*" | "*/*" => Some(Self::Csv),
            "application/x-ndjson" | "application/ndjson" | "application/*" => Some(Self::Ndjson),
            _ => None,
        })
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }
}

impl Kind {
    /// What comes before the first row.
    pub(super) fn head(self) -> Option<&'static str> {
        match (self.format, self.granularity) {
            (Format::Ndjson, _) => None,
            (Format::Csv, None) => Some(OF_EVENTS),
            (Format::Csv, Some(_)) => Some(OF_SUMS),
        }
    }

    /// Rows as text.
    pub(super) fn text(self, rows: &ExportedRows) -> String {
        let mut text = String::with_capacity(256 * rows.len());
        match rows {
            ExportedRows::Events(rows) => rows.iter().for_each(|row| match self.format {
                Format::Csv => line(&mut text, &event_cells(row)),
                Format::Ndjson => json(&mut text, &EventLine::of(row)),
            }),
            ExportedRows::Sums(rows) => rows.iter().for_each(|row| match self.format {
                Format::Csv => line(&mut text, &self.sum_cells(row)),
                Format::Ndjson => json(&mut text, &self.sum_line(row)),
            }),
        }
        text
    }

    fn sum_line(self, row: &ExportedSum) -> SumLine<'_> {
        SumLine {
            account: row.account_id.as_str(),
            account_name: &row.account_name,
            start: written(row.bucket_start),
            granularity: self.granularity.unwrap_or(Granularity::Hour),
            meter: &row.meter,
            quantity: decimal(row.quantity),
            events: row.events,
            amount: decimal(row.amount),
            currency: &row.currency,
        }
    }

    fn sum_cells(self, row: &ExportedSum) -> [Cow<'_, str>; 9] {
        let granularity = match self.granularity {
            Some(Granularity::Month) => "MONTH",
            Some(Granularity::Day) => "DAY",
            _ => "HOUR",
        };
        [
            row.account_id.as_str().into(),
            words(&row.account_name),
            written(row.bucket_start).into(),
            granularity.into(),
            words(&row.meter),
            decimal(row.quantity).into(),
            row.events.to_string().into(),
            decimal(row.amount).into(),
            row.currency.as_str().into(),
        ]
    }
}

fn event_cells(row: &ExportedEvent) -> [Cow<'_, str>; 17] {
    let corrects = row.corrects_id.as_ref();
    [
        row.id.as_str().into(),
        row.account_id.as_str().into(),
        words(&row.account_name),
        words(&row.meter),
        decimal(row.quantity).into(),
        written(row.occurred_at).into(),
        written(row.recorded_at).into(),
        words(&row.idempotency_key),
        words(&row.attributes),
        row.rating_status.as_str().into(),
        row.amount.map(decimal).unwrap_or_default().into(),
        row.currency.as_deref().unwrap_or_default().into(),
        row.correction
            .map(CorrectionPart::as_str)
            .unwrap_or_default()
            .into(),
        corrects.map(UsageEventId::as_str).unwrap_or_default().into(),
        words(row.reason.as_deref().unwrap_or_default()),
        written(row.counted_at.unwrap_or(row.occurred_at)).into(),
        row.adjusts.map(written).unwrap_or_default().into(),
    ]
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventLine<'a> {
    id: &'a str,
    account: &'a str,
    account_name: &'a str,
    meter: &'a str,
    quantity: String,
    occurred_at: String,
    recorded_at: String,
    idempotency_key: &'a str,
    attributes: Option<&'a RawValue>,
    rating_status: RatingStatus,
    amount: Option<String>,
    currency: Option<&'a str>,
    correction: Option<CorrectionPart>,
    corrects: Option<&'a str>,
    reason: Option<&'a str>,
    counted_at: String,
    adjusts: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SumLine<'a> {
    account: &'a str,
    account_name: &'a str,
    start: String,
    granularity: Granularity,
    meter: &'a str,
    quantity: String,
    events: i64,
    amount: String,
    currency: &'a str,
}

impl<'a> EventLine<'a> {
    fn of(row: &'a ExportedEvent) -> Self {
        Self {
            id: row.id.as_str(),
            account: row.account_id.as_str(),
            account_name: &row.account_name,
            meter: &row.meter,
            quantity: decimal(row.quantity),
            occurred_at: written(row.occurred_at),
            recorded_at: written(row.recorded_at),
            idempotency_key: &row.idempotency_key,
            // It was written as JSON by ourselves.
            attributes: serde_json::from_str(&row.attributes).ok(),
            rating_status: row.rating_status,
            amount: row.amount.map(decimal),
            currency: row.currency.as_deref(),
            correction: row.correction,
            corrects: row.corrects_id.as_ref().map(UsageEventId::as_str),
            reason: row.reason.as_deref(),
            counted_at: written(row.counted_at.unwrap_or(row.occurred_at)),
            adjusts: row.adjusts.map(written),
        }
    }
}

fn json(text: &mut String, line: &impl Serialize) {
    text.push_str(&serde_json::to_string(line).expect("a row has string keys only"));
    text.push('\n');
}

fn line(text: &mut String, cells: &[Cow<'_, str>]) {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        if cell.contains(['"', ',', '\r', '\n']) {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(cell);
        }
    }
    text.push_str("\r\n");
}

/// A text as a cell. One that a spreadsheet would take for a formula has an apostrophe before it.
fn words(text: &str) -> Cow<'_, str> {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        true => format!("'{text}").into(),
        false => text.into(),
    }
}

/// An instant with as many digits as it has.
fn written(instant: Timestamp) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The decimal number of so many millionths. A sum may be larger than an amount.
fn decimal(micros: i64) -> String {
    const UNIT: u64 = 1_000_000;
    let sign = if micros < 0 { "-" } else { "" };
    let (whole, fraction) = (micros.unsigned_abs() / UNIT, micros.unsigned_abs() % UNIT);
    match fraction {
        0 => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction:06}")
            .trim_end_matches('0')
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_exactly() {
        for (micros, expected) in [
            (0, "0"),
            (1, "0.000001"),
            (-500_000, "-0.5"),
            (10_000_000, "10"),
            (i64::MAX, "9223372036854.775807"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            assert_eq!(decimal(micros), expected);
        }
    }

    #[test]
    fn cells_are_quoted_where_they_must_be_and_are_never_formulas() {
        let mut text = String::new();
        let cells = [
            "a",
            "b,c",
            "say \"x\"",
            "two\nlines",
            "=1+1",
            "'q",
            "-1",
            "@x,y",
            "\tx",
        ]
        .map(words);
        line(&mut text, &cells);
        assert_eq!(
            text,
            "a,\"b,c\",\"say \"\"x\"\"\",\"two\nlines\",'=1+1,'q,'-1,\"'@x,y\",'\tx\r\n"
        );
    }

    #[test]
    fn the_client_says_what_it_takes() {
        let of = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a value"));
            Format::accepted(&headers)
        };
        assert_eq!(Format::accepted(&HeaderMap::new()), Some(Format::Csv));
        assert_eq!(of("*/*"), Some(Format::Csv));
        assert_eq!(of("application/x-ndjson, text/csv"), Some(Format::Ndjson));
        assert_eq!(of("text/html, text/csv;q=0.9"), Some(Format::Csv));
        assert_eq!(of("image/png"), None);
    }
}
