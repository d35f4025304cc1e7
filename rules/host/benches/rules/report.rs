//! Medians and ratios, as a table or as JSON.

use std::io::IsTerminal;
use std::time::Duration;

use serde_json::{Value, json};

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    missing: Vec<String>,
}

struct Row {
    name: String,
    value: f64,
    /// Of a time: its 99th percentile and the number of calls.
    spread: Option<(f64, usize)>,
    lines: usize,
}

impl Report {
    /// Adds times of a case; answers their median in microseconds.
    pub(crate) fn time(&mut self, name: &str, mut times: Vec<Duration>, lines: usize) -> f64 {
        times.sort_unstable();
        let micros = |at: usize| times[at].as_secs_f64() * 1e6;
        let (median, high) = (micros(times.len() / 2), micros(times.len() * 99 / 100));
        self.rows.push(Row {
            name: name.to_owned(),
            value: median,
            spread: Some((high, times.len())),
            lines,
        });
        median
    }

    pub(crate) fn number(&mut self, name: &str, value: f64) {
        self.rows.push(Row {
            name: name.to_owned(),
            value,
            spread: None,
            lines: 1,
        });
    }

    pub(crate) fn missing(&mut self, text: String) {
        eprintln!("\n*** {text}\n");
        self.missing.push(text);
    }

    /// The median of the native call of as many lines.
    fn native(&self, lines: usize) -> Option<f64> {
        let native = format!("native, {lines} lines");
        self.rows
            .iter()
            .find(|row| row.name == native)
            .map(|row| row.value)
    }

    pub(crate) fn print(&self) {
        if std::io::stdout().is_terminal() {
            self.table();
        } else {
            println!("{:#}", self.json());
        }
    }

    fn table(&self) {
        let heads = ["median µs", "p99 µs", "µs/line", "× native"];
        println!(
            "{:<48} {:>11} {:>11} {:>9} {:>9}",
            "case", heads[0], heads[1], heads[2], heads[3]
        );
        for row in &self.rows {
            let Some((high, _)) = row.spread else {
                println!("{:<48} {:>11.2}", row.name, row.value);
                continue;
            };
            let ratio = self.native(row.lines).map_or(0.0, |native| row.value / native);
            let each = row.value / row.lines as f64;
            println!(
                "{:<48} {:>11.2} {high:>11.2} {each:>9.3} {ratio:>9.1}",
                row.name, row.value
            );
        }
    }

    fn json(&self) -> Value {
        let row = |row: &Row| match row.spread {
            None => json!({ "name": row.name, "value": row.value }),
            Some((high, calls)) => json!({
                "name": row.name,
                "median_us": row.value,
                "p99_us": high,
                "us_per_line": row.value / row.lines as f64,
                "times_native": self.native(row.lines).map(|native| row.value / native),
                "calls": calls,
            }),
        };
        json!({ "cases": self.rows.iter().map(row).collect::<Vec<_>>(), "missing": self.missing })
    }
}
