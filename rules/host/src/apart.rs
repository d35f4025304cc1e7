//! Work on a stranger's bytes in a process of its own. A compiler, or a validator of schemas, is what such bytes can
//! keep busy or crash, so it runs where memory and time are bounded and nothing else is lost. Its process has no
//! environment, and no secret but a key that is used once. Knows nothing of the work itself.

mod child;
mod parent;

pub use child::work_apart;
pub(crate) use child::{Failure, broken, confine};
pub(crate) use parent::{End, Work};

/// Exit code: what was given is refused; standard error says why.
const REFUSED: u8 = 3;
