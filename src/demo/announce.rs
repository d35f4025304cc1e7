//! Tells what the demo has: one line of JSON for scripts, or a page with commands to paste.

use std::{fs, net::SocketAddr, path::Path};

use serde_json::{Value, json};

use super::{HIERARCHY, QUERIES, Story, tree};

/// Where the demo is.
struct Links {
    graphql: String,
    socket: String,
    stream: String,
    explorer: String,
}

impl Links {
    fn new(address: SocketAddr) -> Self {
        let host = if address.ip().is_unspecified() {
            format!("localhost:{}", address.port())
        } else {
            address.to_string()
        };
        Self {
            graphql: format!("http://{host}/graphql"),
            socket: format!("ws://{host}/graphql/ws"),
            stream: format!("http://{host}/graphql/stream"),
            explorer: format!("http://{host}/graphiql"),
        }
    }
}

/// The line that scripts read.
pub fn as_json(address: SocketAddr, database: &str, story: &Story) -> Value {
    let links = Links::new(address);
    let queries: serde_json::Map<String, Value> = QUERIES
        .iter()
        .map(|(name, document)| ((*name).to_owned(), json!(document)))
        .collect();
    json!({
        "url": links.graphql,
        "wsUrl": links.socket,
        "sseUrl": links.stream,
        "accounts": story.accounts,
        "tokens": story.tokens,
        "apiKeys": story.api_keys,
        "queries": queries,
        "database": database,
    })
}

/// Writes the bodies of the requests that the printed commands send.
pub fn write_files(folder: &Path, story: &Story) -> std::io::Result<()> {
    let agency = &story.accounts["itellico"];
    let client = &story.accounts["itellico.acme"];
    let event = json!({ "idempotencyKey": "try-1", "meter": "call_minutes", "quantity": "12.5" });
    let find = |name: &str| {
        QUERIES
            .iter()
            .find(|(own, _)| *own == name)
            .map_or("", |(_, document)| document)
    };
    let bodies = [
        (
            "hierarchy.json",
            json!({ "query": HIERARCHY, "variables": { "id": agency } }),
        ),
        (
            "watch.json",
            json!({ "query": find("usageUpdates"), "variables": { "accountId": agency } }),
        ),
        (
            "record.json",
            json!({ "query": find("recordUsage"), "variables": { "input": { "accountId": client, "events": [event] } } }),
        ),
    ];
    for (name, body) in bodies {
        fs::write(folder.join(name), body.to_string())?;
    }
    fs::write(folder.join("prices.json"), tree::changed_price().to_string())
}

/// The page for people.
pub fn as_text(address: SocketAddr, database: &str, folder: &Path, program: &Path, story: &Story) -> String {
    let links = Links::new(address);
    let owner = &story.tokens["itellico.owner"];
    let agency = &story.accounts["itellico"];
    let roles: String = story
        .tokens
        .iter()
        .filter(|(name, _)| name.starts_with("itellico.") || *name == "platform.owner")
        .map(|(name, token)| format!("  {name}\n    {token}\n"))
        .collect();
    let (folder, program) = (folder.display(), program.display());
    let post = "-H \"authorization: Bearer $CANOPY_TOKEN\" -H 'content-type: application/json'";
    let keys = story.api_keys.get("itellico.live").map_or("", String::as_str);
    format!(
        "\nCanopy is ready. Ctrl-C stops it.\n\n\
         GraphQL    {graphql}\n\
         WebSocket  {socket}\n\
         SSE        {stream}\n\
         Explorer   {explorer}#token={owner}\n\
         Database   {database}\n\n\
         Tokens, valid for 12 hours (`canopy demo --json` prints those of all trees):\n{roles}\
         API key of itellico\n    {keys}\n\
         Sign in as owner@northwind.example with the password {password}.\n\n\
         Paste into another terminal:\n\n\
         export CANOPY_URL={graphql} CANOPY_TOKEN={owner}\n\n\
         # 1. The whole hierarchy of Northwind Voice, five levels deep\n\
         curl -s $CANOPY_URL {post} -d @{folder}/hierarchy.json\n\n\
         # 2. A changed price rule, live from the next event on\n\
         {program} rules upload --account {agency} --kind pricing --name retail --builtin tiered-pricing \
         --configuration {folder}/prices.json --activate\n\n\
         # 3. Usage as it happens; record an event from a third terminal (after the same export)\n\
         curl -sN {stream} {post} -d @{folder}/watch.json\n\
         curl -s $CANOPY_URL {post} -d @{folder}/record.json\n",
        graphql = links.graphql,
        socket = links.socket,
        stream = links.stream,
        explorer = links.explorer,
        password = tree::PASSWORD,
    )
}
