//! The `canopy` binary: everything is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Thousands of small things that live long beside many that live short: the system's allocator keeps twice the memory.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    canopy::cli::main()
}
