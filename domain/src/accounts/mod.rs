//! The account tree: reading it within a scope, and changing it.

mod count;
mod create;
mod managed;
mod moving;
mod name;
mod read;
mod remembered;
mod room;
mod root;
pub(crate) mod row;
mod standing;
mod update;
mod view;

#[cfg(test)]
mod tests;

pub use create::CreateSubaccount;
pub(crate) use managed::{lock, on_path};
pub use moving::{AccessChange, LimitChange, MoveAccount, MoveChanges, Moved, PayerChange};
pub use read::{Child, open_subaccounts};
pub(crate) use remembered::RememberedAccounts;
pub use root::NewRoot;
pub(crate) use standing::Standing;
pub use update::UpdateSubaccount;
pub use view::AccountView;
