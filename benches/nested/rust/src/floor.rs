//! The floor: one prepared SQL statement builds the whole JSON of an answer, and its bytes are passed on. No GraphQL is
//! parsed and nobody's rights are looked at; no server that does can be expected to be quicker.

use std::env;
use std::error::Error;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::post};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use serde::Deserialize;
use tokio_postgres::NoTls;

const STATEMENTS: [(&str, &str); 3] = [
    ("S", include_str!("../../sql/floor_S.sql")),
    ("M", include_str!("../../sql/floor_M.sql")),
    ("L", include_str!("../../sql/floor_L.sql")),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    operation_name: &'a str,
    #[serde(borrow)]
    variables: Variables<'a>,
}

#[derive(Deserialize)]
struct Variables<'a> {
    id: &'a str,
}

async fn answer(State(pool): State<Pool>, body: Bytes) -> Result<Response, (StatusCode, String)> {
    let wrong = |error: serde_json::Error| (StatusCode::BAD_REQUEST, error.to_string());
    let request: Request<'_> = serde_json::from_slice(&body).map_err(wrong)?;
    let statement = STATEMENTS
        .iter()
        .find(|(name, _)| *name == request.operation_name);
    let (_, sql) = statement.ok_or((StatusCode::NOT_FOUND, "no such operation".to_owned()))?;
    let failed = |error: &dyn Error| (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}"));
    let connection = pool.get().await.map_err(|error| failed(&error))?;
    let statement = connection
        .prepare_cached(sql)
        .await
        .map_err(|error| failed(&error))?;
    let row = connection.query_one(&statement, &[&request.variables.id]).await;
    let row = row.map_err(|error| failed(&error))?;
    let json = row.get::<_, &str>(0).as_bytes().to_vec();
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let recycling_method = RecyclingMethod::Fast;
    let manager = Manager::from_config(
        env::var("DATABASE_URL")?.parse()?,
        NoTls,
        ManagerConfig { recycling_method },
    );
    let pool = Pool::builder(manager)
        .max_size(env::var("POOL")?.parse()?)
        .build()?;
    let app = Router::new().route("/graphql", post(answer)).with_state(pool);
    let port: u16 = env::var("PORT")?.parse()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
