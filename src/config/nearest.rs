//! The key that somebody probably meant. Pure.

/// The known key most like `key`, if one is near.
pub(super) fn closest<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> Option<String> {
    let near = known
        .map(|candidate| (distance(key, candidate), candidate))
        .min()?;
    (near.0 <= 3).then(|| near.1.clone())
}

/// The edit distance of two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let cost = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognized_and_another_word_is_not() {
        let known = ["http.port".to_owned(), "http.address".to_owned()];
        assert_eq!(closest("http.prot", known.iter()).as_deref(), Some("http.port"));
        assert_eq!(closest("smtp.server", known.iter()), None);
    }
}
