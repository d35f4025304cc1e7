//! A thread of its own for what usage waits for: pricing hundreds of events keeps a processor busy for milliseconds, in which
//! a server that works on a single thread would answer nobody.

use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::{Error, Result};

/// A thread that runs what is spawned there, until this is dropped.
pub(super) struct OwnThread {
    runtime: Handle,
    _until: oneshot::Sender<()>,
}

impl OwnThread {
    pub(super) fn start() -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        let handle = runtime.handle().clone();
        let (until, dropped) = oneshot::channel();
        let work = move || drop(runtime.block_on(dropped));
        let thread = thread::Builder::new().name("canopy-usage".to_owned());
        thread.spawn(work).map_err(Error::internal)?;
        Ok(Self {
            runtime: handle,
            _until: until,
        })
    }

    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }
}
