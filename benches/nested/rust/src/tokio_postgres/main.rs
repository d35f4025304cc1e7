//! A peer: async-graphql with its DataLoader on tokio-postgres, with hand-written prepared statements.

#[path = "../loaders.rs"]
mod loaders;
#[path = "../policy.rs"]
mod policy;
#[path = "../rows.rs"]
mod rows;
#[path = "../schema.rs"]
mod schema;
mod store;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    schema::serve(store::Store::open()?).await
}
