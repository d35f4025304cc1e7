//! Says something to the rule's owner: shown where a call is explained, and kept when
//! a call fails. It is no part of the answer. A rule that does not use it does not
//! import it.
//!
//! ```
//! let minutes = 3;
//! canopy_rules_sdk::log!("{minutes} minutes were free");
//! ```

/// Adds a message, with the arguments of [`format!`](alloc::format). At most 64 messages
/// of 200 bytes are kept per call.
#[macro_export]
macro_rules! log {
    ($($message:tt)*) => {
        $crate::log::write(&$crate::alloc::format!($($message)*))
    };
}

#[cfg(target_arch = "wasm32")]
#[link(wasm_import_module = "canopy:rules/log@1.0.0")]
unsafe extern "C" {
    /// `write: func(message: string)`, as the canonical ABI lowers it. Both worlds have
    /// it, so it is declared once here rather than taken from the bindings of one of them.
    #[link_name = "write"]
    fn host_write(message: *const u8, length: usize);
}

/// Adds a message. Outside wasm, in tests, it goes to standard error.
pub fn write(message: &str) {
    #[cfg(target_arch = "wasm32")]
    // SAFETY: the text is in this module's memory, and the host only reads it.
    unsafe {
        host_write(message.as_ptr(), message.len());
    }
    #[cfg(not(target_arch = "wasm32"))]
    std::eprintln!("{message}");
}
