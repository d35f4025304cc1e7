//! GraphQL multipart requests: `operations`, then `map`, then the file that it names. Each part has its bound, held
//! while it arrives.
//!
//! A browser sends such a body to another origin without asking first, so a header is needed that no plain form can
//! send.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, StatusCode, header};
use canopy_schema::Uploads;
use multer::{Constraints, Field, Multipart, SizeLimit};
use serde_json::Value;

use super::{
    document::{self, Incoming},
    graphql::Arrived,
    preflight,
    refusal::Refusal,
};

/// The largest `map`.
const MAX_MAP: usize = 4 << 10;

/// The boundary of a multipart body; none if the body is of another type.
pub(super) fn boundary(headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    multer::parse_boundary(content_type).ok()
}

/// Reads a request with a file of at most `max_file` bytes, and `max_operations` with `max_values` beside it.
pub(super) async fn read(
    arrived: Arrived,
    boundary: String,
    max_operations: usize,
    max_values: usize,
    max_file: usize,
) -> Result<Incoming, Refusal> {
    if !preflight::is_shown(&arrived.headers) {
        return Err(Refusal::bad_request(
            "A multipart request needs the header GraphQL-Require-Preflight.",
        ));
    }
    let bytes = |bound: usize| u64::try_from(bound).unwrap_or(u64::MAX);
    let whole = max_operations
        .saturating_add(max_file)
        .saturating_add(2 * MAX_MAP);
    let limits = SizeLimit::new()
        .whole_stream(bytes(whole))
        .per_field(bytes(max_file))
        .for_field("operations", bytes(max_operations))
        .for_field("map", bytes(MAX_MAP));
    let constraints = Constraints::new().size_limit(limits);
    let mut parts = Multipart::with_constraints(arrived.body.into_data_stream(), boundary, constraints);

    let mut operations: Value = json_part(&mut parts, "operations", max_values).await?;
    let map: BTreeMap<String, Vec<String>> = json_part(&mut parts, "map", max_values).await?;
    let mut files = Vec::new();
    while let Some(field) = parts.next_field().await.map_err(broken)? {
        let places = field.name().and_then(|name| map.get(name));
        let places = places.ok_or_else(|| Refusal::bad_request("\"map\" does not name this file."))?;
        if !files.is_empty() {
            return Err(Refusal::bad_request("A request has at most one file."));
        }
        for place in places {
            let pointer = format!("/{}", place.replace('.', "/"));
            let variable = operations.pointer_mut(&pointer).filter(|value| value.is_null());
            let variable = variable.filter(|_| place.starts_with("variables."));
            *variable.ok_or_else(|| {
                Refusal::bad_request("\"map\" names a variable that is not null in \"operations\".")
            })? = Value::String(Uploads::reference(files.len()));
        }
        files.push(Vec::from(field.bytes().await.map_err(broken)?));
    }
    if files.len() < map.len() {
        return Err(Refusal::bad_request("A file that \"map\" names is missing."));
    }
    Ok(Incoming {
        uploads: Uploads(files),
        ..document::from_value(operations)?
    })
}

async fn json_part<T: serde::de::DeserializeOwned>(
    parts: &mut Multipart<'_>,
    name: &str,
    max_values: usize,
) -> Result<T, Refusal> {
    let named = |field: &Field<'_>| field.name() == Some(name);
    let field = parts.next_field().await.map_err(broken)?.filter(named);
    let field = field.ok_or_else(|| {
        Refusal::bad_request(
            "A multipart request has the parts \"operations\", \"map\" and a file, in this order.",
        )
    })?;
    let bytes = field.bytes().await.map_err(broken)?;
    document::check_values(&bytes, max_values)?;
    serde_json::from_slice(&bytes).map_err(|_| Refusal::bad_request(format!("\"{name}\" cannot be read.")))
}

/// Why the body was not read to its end.
fn broken(error: multer::Error) -> Refusal {
    match error {
        multer::Error::FieldSizeExceeded { limit, .. } | multer::Error::StreamSizeExceeded { limit } => {
            let message = format!("A part of the body is larger than {limit} bytes.");
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
        }
        _ => Refusal::bad_request("The body is not a valid multipart body."),
    }
}
