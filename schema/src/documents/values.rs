//! How many values a JSON text has, found without reading them: reading, checking and handing on a value costs a hundred
//! times as much as the two bytes that one takes.

/// Whether `json` has more than `most` values: numbers, texts, booleans, nulls, lists and objects, wherever they stand.
/// Of what is no JSON it may say either.
pub fn has_more_values(json: &[u8], most: usize) -> bool {
    // A value follows each comma and each bracket that opens, but where that closes at once; and one is around all.
    let mut values = 1_usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b',' | b'[' | b'{' => {
                values += 1;
                if values > most {
                    return true;
                }
            }
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => _ = bytes.next(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    values > most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_counted_once() {
        for (json, values) in [
            ("1", 1),
            (r#""a,[{\",\\""#, 1),
            ("[1, 2, 3]", 4),
            (r#"{"a": [1, {"b": null}], "c,": "d,"}"#, 6),
            // An empty list counts for two.
            ("[[], 1]", 4),
        ] {
            assert!(!has_more_values(json.as_bytes(), values), "{json}");
            assert!(has_more_values(json.as_bytes(), values - 1), "{json}");
        }
        assert!(has_more_values("[".repeat(100).as_bytes(), 100));
    }
}
