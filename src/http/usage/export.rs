//! `GET /usage/export`: events or sums as CSV or as lines of JSON, as they come from the database.

use std::{io, sync::Arc};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use canopy_domain::{
    Credentials, Error,
    entity::{AccountId, time::Timestamp},
    usage::{ExportUsage, ExportedRows, Granularity, Period},
};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use futures_util::{StreamExt, stream, stream::BoxStream};
use tokio::time::{Instant, sleep};

use super::{
    Gateway, Refusal, RequestId,
    table::{Format, Kind},
};
use crate::http::{
    access::note_code,
    engine::{self, refusal_of},
};

/// What asking costs of a budget, as `usage` does. Each row is a point more.
const POINTS: u64 = 5;

/// The query of `GET /usage/export`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct Wanted {
    account: Option<String>,
    #[serde(default)]
    include_descendants: bool,
    from: String,
    to: String,
    #[serde(default)]
    granularity: Length,
    meters: Option<String>,
    format: Option<Format>,
}

/// The length of a bucket.
#[derive(Clone, Copy, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Length {
    Hour,
    Day,
    Month,
    /// No buckets: single events.
    #[default]
    None,
}

/// `GET /usage/export`. An error half-way breaks the answer off, so that nobody takes a part for the whole.
pub(in crate::http) async fn get(
    State(gateway): State<Arc<Gateway>>,
    Extension(id): Extension<RequestId>,
    query: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let answer = answer(gateway, id, query, &headers).await;
    answer.unwrap_or_else(|refusal| {
        note_code(Some(refusal.code));
        refusal.into_response()
    })
}

async fn answer(
    gateway: Arc<Gateway>,
    id: RequestId,
    query: Result<Query<Wanted>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let credentials = engine::credentials(headers)?;
    let engine = &gateway.engine;
    let actor = engine.signed_in(credentials.clone(), &id.0).await?;
    let Query(query) = query.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let format = match query.format {
        Some(format) => format,
        None => Format::accepted(headers).ok_or_else(|| {
            let message = "The export can be text/csv or application/x-ndjson.";
            Refusal::new(StatusCode::NOT_ACCEPTABLE, message)
        })?,
    };
    let refused = |error: Error| refusal_of(&error, &id.0);
    let acting_as = actor.acting_as().cloned();
    let wanted = query.read(acting_as, &id)?;
    let file = format!("usage-{}.{}", wanted.account_id, format.extension());
    let kind = Kind {
        format,
        granularity: wanted.granularity,
    };
    let charge = engine.domain.charge(&actor, POINTS).await.map_err(refused)?;
    charge.settle(POINTS).await;
    let pages = engine
        .domain
        .export_usage(&actor, wanted)
        .await
        .map_err(refused)?;
    let download = Download {
        gateway: Arc::clone(&gateway),
        id,
        credentials,
        pages,
        kind,
    };
    let head = stream::iter(
        kind.head()
            .map(|head| Ok::<_, io::Error>(Bytes::from_static(head.as_bytes()))),
    );
    let parts = stream::try_unfold(download, |mut download| async move {
        let part = download.part().await.map_err(|error| {
            tracing::error!(error = ?error, request_id = download.id.0, "an export broke off");
            io::Error::other(error.to_string())
        })?;
        Ok(part.map(|part| (part, download)))
    });
    Ok((head_of(format, &file), Body::from_stream(head.chain(parts))).into_response())
}

/// The headers of a file.
fn head_of(format: Format, file: &str) -> [(HeaderName, HeaderValue); 3] {
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{file}\""));
    [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(format.content_type()),
        ),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-store"),
        ),
        (header::CONTENT_DISPOSITION, disposition.expect("an id is ASCII")),
    ]
}

impl Wanted {
    /// What is to be exported: of the account that is acted on, if none is named.
    fn read(self, acting_as: Option<AccountId>, id: &RequestId) -> Result<ExportUsage, Refusal> {
        let account_id = match &self.account {
            Some(account) => AccountId::parse(account).ok(),
            None => acting_as,
        };
        let missing = || refusal_of(&Error::NotFound("account"), &id.0);
        Ok(ExportUsage {
            account_id: account_id.ok_or_else(missing)?,
            include_descendants: self.include_descendants,
            period: Period {
                start: instant("from", &self.from)?,
                end: instant("to", &self.to)?,
            },
            granularity: match self.granularity {
                Length::Hour => Some(Granularity::Hour),
                Length::Day => Some(Granularity::Day),
                Length::Month => Some(Granularity::Month),
                Length::None => None,
            },
            meters: self.meters.as_deref().map(|meters| {
                let meters = meters.split(',').map(str::trim);
                let meters = meters.filter(|meter| !meter.is_empty());
                meters.map(str::to_owned).collect()
            }),
        })
    }
}

/// An export on its way.
struct Download {
    gateway: Arc<Gateway>,
    id: RequestId,
    credentials: Credentials,
    pages: BoxStream<'static, canopy_domain::Result<ExportedRows>>,
    kind: Kind,
}

impl Download {
    /// The text of the next page. The right to it is asked again: a download may take longer than a right lasts.
    async fn part(&mut self) -> canopy_domain::Result<Option<Bytes>> {
        let Some(rows) = self.pages.next().await.transpose()? else {
            return Ok(None);
        };
        self.pay(rows.len()).await?;
        Ok(Some(self.kind.text(&rows).into()))
    }

    /// Pays for so many rows, and waits for the points as long as a request may take.
    async fn pay(&mut self, rows: usize) -> canopy_domain::Result<()> {
        let engine = &self.gateway.engine;
        let cost = u64::try_from(rows).unwrap_or(u64::MAX);
        let end = Instant::now() + engine.timeout;
        loop {
            let actor = engine.domain.authenticate(&self.credentials).await?;
            let actor = actor.ok_or(Error::Unauthenticated)?;
            match engine.domain.charge(&actor, cost).await {
                Ok(charge) => {
                    charge.settle(cost).await;
                    return Ok(());
                }
                Err(Error::RateLimited { retry_after }) if Instant::now() + retry_after < end => {
                    sleep(retry_after).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// An instant, or a day, which begins in UTC.
fn instant(name: &str, text: &str) -> Result<Timestamp, Refusal> {
    let day = text
        .parse::<NaiveDate>()
        .map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let instant =
        day.or_else(|_| DateTime::parse_from_rfc3339(text).map(|instant| instant.with_timezone(&Utc)));
    instant.map_err(|_| {
        Refusal::bad_request(format!(
            "The parameter \"{name}\" is an instant as in 2026-01-31T09:30:00Z, or a day as in 2026-01-31."
        ))
    })
}
