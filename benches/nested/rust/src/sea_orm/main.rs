//! A peer: async-graphql with its DataLoader on sea-orm's entities, as its guide has it.

mod entity;
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
    schema::serve(store::Store::open().await?).await
}
