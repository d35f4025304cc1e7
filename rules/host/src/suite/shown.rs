//! Numbers and calls as a person reads them: exact, and never long. Pure.

use serde::Serialize;
use serde_json::{Value, json};

use super::runner::{Place, Said};

const MAX_TEXT: usize = 200;
const MAX_LIST: usize = 8;
const KEPT: usize = 3;

/// Micro-units as a decimal number: `1.5`.
pub(super) fn decimal(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (whole, part) = (
        micros.unsigned_abs() / 1_000_000,
        micros.unsigned_abs() % 1_000_000,
    );
    let part = format!("{part:06}");
    match part.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        part => format!("{sign}{whole}.{part}"),
    }
}

/// Questions and what was said to them, as JSON of a bounded length. The configuration is left out: whoever sees
/// this has given it.
pub(super) fn calls<Q: Serialize, T: Serialize>(questions: &[(Place, Q)], said: &[Said<T>]) -> String {
    let call = |((place, question), said): (&(Place, Q), &Said<T>)| {
        let mut input = value(question);
        if let Value::Object(fields) = &mut input {
            fields.remove("configuration");
        }
        let (key, output) = match said {
            Said::Answer { value: answer, .. } => ("output", value(answer)),
            Said::Refused(text) => ("refused", json!(text)),
            Said::Broke(error) => ("error", json!(error.kind())),
        };
        let mut call = json!({ "input": input, key: output });
        if *place == Place::Restarted {
            call["restarted"] = json!(true);
        }
        call
    };
    let mut calls = Value::Array(questions.iter().zip(said).map(call).collect());
    shorten(&mut calls);
    calls.to_string()
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).expect("types of the contract have string keys only")
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > MAX_TEXT => {
            let end = text.floor_char_boundary(MAX_TEXT / 2);
            *text = format!("{}… ({} bytes)", &text[..end], text.len());
        }
        Value::Array(items) => {
            if items.len() > MAX_LIST {
                let more = items.len() - KEPT;
                items.truncate(KEPT);
                items.push(json!(format!("… {more} more")));
            }
            items.iter_mut().for_each(shorten);
        }
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let shown = [0, 1, -1, 1_500_000, -2_000_000, 1_000_000_001].map(decimal);
        assert_eq!(shown, ["0", "0.000001", "-0.000001", "1.5", "-2", "1000.000001"]);
    }

    #[test]
    fn long_texts_and_lists_are_cut() {
        let mut long = json!({"a": "é".repeat(500), "b": vec![1; 1000]});
        shorten(&mut long);
        assert!(long.to_string().len() < 200, "{long}");
        assert_eq!(long["b"][3], "… 997 more");
    }
}
