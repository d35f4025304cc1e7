//! CloudEvents 1.0 as usage: from the JSON of one event, or from headers and a body. Pure.
//!
//! `type` is the meter, `subject` the account, `time` when it occurred, and `data` has the quantity and the
//! attributes. `source` and `id` together are the idempotency key, as the specification has it: the pair is unique.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue};
use canopy_domain::{
    Error, Result,
    entity::{AccountId, time},
    usage::NewUsageEvent,
};
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::decimal;

/// The longest idempotency key; what is longer stands under its hash.
const MAX_KEY: usize = 255;
/// So long may the text of attributes be before it is read. What is kept of it has a lower bound, without white space.
const MAX_ATTRIBUTES: usize = 16 << 10;

/// An event as it came: what is to be recorded, or what is wrong with it.
#[derive(Clone, Debug)]
pub(super) struct Received {
    /// The event's `id`, as far as it could be read.
    pub(super) id: Option<String>,
    pub(super) event: Result<NewUsageEvent>,
}

impl Received {
    /// Nothing that is an event.
    pub(super) fn unreadable(message: impl Into<String>) -> Self {
        Self {
            id: None,
            event: Err(Error::bad_input(&[], message)),
        }
    }
}

/// A text of JSON, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The attributes of an event. Those that are not here are extensions, and are not looked at.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    specversion: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    source: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    subject: Option<Text<'a>>,
    #[serde(borrow)]
    time: Option<Text<'a>>,
    #[serde(borrow)]
    datacontenttype: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    data_base64: Option<IgnoredAny>,
}

/// What an event says of usage.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data<'a> {
    #[serde(borrow)]
    quantity: Option<&'a RawValue>,
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
}

/// An event in the JSON format.
pub(super) fn structured(json: &[u8]) -> Received {
    if !is_object(json) {
        return Received::unreadable("An event is a JSON object.");
    }
    match serde_json::from_slice::<Envelope<'_>>(json) {
        Ok(envelope) => Received {
            id: envelope.id.as_ref().map(|id| id.0.as_ref().to_owned()),
            event: envelope.read(),
        },
        Err(error) => Received::unreadable(format!("This is not a CloudEvent in JSON: {error}.")),
    }
}

/// An event whose attributes are headers, and whose data is the body.
pub(super) fn binary(headers: &HeaderMap, body: &[u8]) -> Received {
    let id = attribute(headers, "ce-id");
    Received {
        id: id.clone().ok().flatten(),
        event: of_headers(headers, id, body),
    }
}

fn of_headers(headers: &HeaderMap, id: Result<Option<String>>, body: &[u8]) -> Result<NewUsageEvent> {
    let given = |name| -> Result<Option<Text<'static>>> {
        Ok(attribute(headers, name)?.map(|text| Text(text.into())))
    };
    let envelope = Envelope {
        specversion: given("ce-specversion")?,
        id: id?.map(|id| Text(id.into())),
        source: given("ce-source")?,
        kind: given("ce-type")?,
        subject: given("ce-subject")?,
        time: given("ce-time")?,
        datacontenttype: None,
        data: None,
        data_base64: None,
    };
    envelope.with(body)
}

/// The text of a header that stands for an attribute: in quotes or not, with what is not ASCII as `%` and digits.
fn attribute(headers: &HeaderMap, name: &'static str) -> Result<Option<String>> {
    let wrong = |message: &str| wrong(&name[3..], format!("The header {name} {message}."));
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(wrong("is there more than once"));
    }
    let text = HeaderValue::to_str(value).map_err(|_| wrong("is not ASCII: write other characters as %"))?;
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = quoted.map_or(Cow::Borrowed(text), |quoted| unescaped(quoted).into());
    let decoded = percent_decode_str(&text).decode_utf8();
    let decoded = decoded.map_err(|_| wrong("is not UTF-8 when it is decoded"))?;
    Ok(Some(decoded.into_owned()))
}

/// The text of a quoted string: a backslash stands before what is meant as it is.
fn unescaped(quoted: &str) -> String {
    let mut text = String::with_capacity(quoted.len());
    let mut rest = quoted.chars();
    while let Some(character) = rest.next() {
        text.extend(match character {
            '\\' => rest.next(),
            other => Some(other),
        });
    }
    text
}

impl Envelope<'_> {
    fn read(self) -> Result<NewUsageEvent> {
        if self.data_base64.is_some() {
            return Err(wrong(
                "data_base64",
                "Data is sent as JSON in `data`, not in base64.",
            ));
        }
        let media = self.datacontenttype.as_ref().map(|text| text.0.as_ref());
        if !media.is_none_or(is_json) {
            let message = "Data is JSON: datacontenttype is application/json, or is left out.";
            return Err(wrong("datacontenttype", message));
        }
        let data = self.data.ok_or_else(|| wrong("data", NO_DATA))?;
        self.with(data.get().as_bytes())
    }

    fn with(self, data: &[u8]) -> Result<NewUsageEvent> {
        if self.specversion.as_ref().is_none_or(|version| version.0 != "1.0") {
            return Err(wrong("specversion", "An event has the specversion \"1.0\"."));
        }
        let (id, source) = (needed("id", self.id)?, needed("source", self.source)?);
        if id.chars().any(char::is_control) {
            return Err(wrong("id", "An id has no control characters."));
        }
        if source.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(wrong(
                "source",
                "A source is a URI reference: it has no spaces and no control characters.",
            ));
        }
        let meter = needed("type", self.kind)?.into_owned();
        // Another tenant's account is answered like one that cannot be.
        let account_id = self
            .subject
            .map(|subject| AccountId::parse(&subject.0).map_err(|_| Error::NotFound("account")))
            .transpose()?;
        let occurred_at = self.time.map(|time| instant(&time.0)).transpose()?;
        let data = usage(data)?;
        let quantity = data.quantity.ok_or_else(|| wrong_data("quantity", NO_QUANTITY))?;
        let quantity = decimal::read(quantity);
        Ok(NewUsageEvent {
            account_id,
            idempotency_key: key(&source, &id),
            meter,
            quantity: quantity.map_err(|error| {
                let message = format!("The quantity {error}, as a text or as a number.");
                wrong_data("quantity", message)
            })?,
            occurred_at,
            attributes: attributes(data.attributes)?,
        })
    }
}

const NO_DATA: &str = "An event has `data`, an object with the `quantity`.";
const NO_QUANTITY: &str = "The data of an event has a `quantity`.";

fn usage(json: &[u8]) -> Result<Data<'_>> {
    if !is_object(json) {
        return Err(wrong("data", NO_DATA));
    }
    serde_json::from_slice(json).map_err(|error| {
        let message = format!("The data is an object with `quantity` and `attributes`: {error}.");
        wrong("data", message)
    })
}

fn attributes(json: Option<&RawValue>) -> Result<serde_json::Value> {
    let Some(json) = json.map(RawValue::get) else {
        return Ok(serde_json::json!({}));
    };
    let read = (json.len() <= MAX_ATTRIBUTES).then(|| serde_json::from_str(json).ok());
    read.flatten().ok_or_else(|| {
        let message = "Attributes are a JSON object of at most 4096 bytes.";
        wrong_data("attributes", message)
    })
}

fn instant(text: &str) -> Result<time::Timestamp> {
    let instant = DateTime::parse_from_rfc3339(text);
    let instant = instant.map_err(|_| wrong("time", "A time is written as in \"2026-01-31T09:30:00Z\"."))?;
    Ok(time::truncate(instant.with_timezone(&Utc)))
}

/// The idempotency key of an event: its source, a space and its id. A source has no space, so that no two pairs have
/// the same key. What is too long for a key is `sha256:` and the hash of that in hex, which has no space either.
fn key(source: &str, id: &str) -> String {
    let key = format!("{source} {id}");
    match key.len() <= MAX_KEY {
        true => key,
        false => format!("sha256:{}", hex::encode(Sha256::digest(key))),
    }
}

fn needed<'a>(name: &'static str, given: Option<Text<'a>>) -> Result<Cow<'a, str>> {
    let given = given.map(|text| text.0).filter(|text| !text.is_empty());
    given.ok_or_else(|| {
        wrong(
            name,
            format!("An event has the attribute `{name}`, which is not empty."),
        )
    })
}

/// Whether a media type is that of JSON.
pub(super) fn is_json(media: &str) -> bool {
    let media = media.split(';').next().unwrap_or_default().trim();
    let media = media.to_ascii_lowercase();
    media == "application/json" || media == "text/json" || media.ends_with("+json")
}

/// Whether the text begins as an object does: an array would be taken for the values of an object's fields.
fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().first() == Some(&b'{')
}

fn wrong(attribute: &str, message: impl Into<String>) -> Error {
    Error::bad_input(&[attribute], message)
}

fn wrong_data(member: &str, message: impl Into<String>) -> Error {
    Error::bad_input(&["data", member], message)
}

#[cfg(test)]
mod tests;
