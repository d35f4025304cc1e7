//! The house behind a real server, as a test of HTTP needs it.

use canopy::config::Config;
use canopy_domain::entity::Role;
use canopy_domain::entity::account::Model as Account;
use reqwest::Client;
use serde_json::{Value, json};

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
    house_with(|_| ()).await
}

/// The same, with a server that is configured otherwise.
pub(crate) async fn house_with(configure: impl FnOnce(&mut Config)) -> House {
    house_of(App::start().await, configure).await
}

/// The same, of an app that is there already.
pub(crate) async fn house_of(app: App, configure: impl FnOnce(&mut Config)) -> House {
    let main = app.main_account(None, "Main", "pln_itellico").await;
    let owner = app.member(&main, Role::Owner).await;
    let server = Served::start_with(&app, configure).await;
    House {
        app,
        main,
        owner,
        server,
        client: canopy::tls::client_builder().build().expect("a client"),
    }
}

pub(crate) const NAME: &str = "query ($id: ID!) { account(id: $id) { name } }";

impl House {
    /// A question that the owner may ask.
    pub(crate) fn body(&self) -> Value {
        json!({"query": NAME, "variables": {"id": self.main.id.as_str()}})
    }

    /// A request of the owner.
    pub(crate) fn post(&self) -> reqwest::RequestBuilder {
        let authorization = self.owner.authorization.as_deref().unwrap();
        self.client
            .post(self.server.url("/graphql"))
            .header("authorization", authorization)
    }
}
