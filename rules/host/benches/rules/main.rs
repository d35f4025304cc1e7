//! What a call of a rule takes.
fn main() {}
