//! Whether all servers give the floor's answers, for several trees.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::alike::{difference, normalised};
use crate::servers::Served;

/// Fails at the first answer that is not the floor's.
pub(crate) async fn all_alike(served: &[Served], sizes: &[String], roots: &[String]) -> Result<()> {
    let floor = served.iter().find(|server| server.name() == "floor");
    let floor = floor.context("there is no floor to compare with")?;
    for size in sizes {
        for root in [0, roots.len() / 3, roots.len() - 1].map(|place| &roots[place]) {
            let expected = ask(floor, size, root).await?;
            for server in served {
                let answer = ask(server, size, root).await?;
                if let Some(difference) = difference(&expected, &answer) {
                    let name = server.name();
                    bail!("{name} answers {size} of {root} otherwise than the floor at {difference}");
                }
            }
        }
    }
    Ok(())
}

async fn ask(server: &Served, size: &str, root: &str) -> Result<Value> {
    let http = canopy::tls::client_builder().build()?;
    let mut request = http.post(server.url()).json(&server.body(size, root)?);
    if let Some(key) = server.key() {
        request = request.bearer_auth(key);
    }
    let answer: Value = request.send().await?.json().await?;
    let name = server.name();
    ensure!(
        answer.get("errors").is_none(),
        "{name} answers {size} with {}",
        answer["errors"]
    );
    ensure!(
        !answer["data"]["account"].is_null(),
        "{name} answers {size} with nothing"
    );
    Ok(normalised(answer))
}
