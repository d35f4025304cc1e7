//! The features of Canopy, proved through GraphQL. One binary: a file is a feature, and each test has a database of
//! its own, so that all of them run beside each other on SQLite or on PostgreSQL.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise, and so may what only tests call"
)]

mod accounts;
mod activation;
mod api_keys;
mod app;
mod arrivals;
mod breaking;
mod browsers;
mod budgets;
mod checked;
mod cli;
mod cloud_events;
mod coalesced;
mod configurations;
mod connections;
mod corrections;
mod credentials;
mod differential;
mod doorkeeper;
mod exports;
mod failure_policies;
mod foreign;
mod forest;
mod front;
mod funding;
mod guards;
mod holds;
mod hostile;
mod http;
mod isolation;
mod killed;
mod lost;
mod members;
mod meters;
mod moves;
mod nodes;
mod operations;
mod periods;
mod permissions;
mod pricing;
mod receipts;
mod remembered;
mod repeated;
mod rule_life;
mod simulation;
mod sockets;
mod statements;
mod subscriptions;
mod traces;
mod uploads;
mod usage;
mod usage_alerts;
mod webhooks;
mod wide;
mod zones;
