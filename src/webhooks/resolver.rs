//! Addresses of endpoints: what a name resolves to is what is connected to, so that a name which resolves to something else
//! a moment later leads nowhere else.

use std::net::SocketAddr;
use std::sync::Arc;

use canopy_domain::webhooks::Reach;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// No address of a host may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("the host has no address on the public Internet")]
pub(super) struct NotPublic;

/// Resolves names to the addresses within reach.
pub(super) struct PublicOnly(Arc<Reach>);

impl PublicOnly {
    pub(super) fn new(reach: Arc<Reach>) -> Self {
        Self(reach)
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|found| reach.allows(found.ip())).collect();
            if public.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}
