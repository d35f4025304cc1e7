//! Whether all servers give the floor's answers: for several trees, and for accounts within them, where what holds above
//! narrows what holds below.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::alike::{difference, normalised};
use crate::servers::Served;

/// Fails at the first answer that is not the floor's.
pub(crate) async fn all_alike(served: &[Served], sizes: &[String], roots: &[String]) -> Result<()> {
    let floor = served.iter().find(|server| server.name() == "floor");
    let floor = floor.context("there is no floor to compare with")?;
    let mut accounts = Vec::new();
    for root in [0, roots.len() / 3, roots.len() - 1].map(|place| &roots[place]) {
        let answer = ask(floor, "M", root).await?;
        let child = answer.pointer("/data/account/subaccounts/edges/0/node/id");
        let child = child.and_then(Value::as_str).context("a tree has subaccounts")?;
        accounts.extend([root.clone(), child.to_owned()]);
    }
    for size in sizes {
        for account in &accounts {
            let expected = normalised(ask(floor, size, account).await?);
            for server in served {
                let answer = normalised(ask(server, size, account).await?);
                if let Some(difference) = difference(&expected, &answer) {
                    let name = server.name();
                    bail!("{name} answers {size} of {account} otherwise than the floor at {difference}");
                }
            }
        }
    }
    Ok(())
}

async fn ask(server: &Served, size: &str, account: &str) -> Result<Value> {
    let answer = answered(server, &server.body(size, account)?).await;
    answer.with_context(|| format!("{} answering {size}", server.name()))
}

/// An answer without errors and with an account.
pub(crate) async fn answered(server: &Served, body: &Value) -> Result<Value> {
    let http = canopy::tls::client_builder().build()?;
    let mut request = http.post(server.url()).json(body);
    if let Some(key) = server.key() {
        request = request.bearer_auth(key);
    }
    let answer: Value = request.send().await?.json().await?;
    ensure!(
        answer.get("errors").is_none(),
        "there are errors: {}",
        answer["errors"]
    );
    ensure!(!answer["data"]["account"].is_null(), "there is no account");
    Ok(answer)
}
