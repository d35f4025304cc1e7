//! The lines of a body, as they come: never more of it in memory than a line and what one read gave.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};
use tokio::time::{Instant, timeout_at};

/// The longest line, in bytes.
pub(super) const LONGEST: usize = 64 << 10;
/// How long the lines that are there wait for more of them to come.
const LINGER: Duration = Duration::from_millis(5);

/// The lines of `R`.
pub(super) struct Lines<R> {
    reader: R,
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    /// Whether that line is longer than a line may be, so that its rest is passed over.
    too_long: bool,
    /// How many lines have ended.
    ended: u64,
}

/// A line without its end; none if it is too long.
pub(super) type Line<'a> = Option<&'a [u8]>;

/// How many lines, and bytes of them, are taken at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) lines: usize,
    pub(super) bytes: usize,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            begun: Vec::new(),
            too_long: false,
            ended: 0,
        }
    }

    /// The number of the line that comes next, from 1.
    pub(super) fn next_number(&self) -> u64 {
        self.ended + 1
    }

    /// Hands over the lines that come next with their numbers: at least one, and as many of `most` as are there or
    /// come in a moment. Blank lines are passed over. False if there are no more.
    pub(super) async fn take(&mut self, most: Most, mut hand: impl FnMut(u64, Line<'_>)) -> io::Result<bool> {
        let (mut lines, mut bytes) = (0, 0);
        let mut until = None;
        while lines < most.lines && bytes < most.bytes {
            // What is unpacked is always there at once; others have their turn all the same.
            tokio::task::coop::consume_budget().await;
            let came = match until {
                None => self.reader.fill_buf().await?,
                Some(until) => match timeout_at(until, self.reader.fill_buf()).await {
                    Ok(came) => came?,
                    Err(_elapsed) => return Ok(true),
                },
            };
            let is_last = came.is_empty();
            let end = came.iter().position(|byte| *byte == b'\n');
            let part = &came[..end.unwrap_or(came.len())];
            let used = part.len() + usize::from(end.is_some());
            self.too_long |= self.begun.len() + part.len() > LONGEST;
            if self.too_long {
                self.begun = Vec::new();
            } else if end.is_none() || !self.begun.is_empty() {
                self.begun.extend_from_slice(part);
            }
            if end.is_some() || (is_last && (self.too_long || !self.begun.is_empty())) {
                self.ended += 1;
                let whole = if self.begun.is_empty() { part } else { &self.begun };
                let line = (!self.too_long).then(|| whole.trim_ascii());
                if line.is_none_or(|line| !line.is_empty()) {
                    hand(self.ended, line);
                    lines += 1;
                    bytes += whole.len();
                    until = until.or_else(|| Some(Instant::now() + LINGER));
                }
                self.begun.clear();
                self.too_long = false;
            }
            if is_last {
                return Ok(false);
            }
            self.reader.consume(used);
            if until.is_some_and(|until| until <= Instant::now()) {
                return Ok(true);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, BufReader};

    use super::*;

    const ALL: Most = Most {
        lines: 1_000,
        bytes: 1 << 20,
    };

    fn told(number: u64, line: Line<'_>) -> (u64, Option<String>) {
        (
            number,
            line.map(|line| String::from_utf8_lossy(line).into_owned()),
        )
    }

    /// All lines of a text, read in pieces of this size.
    async fn all(text: &[u8], piece: usize, most: Most) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(BufReader::with_capacity(piece, text));
        let mut found = Vec::new();
        while lines
            .take(most, |number, line| found.push(told(number, line)))
            .await
            .expect("it can be read")
        {}
        found
    }

    #[tokio::test]
    async fn lines_are_the_same_however_the_text_comes() {
        let text = b"one\r\n\n  \ntwo\nthree is longer\n\nlast";
        let expected = [(1, "one"), (4, "two"), (5, "three is longer"), (7, "last")];
        let expected = expected.map(|(number, line)| (number, Some(line.to_owned())));
        for piece in [1, 2, 3, 7, 1_000] {
            assert_eq!(all(text, piece, ALL).await, expected, "{piece}");
        }
        let one = Most { lines: 1, ..ALL };
        assert_eq!(all(text, 1_000, one).await, expected);
        assert_eq!(all(b"", 8, ALL).await, []);
        assert_eq!(all(b"\n\n", 8, ALL).await, []);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_passed_over_and_kept_nowhere() {
        let most = "x".repeat(LONGEST);
        let text = format!("a\n{most}\n{most}y\nb\n{most}zz");
        for piece in [1_000, 1 << 20] {
            let found = all(text.as_bytes(), piece, ALL).await;
            let told: Vec<_> = found
                .iter()
                .map(|(n, line)| (*n, line.as_ref().map(String::len)))
                .collect();
            assert_eq!(
                told,
                [
                    (1, Some(1)),
                    (2, Some(LONGEST)),
                    (3, None),
                    (4, Some(1)),
                    (5, None)
                ]
            );
        }
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut lines = Lines::new(BufReader::new(server));
        client
            .write_all("x".repeat(1 << 19).as_bytes())
            .await
            .expect("room");
        let read = lines.take(ALL, |_, _| panic!("no line has ended"));
        assert!(
            tokio::time::timeout(Duration::from_millis(50), read)
                .await
                .is_err()
        );
        assert_eq!((lines.begun.capacity(), lines.too_long), (0, true));
    }

    #[tokio::test]
    async fn what_is_there_is_handed_over_before_more_comes() {
        let (mut client, server) = tokio::io::duplex(1_024);
        let mut lines = Lines::new(BufReader::new(server));
        client.write_all(b"one\ntwo\nthr").await.expect("room");
        let mut found = Vec::new();
        let more = lines
            .take(ALL, |number, line| found.push(told(number, line)))
            .await;
        assert!(more.expect("it can be read"));
        assert_eq!(found, [(1, Some("one".to_owned())), (2, Some("two".to_owned()))]);
        assert_eq!(lines.next_number(), 3);
        client.write_all(b"ee\n").await.expect("room");
        drop(client);
        found.clear();
        while lines
            .take(ALL, |number, line| found.push(told(number, line)))
            .await
            .expect("it can be read")
        {}
        assert_eq!(found, [(3, Some("three".to_owned()))]);
    }
}
