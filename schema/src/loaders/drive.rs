//! Runs a request together with its loaders: first the resolvers, as far as they can go, then one round of
//! reads.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::Stream;
use futures_util::future::BoxFuture;
use futures_util::task::AtomicWaker;

use super::{Delivery, Loaders};

/// How often the resolvers are run again within one turn because one of them woke itself.
const TRIES: usize = 3;

/// A future or a stream of resolvers with the loaders that they use.
pub(crate) struct Driven<F, C> {
    resolvers: Pin<Box<F>>,
    loaders: Loaders<C>,
    round: Option<BoxFuture<'static, Vec<Delivery>>>,
    woken: Arc<Woken>,
}

/// Notes that a resolver can go on, apart from what the reads of a round report.
struct Woken {
    resolvers: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.resolvers.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<F, C: Clone + Send + Sync + 'static> Driven<F, C> {
    /// `resolvers` together with `loaders`.
    pub(crate) fn new(resolvers: F, loaders: Loaders<C>) -> Self {
        Self {
            resolvers: Box::pin(resolvers),
            loaders,
            round: None,
            woken: Arc::new(Woken {
                resolvers: AtomicBool::new(true),
                task: AtomicWaker::new(),
            }),
        }
    }

    fn turn<T>(
        &mut self,
        context: &mut Context<'_>,
        run: impl Fn(Pin<&mut F>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.woken.task.register(context.waker());
        let waker = Waker::from(self.woken.clone());
        loop {
            let mut tries = 0;
            while self.woken.resolvers.swap(false, Ordering::AcqRel) {
                let result = run(self.resolvers.as_mut(), &mut Context::from_waker(&waker));
                if result.is_ready() {
                    // A stream is asked for its next item without having been woken.
                    self.woken.resolvers.store(true, Ordering::Release);
                    return result;
                }
                tries += 1;
                if tries == TRIES {
                    // Some resolver yields to others. Its wake has been passed on, so there is another turn;
                    // reading now would read for a part of the resolvers only.
                    break;
                }
            }
            if self.woken.resolvers.load(Ordering::Acquire) {
                return Poll::Pending;
            }
            if self.round.is_none() {
                self.round = self.loaders.round();
            }
            let Some(round) = &mut self.round else {
                return Poll::Pending;
            };
            match round.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(deliveries) => {
                    self.round = None;
                    deliveries.into_iter().for_each(|deliver| deliver());
                }
            }
        }
    }
}

impl<F: Future, C: Clone + Send + Sync + 'static> Future for Driven<F, C> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.turn(context, |resolvers, context| resolvers.poll(context))
    }
}

impl<F: Stream, C: Clone + Send + Sync + 'static> Stream for Driven<F, C> {
    type Item = F::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Item>> {
        self.turn(context, |resolvers, context| resolvers.poll_next(context))
    }
}
