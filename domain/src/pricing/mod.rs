//! Prices: what each seller of the chain above an account charges for its usage.
//!
//! The price folds from the top of the tree down: what the topmost seller charges is the next seller's cost, and so
//! on to the account that used something. A seller without a pricing rule passes its cost on. If no seller has a
//! rule there is no price, which is not the same as a price of nothing: the usage waits.
//!
//! A rule never runs while a transaction is open. So [`Facts`] are read first, prices computed from them, and the
//! transaction that records the prices looks, under lock, whether they still hold: if not it starts over.

mod facts;
mod fold;
mod halving;
mod line;
mod pinned;
mod positions;
mod rate;
mod receipt;
mod terms;
mod totals;

#[cfg(test)]
pub(crate) use facts::AccountFacts;
pub(crate) use facts::{Facts, RememberedFacts};
pub(crate) use fold::{EdgePrice, Outcome, Receipt, refusal};
pub(crate) use halving::{Oracle, Unanswered, ask_each};
pub(crate) use line::Line;
pub(crate) use pinned::Pin;
#[cfg(test)]
pub(crate) use receipt::stored;
pub use receipt::{LineItem, input_of, line_items};
pub(crate) use receipt::{StoredItems, configuration};
pub(crate) use terms::{hold_terms, lock_terms};
pub(crate) use totals::Totals;
