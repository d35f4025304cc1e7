//! The rule compiler on its own, for the tests of this crate. The product starts
//! itself instead.

fn main() -> std::process::ExitCode {
    canopy_rules_host::work_apart()
}
