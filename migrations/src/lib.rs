//! The migrations of Canopy: the tables, checks, triggers and indexes that hold on SQLite and on PostgreSQL 15+ alike.
//!
//! This crate imports nothing else of Canopy, so that an old migration never changes when the code does. A
//! migration is SQL with a few names that [`dialect`] spells for each database.

mod dialect;
mod m0001_accounts;
mod m0002_usage;
mod m0003_ledger;
mod m0004_events;
mod m0005_simulations;
mod m0006_budgets;
mod m0007_leases;
mod m0008_alerts;
mod m0009_webhooks;
mod m0010_meters;
mod m0011_periods;
mod m0012_holds;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

/// Applies the migrations in order; `Migrator::up(&connection, None)` brings a database up to date.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_accounts::Migration),
            Box::new(m0002_usage::Migration),
            Box::new(m0003_ledger::Migration),
            Box::new(m0004_events::Migration),
            Box::new(m0005_simulations::Migration),
            Box::new(m0006_budgets::Migration),
            Box::new(m0007_leases::Migration),
            Box::new(m0008_alerts::Migration),
            Box::new(m0009_webhooks::Migration),
            Box::new(m0010_meters::Migration),
            Box::new(m0011_periods::Migration),
            Box::new(m0012_holds::Migration),
        ]
    }
}
