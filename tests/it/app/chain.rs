//! A chain of sellers, each with its owner, as a test of prices needs it.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;

use super::{App, Caller};

/// A platform that sells to a main account, which sells to a client, which sells to its client; each with its owner.
pub(crate) struct Chain {
    pub(crate) app: App,
    pub(crate) accounts: [Account; 4],
    pub(crate) owners: [Caller; 4],
}

pub(crate) async fn chain() -> Chain {
    let app = App::start().await;
    let platform = app.platform("Platform").await;
    let main = app.main_account(Some(&platform), "Main", "pln_itellico").await;
    let client = app.subaccount(&main, "Client").await;
    let branch = app.subaccount(&client, "Branch").await;
    let accounts = [platform, main, client, branch];
    let mut owners = Vec::new();
    for account in &accounts {
        owners.push(app.member(account, Role::Owner).await);
    }
    app.fund(&accounts[1], "1000000").await;
    let owners = owners.try_into().expect("an owner for each account");
    Chain {
        app,
        accounts,
        owners,
    }
}
