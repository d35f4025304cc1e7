//! Rust as text: which characters are code, and which lines are compiled for tests only.
//! It reads tokens, not syntax, and knows no rule.

/// The code with comments, strings and characters blanked out, of the same length in lines.
pub(super) fn blank_out(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_non_code(&chars, at);
        if end > at {
            code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            code.push(chars[at]);
            at += 1;
        }
    }
    code
}

/// The end of the comment, string or character that starts at `at`; `at` itself where code is.
fn end_of_non_code(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    match (chars[at], next) {
        ('/', Some('/')) => find(chars, at, |rest| rest[0] == '\n'),
        ('/', Some('*')) => end_of_block_comment(chars, at),
        ('"', _) => end_of_quoted(chars, at, '"'),
        ('r', Some('"' | '#')) if !is_within_word(chars, at) => end_of_raw_string(chars, at),
        ('\'', Some('\\')) => end_of_quoted(chars, at, '\''),
        // A lifetime has no closing quote.
        ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

fn find(chars: &[char], from: usize, wanted: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len())
        .find(|at| wanted(&chars[*at..]))
        .unwrap_or(chars.len())
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn end_of_quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// `r"…"` and `r#"…"#`; also the tail of `br` and `cr`. `r#name` is code.
fn end_of_raw_string(chars: &[char], start: usize) -> usize {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return start;
    }
    let mut closing = vec!['"'];
    closing.resize(1 + hashes, '#');
    (find(chars, open + 1, |rest| rest.starts_with(&closing)) + closing.len()).min(chars.len())
}

/// Whether the letter belongs to a longer word, such as the `r` of `for`. `br` and `cr` open strings too.
fn is_within_word(chars: &[char], at: usize) -> bool {
    let mut before = chars[..at].iter().rev();
    match before.next() {
        Some('b' | 'c') => before.next().is_some_and(|c| is_word(*c)),
        Some(c) => is_word(*c),
        None => false,
    }
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What stands behind each `#[cfg(test)]` of blanked-out code.
pub(super) enum TestItem {
    /// A block: its first and last line, counted from 1.
    Lines(usize, usize),
    /// `mod name;`: a file that is compiled for tests only.
    Module(String),
}

pub(super) fn test_items(code: &str) -> Vec<TestItem> {
    const MARK: &str = "#[cfg(test)]";
    let mut items = Vec::new();
    for (start, _) in code.match_indices(MARK) {
        let rest = &code[start + MARK.len()..];
        let Some(open) = rest.find(['{', ';']) else {
            continue;
        };
        let declaration = rest[..open].trim();
        if rest[open..].starts_with(';') {
            let name = declaration
                .rsplit("mod ")
                .next()
                .filter(|name| name.chars().all(is_word));
            items.extend(name.map(|name| TestItem::Module(name.to_owned())));
            continue;
        }
        let mut depth = 0i32;
        let end = rest[open..].find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0
        });
        let end = start + MARK.len() + end.map_or(rest.len(), |length| open + length);
        items.push(TestItem::Lines(line_of(code, start), line_of(code, end)));
    }
    items
}

/// The line of a byte, counted from 1.
pub(super) fn line_of(text: &str, byte: usize) -> usize {
    text[..byte].matches('\n').count() + 1
}

#[test]
fn only_code_is_left() {
    let text = r##"let a = "x.unwrap() \" y"; // b.unwrap()
/* c /* d */ e */ let f: &'static str = r#"g "h" i"#; let j = '"'; let k = b'\''; fn for_r() {}"##;
    let code = blank_out(text);
    let words: Vec<&str> = code.split_whitespace().collect();
    let expected = "let a = ; let f: &'static str = ; let j = ; let k = b ; fn for_r() {}";
    assert_eq!(words, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn test_items_are_found() {
    let items = test_items(
        "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { {} }\n}\nfn c() {}\n#[cfg(test)]\npub mod d;\n",
    );
    assert!(matches!(items[0], TestItem::Lines(2, 5)));
    assert!(matches!(&items[1], TestItem::Module(name) if name == "d"));
}
