//! Compiling, in a process apart.

mod child;
mod parent;

pub(crate) use child::work;
pub(crate) use parent::compile;

use crate::class::RuleClass;

/// Environment variable that carries the [`Bounds`].
pub(crate) const BOUNDS: &str = "CANOPY_RULE_COMPILER";

/// What the child must know before it reads anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    /// What the compiled code depends on, with the next.
    class: RuleClass,
    /// Linear memory of the class, in bytes.
    memory: usize,
    /// Address space, in bytes.
    address_space: u64,
    /// Processor time, in seconds.
    cpu: u64,
    /// Largest component, in bytes.
    upload: usize,
}

impl Bounds {
    fn to_text(self) -> String {
        format!(
            "{} {} {} {} {}",
            self.class.as_str(),
            self.memory,
            self.address_space,
            self.cpu,
            self.upload
        )
    }

    fn from_text(text: &str) -> Option<Self> {
        let (class, numbers) = text.split_once(' ')?;
        let classes = [RuleClass::Small, RuleClass::Interpreter];
        let mut parts = numbers.split(' ').map(str::parse::<u64>);
        let mut next = || parts.next()?.ok();
        let (memory, address_space, cpu, upload) = (next()?, next()?, next()?, next()?);
        Some(Self {
            class: classes.into_iter().find(|known| known.as_str() == class)?,
            address_space,
            cpu,
            memory: memory.try_into().ok()?,
            upload: upload.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_back() {
        let bounds = Bounds {
            class: RuleClass::Interpreter,
            address_space: 1 << 30,
            cpu: 5,
            memory: 16 << 20,
            upload: 1 << 20,
        };
        assert_eq!(Bounds::from_text(&bounds.to_text()), Some(bounds));
        assert_eq!(Bounds::from_text("small 1 2 3"), None);
    }
}
