//! What ends a socket from our side while it waits or sends: the server going away, `connection_init` that does not
//! come, the end of the credential's time.

use std::{pin::Pin, time::Duration};

use canopy_domain::{Actor, Principal};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    super::expiry,
    message::{Close, Refused},
};

/// The end of a credential's time.
type Passed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The ends of one socket that come from outside of its messages.
pub(super) struct Watch {
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Until `connection_init` has come.
    init: Option<Pin<Box<Sleep>>>,
    /// The end of the credential, once there is one that ends.
    expiry: Option<(Passed, Close)>,
}

impl Watch {
    /// Over a socket that has so long for `connection_init`.
    pub(super) fn new(draining: &CancellationToken, init: Duration) -> Self {
        Self {
            draining: Box::pin(draining.clone().cancelled_owned()),
            init: Some(Box::pin(tokio::time::sleep(init))),
            expiry: None,
        }
    }

    /// `connection_init` has come, from `actor`.
    pub(super) fn ready(&mut self, actor: Option<&Actor>) {
        self.init = None;
        self.expiry = actor.and_then(|actor| {
            let end = actor.expires_at()?;
            let passed: Passed = Box::pin(expiry::passed(Some(end)));
            Some((passed, expired(actor)))
        });
    }

    /// Waits for the first of the ends.
    pub(super) async fn over(&mut self) -> Close {
        let init = async {
            match &mut self.init {
                Some(init) => init.as_mut().await,
                None => std::future::pending().await,
            }
        };
        let expiry = async {
            match &mut self.expiry {
                Some((passed, close)) => {
                    passed.as_mut().await;
                    close.clone()
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.draining.as_mut() => Close::GoingAway,
            close = expiry => close,
            () = init => Close::InitTimeout,
        }
    }
}

/// How a socket is closed whose credential has expired.
pub(super) fn expired(actor: &Actor) -> Close {
    Close::Forbidden(match actor.principal() {
        Principal::ApiKey(_) => Refused::KeyExpired,
        Principal::User(_) | Principal::System => Refused::TokenExpired,
    })
}
