//! The `canopy` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    canopy::cli::main()
}
