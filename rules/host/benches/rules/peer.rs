//! Another embedding with the same rule: the program of benches/peer, a child of this process that is asked line by line
//! for prices and times. It knows nothing of that program's engine.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use canopy_rules_host::{PricedLine, PricingInput};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(crate) struct Peer {
    child: Child,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts it, or says how to make it.
    pub(crate) fn start(folder: &Path) -> Result<Self, String> {
        let [program, guest] = ["peer", "peer.wasm"].map(|name| folder.join(name));
        if !program.is_file() || !guest.is_file() {
            return Err(format!(
                "wasmer is missing in {}; make it by: cargo xtask peer",
                folder.display()
            ));
        }
        let mut child = Command::new(program)
            .arg(guest)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Ok(Self {
            requests: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        })
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Value) -> T {
        writeln!(self.requests, "{request}").expect("the peer takes requests; what it died of is above");
        let answer = self
            .answers
            .next()
            .expect("the peer answers; what it died of is above");
        serde_json::from_str(&answer.unwrap()).unwrap()
    }

    /// Makes the next batch known, and prices it.
    pub(crate) fn batch(&mut self, input: &PricingInput) -> Vec<PricedLine> {
        self.ask(&json!({ "batch": input }))
    }

    /// What calls with a batch take.
    pub(crate) fn time(
        &mut self,
        batch: usize,
        calls_per_instance: usize,
        time: Duration,
        least: usize,
    ) -> Vec<Duration> {
        let request = json!({ "time": {
            "batch": batch,
            "calls_per_instance": calls_per_instance,
            "milliseconds": time.as_millis() as u64,
            "least": least,
        }});
        let times: Vec<u64> = self.ask(&request);
        times.into_iter().map(Duration::from_nanos).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
