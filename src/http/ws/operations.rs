//! The operations that run on one socket: at most one of an id, a bounded number at once.

use std::collections::HashMap;

use futures_util::StreamExt;
use tokio::{sync::mpsc, task::AbortHandle};

use super::super::answer::Answer;
use async_graphql::Response;
use futures_util::stream::BoxStream;

/// A step of an operation, on its way to the socket. Of an operation that has ended since, it is dropped.
pub(super) struct Step {
    id: String,
    serial: u64,
    pub(super) kind: StepKind,
}

pub(super) enum StepKind {
    Next(Answer),
    /// Nothing ran: the errors, and the end.
    Failed(Answer),
    Done,
}

impl StepKind {
    /// Whether it says that there is no credential, or none that holds any more.
    pub(super) fn lacks_credential(&self) -> bool {
        match self {
            Self::Next(answer) | Self::Failed(answer) => answer.first_code() == Some("UNAUTHENTICATED"),
            Self::Done => false,
        }
    }
}

struct Running {
    serial: u64,
    task: AbortHandle,
    is_subscription: bool,
}

/// The running operations of a socket.
pub(super) struct Operations {
    running: HashMap<String, Running>,
    last_serial: u64,
    steps: mpsc::Sender<Step>,
    request_id: String,
}

impl Operations {
    /// No operations, whose steps will go to `steps`.
    pub(super) fn new(steps: mpsc::Sender<Step>, request_id: String) -> Self {
        Self {
            running: HashMap::new(),
            last_serial: 0,
            steps,
            request_id,
        }
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.running.contains_key(id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Runs `responses` under `id`, which must be free.
    pub(super) fn start(
        &mut self,
        id: String,
        responses: BoxStream<'static, Response>,
        is_subscription: bool,
    ) {
        self.last_serial += 1;
        let serial = self.last_serial;
        let feed = Feed {
            id: id.clone(),
            serial,
            request_id: self.request_id.clone(),
            steps: self.steps.clone(),
            is_subscription,
        };
        let task = tokio::spawn(feed.run(responses));
        let running = Running {
            serial,
            task: task.abort_handle(),
            is_subscription,
        };
        let replaced = self.running.insert(id, running);
        debug_assert!(replaced.is_none(), "the id was free");
    }

    /// Stops an operation that the client completed. An unknown id is one that ended meanwhile.
    pub(super) fn stop(&mut self, id: &str) {
        if let Some(running) = self.running.remove(id) {
            running.task.abort();
        }
    }

    /// Stops all that has no end of its own.
    pub(super) fn stop_subscriptions(&mut self) {
        self.running.retain(|_, running| {
            if running.is_subscription {
                running.task.abort();
            }
            !running.is_subscription
        });
    }

    /// Takes a step: its operation's id, or `None` when that operation is not running any more.
    pub(super) fn take(&mut self, step: Step) -> Option<(String, StepKind)> {
        if self.running.get(&step.id)?.serial != step.serial {
            return None;
        }
        if matches!(step.kind, StepKind::Failed(_) | StepKind::Done) {
            self.running.remove(&step.id);
        }
        Some((step.id, step.kind))
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        for running in self.running.values() {
            running.task.abort();
        }
    }
}

/// Carries the responses of one operation to the socket, as fast as the socket takes them.
struct Feed {
    id: String,
    serial: u64,
    request_id: String,
    steps: mpsc::Sender<Step>,
    is_subscription: bool,
}

impl Feed {
    async fn run(self, mut responses: BoxStream<'static, Response>) {
        let mut first = true;
        while let Some(response) = responses.next().await {
            let answer = Answer::new(response, &self.request_id);
            // A subscription whose source cannot be made fails as a whole, like a document that is wrong.
            if first && (answer.is_request_error() || (self.is_subscription && answer.has_no_data())) {
                return self.send(StepKind::Failed(answer)).await;
            }
            first = false;
            self.send(StepKind::Next(answer)).await;
        }
        self.send(StepKind::Done).await;
    }

    async fn send(&self, kind: StepKind) {
        // The socket is gone when nobody listens: this task is about to be aborted.
        let _ = self
            .steps
            .send(Step {
                id: self.id.clone(),
                serial: self.serial,
                kind,
            })
            .await;
    }
}
