//! What an actor may do in an account, and who decided it.

mod access;
mod set;

pub(crate) use access::Restrictions;
pub use access::{Access, Decider, EffectiveLevel};
pub use set::{PermissionChange, SetPermissions};
