//! The server's side: what the compiler is given, and what is believed of its answer.

use super::{BOUNDS, Bounds};
use crate::apart::{End, Work};
use crate::artifact::{self, Label, SEAL};
use crate::error::{RuleError, quoted};
use crate::pool::Pool;
use crate::settings::CompilerCommand;

/// Compiles a component. What comes back was sealed by the process that we
/// started for this component and this engine.
pub(crate) async fn compile(
    command: &CompilerCommand,
    pool: &Pool,
    label: &Label,
    wasm: &[u8],
) -> Result<Vec<u8>, RuleError> {
    let settings = &pool.settings.compile;
    let bounds = Bounds {
        class: pool.class,
        memory: pool.settings.memory,
        address_space: settings.memory as u64,
        cpu: settings.cpu.as_secs().max(1),
        upload: pool.settings.upload,
    };
    let key = artifact::random_key().map_err(RuleError::unavailable)?;
    let work = Work {
        command,
        bounds: (BOUNDS, bounds.to_text()),
        input: [&key, wasm],
        largest: settings.artifact + SEAL,
        deadline: settings.deadline,
    };
    let failed = |why: String| Err(RuleError::CompileFailed(why));
    let sealed = match work.run().await? {
        End::Done(sealed) => sealed,
        End::TooLarge => return failed(format!("the result is larger than {} bytes", settings.artifact)),
        End::Refused(why) => return failed(quoted(&why)),
        End::GaveUp => return failed("the compiler gave up on it".into()),
        End::OutOfMemory => return failed("it needs too much memory to compile".into()),
        End::OutOfTime => return Err(RuleError::CompileTimeout),
    };
    match artifact::open(&key, label, &sealed) {
        Some(code) => Ok(code.to_vec()),
        None => Err(RuleError::unavailable(
            "the rule compiler's result is not sealed as it should be",
        )),
    }
}
