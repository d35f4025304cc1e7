//! What an actor may do in an account, and who decided it.

mod access;
mod restrictions;
mod set;

pub use access::{Access, Decider, EffectiveLevel};
pub(crate) use restrictions::Restrictions;
pub use set::{PermissionChange, SetPermissions};
