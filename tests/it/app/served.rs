//! The house behind a real server, as a test of HTTP needs it.

use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use reqwest::Client;

use super::process::Served;
use super::{App, Caller};

/// A main account with its owner, and a server and a client in front of them.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) main: Account,
    pub(crate) owner: Caller,
    pub(crate) server: Served,
    pub(crate) client: Client,
}

pub(crate) async fn house() -> House {
    let app = App::start().await;
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let server = Served::start(&app).await;
    House {
        app,
        main,
        owner,
        server,
        client: canopy::tls::client_builder().build().expect("a client"),
    }
}
