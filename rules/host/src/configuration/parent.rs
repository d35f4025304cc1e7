//! The server's side: who is to blame for how it ended.

use serde_json::Value;

use super::{BOUNDS, CPU_SECONDS, DEADLINE, LARGEST, MEMORY, Misfit};
use crate::apart::{End, Work};
use crate::error::{RuleError, quoted};
use crate::host::Host;

/// Far more than a [`Misfit`] has.
const LARGEST_VERDICT: usize = 64 << 10;

impl Host {
    /// Holds a configuration against the JSON Schema that the manifest of its rule has.
    ///
    /// # Errors
    ///
    /// [`RuleError::InvalidConfiguration`] with the first place where it is not what the schema asks for;
    /// [`RuleError::InvalidSchema`] if the schema is none, refers to what lies elsewhere, or takes too long or too much
    /// memory to be answered; [`RuleError::Throttled`] if this owner asks for too much at once.
    pub async fn check_configuration(
        &self,
        owner: Option<&str>,
        schema: &Value,
        configuration: &Value,
    ) -> Result<(), RuleError> {
        let place = self.0.configurations.enter(owner).await?;
        let checked = check(&self.0.compiler, schema, configuration).await;
        drop(place);
        checked
    }
}

/// The schema and the configuration are a line each.
async fn check(
    command: &crate::CompilerCommand,
    schema: &Value,
    configuration: &Value,
) -> Result<(), RuleError> {
    let schema = format!("{schema}\n");
    let configuration = configuration.to_string();
    if schema.len() + configuration.len() > LARGEST {
        return Err(RuleError::InvalidSchema(format!(
            "with the configuration it is larger than {LARGEST} bytes"
        )));
    }
    let work = Work {
        command,
        bounds: (BOUNDS, format!("{MEMORY} {CPU_SECONDS}")),
        input: [schema.as_bytes(), configuration.as_bytes()],
        largest: LARGEST_VERDICT,
        deadline: DEADLINE,
    };
    let invalid = |why: &str| Err(RuleError::InvalidSchema(why.to_owned()));
    match work.run().await? {
        End::Done(verdict) => {
            let misfit: Option<Misfit> = serde_json::from_slice(&verdict).map_err(RuleError::unavailable)?;
            misfit.map_or(Ok(()), |Misfit { place, message }| {
                Err(RuleError::InvalidConfiguration { place, message })
            })
        }
        End::Refused(why) => invalid(&quoted(&why)),
        End::OutOfTime => invalid("it takes too long to check a configuration against it"),
        End::OutOfMemory => invalid("it takes too much memory to check a configuration against it"),
        End::GaveUp => invalid("the validator gave up on it"),
        End::TooLarge => Err(RuleError::unavailable("the validator says too much")),
    }
}
