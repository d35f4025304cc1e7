//! Who is asking: credentials in, an [`Actor`] out. No other module can make an actor.

mod actor;
mod api_keys;
mod credential;
mod foreign;
mod keys;
mod last_use;
mod password;
mod ranges;
mod remembered;
mod sign_in;
mod throttle;
mod tokens;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use actor::{Actor, Grant, GrantKind, Principal};
pub use api_keys::{CreatedApiKey, IssuedApiKey, NewApiKey};
pub(crate) use credential::MAX_MEMBERSHIPS;
pub(crate) use foreign::ForeignTokens;
pub use foreign::{ForeignSettings, KeySource};
pub use keys::KeyAlgorithm;
pub(crate) use last_use::LastUses;
pub(crate) use password::Passwords;
pub use ranges::parse_range;
pub(crate) use remembered::RememberedActors;
pub use sign_in::SignedIn;
pub(crate) use throttle::Throttle;
pub use throttle::{SignInSettings, Tries};
pub use tokens::{TokenSettings, Tokens};

/// What a request carries to say who is asking. Both come from HTTP headers or a WebSocket's init payload.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// `Bearer <token or API key>`.
    pub authorization: Option<String>,
    /// `X-Sub-Account-Id`: the descendant to act on.
    pub sub_account: Option<String>,
    /// The network address of whoever presents them, where it is known.
    pub address: Option<IpAddr>,
}
