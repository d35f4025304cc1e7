//! The process shell of Canopy: configuration, HTTP, workers, the command line, the demo.
//!
//! It carries requests to the schema and timers to the domain. It makes no decision about tenants,
//! money or rules.

pub mod bus;
pub mod cli;
pub mod config;
mod connections;
pub mod database;
pub mod demo;
pub mod house;
mod http;
pub mod jwks;
pub mod serve;
pub mod telemetry;
pub mod tls;
pub mod webhooks;
mod workers;
