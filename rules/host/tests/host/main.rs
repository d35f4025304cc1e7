//! The sandbox from outside: built-in rules answer, hostile rules end within their
//! bounds while others go on, and only our own compiled code is believed.

#![expect(clippy::unwrap_used, reason = "a test ends by a panic")]

mod builtins;
mod classes;
mod compiling;
mod configurations;
#[path = "../../../../tests/it/hostile/generated.rs"]
mod generated;
mod hostile;
mod owners;
mod sandbox;
#[path = "../../../../tests/it/hostile/schemas.rs"]
mod schemas;
mod suite;
