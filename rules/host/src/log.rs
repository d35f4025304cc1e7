//! The one thing that a rule may import: a log of the call, bounded and printable.
//! Whoever writes pays for it in fuel, so that writing in a loop ends like any
//! other loop. Knows nothing of where logs go.

use wasmtime::component::Linker;
use wasmtime::{StoreContextMut, Trap};

use crate::call::CallState;

pub(crate) const LOG_INTERFACE: &str = "canopy:rules/log@1.0.0";

const MAX_MESSAGES: usize = 64;
const MAX_MESSAGE: usize = 200;

/// Fuel of a message, beside one for each byte.
const FUEL: u64 = 1000;

/// The messages of one call.
#[derive(Debug, Default)]
pub(crate) struct Log {
    messages: Vec<String>,
    dropped: u64,
}

impl Log {
    fn write(&mut self, message: &str) {
        if self.messages.len() == MAX_MESSAGES {
            self.dropped += 1;
            return;
        }
        let end = message.floor_char_boundary(message.len().min(MAX_MESSAGE));
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        self.messages
            .push(message[..end].chars().map(printable).collect());
    }

    /// What was kept. When there was more, the last message says so.
    pub(crate) fn into_messages(mut self) -> Vec<String> {
        if self.dropped > 0
            && let Some(last) = self.messages.last_mut()
        {
            let more = self.dropped + 1;
            *last = format!("{more} more messages were dropped.");
        }
        self.messages
    }
}

/// Defines the interface. A rule need not import it.
pub(crate) fn define(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    linker.instance(LOG_INTERFACE)?.func_wrap("write", write)
}

fn write(mut store: StoreContextMut<'_, CallState>, (message,): (String,)) -> wasmtime::Result<()> {
    let price = FUEL + message.len() as u64;
    let left = store.get_fuel()?;
    let Some(rest) = left.checked_sub(price) else {
        store.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    };
    store.set_fuel(rest)?;
    store.data_mut().log.write(&message);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_bounded_in_number_and_length_and_printable() {
        let mut log = Log::default();
        log.write("a\nb\u{1b}[31m");
        log.write(&"é".repeat(150));
        for _ in 0..100 {
            log.write("again");
        }
        let messages = log.into_messages();
        assert_eq!(messages[0], "a b [31m");
        assert_eq!(messages[1], "é".repeat(100));
        assert_eq!(messages.len(), MAX_MESSAGES);
        assert_eq!(messages[63], "39 more messages were dropped.");
    }

    #[test]
    fn as_many_messages_as_fit_are_all_kept() {
        let mut log = Log::default();
        for at in 0..MAX_MESSAGES {
            log.write(&at.to_string());
        }
        assert_eq!(log.into_messages()[63], "63");
    }
}
