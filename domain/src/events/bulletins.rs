//! News between processes: what one has published, as bytes for another. How the bytes travel is the process's matter.
//!
//! A process tells its streams what another sent only if it follows what they were told before; whatever is missing in
//! between is read from the database. So nothing is told twice or out of order, and nothing depends on the way.

use canopy_entity::{outbox, usage_event};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};

use super::outbox::{AFTER, last_position, news_of};
use super::usage_news;
use crate::statement::statement;
use crate::{Domain, Error, Result};

/// Usage events that are read at once, unless a single row has more.
const EVENTS_AT_ONCE: i64 = 4_000;

/// A published row of the outbox, to be sent to other processes.
#[derive(Debug)]
pub struct Bulletin {
    /// Its place in the published order: the last, if it has several.
    pub position: i64,
    /// What kind of news it is: a word of lower-case letters.
    pub topic: String,
    /// The row with its events, for [`Domain::hear`].
    pub body: Vec<u8>,
}

/// What is sent.
#[derive(Serialize, Deserialize)]
struct Body {
    row: outbox::Model,
    /// The events of a row that is of usage.
    events: Vec<usage_event::Model>,
}

/// What became of what another process sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was told as it came.
    Told,
    /// It was told before.
    Known,
    /// It did not follow what was told before, or could not be understood: the database was read.
    Read,
}

impl Domain {
    /// What was published behind `after`, in order: at most `limit` rows, fewer if they have many events, none at the end.
    pub async fn bulletins(&self, after: i64, limit: u64) -> Result<Vec<Bulletin>> {
        let db = &self.0.db;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let page = statement(db.get_database_backend(), AFTER, [after.into(), limit.into()]);
        let mut rows = outbox::Model::find_by_statement(page).all(db).await?;
        let mut sum = 0;
        let fits = |row: &outbox::Model| {
            let fits = sum < EVENTS_AT_ONCE;
            sum += i64::from(row.events);
            fits
        };
        let count = rows.iter().map(fits).take_while(|fits| *fits).count();
        rows.truncate(count);
        let Some(end) = rows.last().and_then(|row| row.position) else {
            return Ok(Vec::new());
        };
        let mut usage = usage_news::events(db, after, end, None).await?;
        let bulletin = |row: outbox::Model| {
            let position = row
                .position
                .ok_or_else(|| Error::internal("a published row without a position"))?;
            let (topic, events) = (row.topic.clone(), usage.remove(&position).unwrap_or_default());
            let body = serde_json::to_vec(&Body { row, events }).map_err(Error::internal)?;
            Ok(Bulletin {
                position,
                topic,
                body,
            })
        };
        rows.into_iter().map(bulletin).collect()
    }

    /// The last position that was given; 0 before the first.
    pub async fn last_position(&self) -> Result<i64> {
        last_position(&self.0.db).await
    }

    /// Wakes the relay of this process: another has committed news.
    pub fn wake_relay(&self) {
        self.0.hub.written();
    }

    /// Tells the streams of this process what another has published at `position`.
    pub async fn hear(&self, position: i64, body: &[u8]) -> Result<Heard> {
        let hub = &self.0.hub;
        let mut told = hub.told.lock().await;
        match *told {
            Some(last) if position <= last => return Ok(Heard::Known),
            Some(last) if hub.has_listeners() => {
                let body: Option<Body> = serde_json::from_slice(body).ok();
                let body = body.filter(|body| follows(&body.row, position, last));
                if let Some(news) = body.and_then(|body| news_of(body.row, body.events).ok()) {
                    for published in news {
                        hub.tell(published);
                    }
                    *told = Some(position);
                    return Ok(Heard::Told);
                }
            }
            _ => {}
        }
        drop(told);
        self.tell_streams().await?;
        Ok(Heard::Read)
    }
}

/// Whether a row is the one at `position`, and the next behind `last`.
fn follows(row: &outbox::Model, position: i64, last: i64) -> bool {
    row.position == Some(position) && position - i64::from(row.events) == last
}
