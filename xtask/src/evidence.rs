//! Keeps what a test runner prints about the tests that failed, so that the end of a long run can say it again:
//! CI services often show no more than the end.

/// So many lines are kept of one command.
const LINES: usize = 80;

/// What a command printed about its failed tests.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    lines: Vec<String>,
    open: bool,
}

impl Evidence {
    /// Takes in one line of output. cargo's runner tells its failures between `failures:` and the sum,
    /// node's after `✖ failing tests:`, to the end.
    pub(crate) fn read_line(&mut self, line: &str) {
        if line == "failures:" || line.ends_with("failing tests:") {
            self.open = true;
        } else if line.starts_with("test result: ") {
            self.open = false;
        } else if self.open && !line.trim().is_empty() && self.lines.len() < LINES {
            self.lines.push(line.to_owned());
        }
    }

    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    pub(crate) fn add(&mut self, other: Evidence) {
        self.lines.extend(other.lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(output: &[&str]) -> Vec<String> {
        let mut evidence = Evidence::default();
        for line in output {
            evidence.read_line(line);
        }
        evidence.lines
    }

    #[test]
    fn failures_of_both_runners_are_kept_and_nothing_else() {
        let cargo = [
            "test a::b ... FAILED",
            "failures:",
            "",
            "---- a::b stdout ----",
            "thread 'a::b' panicked",
            "test result: FAILED. 1 passed; 1 failed",
            "running 3 tests",
        ];
        assert_eq!(kept(&cargo), ["---- a::b stdout ----", "thread 'a::b' panicked"]);
        assert_eq!(kept(&["ℹ fail 1", "✖ failing tests:", "a test"]), ["a test"]);
        assert_eq!(kept(&["running 3 tests", "test result: ok. 3 passed"]), [""; 0]);
    }

    #[test]
    fn endless_failure_is_cut() {
        let output = [&["failures:"][..], &["again"; 1_000]].concat();
        assert_eq!(kept(&output).len(), LINES);
    }
}
