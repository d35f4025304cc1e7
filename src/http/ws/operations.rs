//! The operations that run on one socket: at most one of an id, a bounded number at once.

use std::{collections::HashMap, sync::Arc};

use canopy_schema::StreamAnswer;
use futures_util::{StreamExt, stream::BoxStream};
use tokio::{sync::mpsc, task::AbortHandle};

use super::super::answer::Answer;

/// A step of an operation, on its way to the socket. Of an operation that has ended since, it is dropped.
///
/// Many of them may wait for slow sockets, so it holds as little as it can: the text, which others may have as well.
pub(super) struct Step {
    id: Arc<str>,
    serial: u64,
    /// Whether it says that there is no credential, or none that holds any more.
    pub(super) lacks_credential: bool,
    pub(super) kind: StepKind,
}

pub(super) enum StepKind {
    /// A response, in JSON.
    Next(Arc<str>),
    /// Nothing ran: the errors, in JSON, and the end.
    Failed(Arc<str>),
    Done,
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

    /// Runs `answers` under `id`, which must be free.
    pub(super) fn start(
        &mut self,
        id: String,
        answers: BoxStream<'static, StreamAnswer>,
        is_subscription: bool,
    ) {
        self.last_serial += 1;
        let serial = self.last_serial;
        let feed = Feed {
            id: id.as_str().into(),
            serial,
            request_id: self.request_id.clone(),
            steps: self.steps.clone(),
            is_subscription,
        };
        let task = tokio::spawn(feed.run(answers));
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
    pub(super) fn take(&mut self, step: Step) -> Option<(Arc<str>, StepKind)> {
        if self.running.get(&*step.id)?.serial != step.serial {
            return None;
        }
        if matches!(step.kind, StepKind::Failed(_) | StepKind::Done) {
            self.running.remove(&*step.id);
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

/// Carries the answers of one operation to the socket, as fast as the socket takes them.
struct Feed {
    id: Arc<str>,
    serial: u64,
    request_id: String,
    steps: mpsc::Sender<Step>,
    is_subscription: bool,
}

impl Feed {
    async fn run(self, mut answers: BoxStream<'static, StreamAnswer>) {
        let mut first = true;
        while let Some(answer) = answers.next().await {
            let (lacks_credential, kind) = match answer {
                StreamAnswer::Shared(json) => (false, StepKind::Next(json)),
                StreamAnswer::Own(response) => {
                    let answer = Answer::new(*response, &self.request_id);
                    // A subscription whose source cannot be made fails as a whole, like a document that is wrong.
                    let fails = answer.is_request_error() || (self.is_subscription && answer.has_no_data());
                    let kind = match first && fails {
                        true => StepKind::Failed(answer.errors_to_json().into()),
                        false => StepKind::Next(answer.to_json().into()),
                    };
                    (answer.first_code() == Some("UNAUTHENTICATED"), kind)
                }
            };
            first = false;
            let over = matches!(kind, StepKind::Failed(_));
            self.send(lacks_credential, kind).await;
            if over {
                return;
            }
        }
        self.send(false, StepKind::Done).await;
    }

    async fn send(&self, lacks_credential: bool, kind: StepKind) {
        // The socket is gone when nobody listens: this task is about to be aborted.
        let _ = self
            .steps
            .send(Step {
                id: Arc::clone(&self.id),
                serial: self.serial,
                lacks_credential,
                kind,
            })
            .await;
    }
}
