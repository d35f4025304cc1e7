//! A first look at a document's text, before anything parses it: how many tokens it has, and how deep its brackets go.
//!
//! The parser goes down with each bracket and builds a value for each token, so both are bounded before it begins. What
//! is not a token of GraphQL is counted and left to the parser to refuse.

/// The deepest nesting of brackets. More than the deepest document takes, whose bound counts fields alone.
const MAX_BRACKETS: usize = 200;

/// Why a text is not parsed at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has more tokens than the bound.
    TooManyTokens,
    /// Its brackets are nested too deeply.
    TooDeep,
}

/// Refuses a text of more than `max_tokens` tokens, or with deeply nested brackets. Reads each byte once.
pub(super) fn check(text: &str, max_tokens: usize) -> Result<(), Refused> {
    let mut rest = text.as_bytes();
    let (mut tokens, mut depth) = (0_usize, 0_usize);
    while let Some((&first, after)) = rest.split_first() {
        rest = match first {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                rest = after;
                continue;
            }
            b'#' => {
                rest = skip(after, |byte| byte != b'\n' && byte != b'\r');
                continue;
            }
            b'"' => string(rest),
            b'{' | b'[' | b'(' => {
                depth += 1;
                if depth > MAX_BRACKETS {
                    return Err(Refused::TooDeep);
                }
                after
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                after
            }
            b'.' => skip(after, |byte| byte == b'.'),
            byte if is_wordly(byte) => skip(after, is_wordly),
            _ => after,
        };
        tokens += 1;
        if tokens > max_tokens {
            return Err(Refused::TooManyTokens);
        }
    }
    Ok(())
}

/// What names and numbers are made of. The bytes of other characters belong to no token, and are taken together.
fn is_wordly(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || byte >= 0x80
}

fn skip(bytes: &[u8], goes_on: impl Fn(u8) -> bool) -> &[u8] {
    let end = bytes.iter().position(|byte| !goes_on(*byte));
    &bytes[end.unwrap_or(bytes.len())..]
}

/// What follows the string that `bytes` begins with; nothing, if it does not end.
fn string(bytes: &[u8]) -> &[u8] {
    if let Some(block) = bytes.strip_prefix(b"\"\"\"") {
        return block_string(block);
    }
    let mut rest = &bytes[1..];
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'"' | b'\n' | b'\r' => return after,
            b'\\' => after.get(1..).unwrap_or_default(),
            _ => after,
        };
    }
    rest
}

fn block_string(mut rest: &[u8]) -> &[u8] {
    while let Some((_, after)) = rest.split_first() {
        if let Some(escaped) = rest.strip_prefix(b"\\\"\"\"") {
            rest = escaped;
        } else if let Some(end) = rest.strip_prefix(b"\"\"\"") {
            return end;
        } else {
            rest = after;
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> usize {
        (0..).find(|max| check(text, *max).is_ok()).unwrap()
    }

    #[test]
    fn each_token_counts_once_and_nothing_else_does() {
        for (text, count) in [
            ("", 0),
            (" \t,\n# a comment { \" \n", 0),
            ("{ me { id } }", 6),
            ("query Q($a: [Int!]! = -1.5e3) @d { a(b: $a) ...F }", 29),
            (r#"{ a(b: "x \" { y", c: """ " \""" {{{ """) }"#, 11),
            ("{ a(b: \"unfinished\n) }", 8),
            ("\"never ends", 1),
            ("\"\"\"never ends", 1),
            ("ä€", 1),
        ] {
            assert_eq!(tokens(text), count, "{text}");
        }
    }

    #[test]
    fn brackets_are_bounded_before_they_are_parsed() {
        let nested = |depth: usize| format!("{}{}", "{a".repeat(depth), "}".repeat(depth));
        assert_eq!(check(&nested(MAX_BRACKETS), 100_000), Ok(()));
        assert_eq!(check(&nested(MAX_BRACKETS + 1), 100_000), Err(Refused::TooDeep));
        assert_eq!(check(&"[".repeat(60_000), 100_000), Err(Refused::TooDeep));
        assert_eq!(check(&"{}".repeat(60_000), 1_000_000), Ok(()));
    }
}
