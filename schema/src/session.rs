//! What one request carries through its resolvers: who asks, the loaders, and one present instant.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::Context;
use canopy_domain::entity::time::{self, Timestamp};
use canopy_domain::receipts::Reruns;
use canopy_domain::{Actor, Domain, Error, Result};

use crate::loaders::Loaders;

/// The id under which the process logs a request. It is told with an INTERNAL error.
#[derive(Debug, Clone, Default)]
pub struct RequestId(pub String);

/// The network address of whoever sent the request. Put into the request's data, it counts tries to sign in.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

/// The domain as one actor reads it.
pub(crate) struct Reader {
    pub(crate) domain: Domain,
    pub(crate) actor: Actor,
    /// What is left of the receipts that the request may have run again.
    pub(crate) reruns: Reruns,
}

/// Somebody who presented a credential, with the loaders of the request.
pub(crate) struct Caller {
    pub(crate) reader: Arc<Reader>,
    pub(crate) loaders: Loaders<Arc<Reader>>,
}

impl Caller {
    /// Who asks.
    pub(crate) fn actor(&self) -> &Actor {
        &self.reader.actor
    }

    /// The services.
    pub(crate) fn domain(&self) -> &Domain {
        &self.reader.domain
    }
}

/// One request.
pub(crate) struct Session {
    /// Nobody, if the request came without a credential.
    pub(crate) caller: Option<Caller>,
    now: Mutex<Option<Timestamp>>,
}

impl Session {
    /// The session of a request by `actor`.
    pub(crate) fn new(domain: &Domain, actor: Option<Actor>) -> Self {
        let caller = actor.map(|actor| {
            let reader = Arc::new(Reader {
                domain: domain.for_one_request(),
                actor,
                reruns: Reruns::default(),
            });
            let loaders = Loaders::new(reader.clone());
            Caller { reader, loaders }
        });
        Self {
            caller,
            now: Mutex::new(None),
        }
    }

    /// The session that [`CanopySchema::execute`](crate::CanopySchema::execute) put into the request.
    pub(crate) fn of<'c>(ctx: &Context<'c>) -> &'c Session {
        let session: &Arc<Session> = ctx
            .data_opt()
            .expect("`execute` puts a session into each request");
        session
    }

    /// Who asks, or `Error::Unauthenticated`.
    pub(crate) fn caller<'c>(ctx: &Context<'c>) -> Result<&'c Caller> {
        Self::of(ctx).caller.as_ref().ok_or(Error::Unauthenticated)
    }

    /// The present instant: the same for the whole answer, so that equal questions stay equal and are read
    /// together.
    pub(crate) fn now(&self) -> Timestamp {
        *self
            .now
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(time::now)
    }

    /// Lets the clock go on, and receipts be run again, for the next answer of a stream.
    pub(crate) fn tick(&self) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(caller) = &self.caller {
            caller.reader.reruns.renew();
        }
    }
}
