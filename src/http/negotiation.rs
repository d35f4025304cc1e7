//! Which media type a response has: the `Accept` header against what Canopy can write. Pure.

use axum::http::{HeaderMap, header};

/// A media type that Canopy writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/graphql-response+json`: the HTTP status tells what happened.
    GraphqlResponse,
    /// `application/json`: for older clients, 200 for every document that is a well-formed request.
    Json,
    /// `text/event-stream`: graphql-sse.
    EventStream,
}

impl MediaType {
    /// The media types of `/graphql`. The first is the answer to a client that takes any.
    pub(super) const OF_GRAPHQL: [Self; 3] = [Self::Json, Self::GraphqlResponse, Self::EventStream];
    /// The media types of `/graphql/stream`.
    pub(super) const OF_STREAM: [Self; 1] = [Self::EventStream];

    /// The value of the `Content-Type` header.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            Self::EventStream => "text/event-stream",
        }
    }

    fn name(self) -> &'static str {
        self.content_type().split(';').next().unwrap_or_default()
    }
}

/// One entry of an `Accept` header.
struct Range<'a> {
    media: &'a str,
    quality: f32,
}

/// The best of `offered` for the client, or `None` if it takes none of them.
///
/// The highest quality wins, then the order of the header. No header, or `*/*`, takes the first offer.
pub(super) fn negotiate(headers: &HeaderMap, offered: &[MediaType]) -> Option<MediaType> {
    let values: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    if values.iter().all(|value| value.trim().is_empty()) {
        return offered.first().copied();
    }
    let ranges: Vec<Range<'_>> = values
        .iter()
        .flat_map(|value| value.split(','))
        .filter_map(range)
        .collect();
    let mut best: Option<(f32, MediaType)> = None;
    for range in &ranges {
        let fits = |media: &MediaType| matches(range.media, media.name()) && !refused(&ranges, *media);
        let Some(found) = offered.iter().copied().find(fits) else {
            continue;
        };
        if range.quality > 0.0 && best.is_none_or(|(quality, _)| range.quality > quality) {
            best = Some((range.quality, found));
        }
    }
    best.map(|(_, media)| media)
}

/// Whether the client excludes exactly this media type (`q=0`), whatever its wildcards say.
fn refused(ranges: &[Range<'_>], media: MediaType) -> bool {
    ranges
        .iter()
        .any(|range| range.quality <= 0.0 && range.media.eq_ignore_ascii_case(media.name()))
}

fn range(entry: &str) -> Option<Range<'_>> {
    let mut parts = entry.split(';').map(str::trim);
    let media = parts.next().filter(|media| !media.is_empty())?;
    let mut quality = 1.0;
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => quality = value.parse().ok()?,
            // A client that wants another encoding than UTF-8 cannot read what we write.
            "charset" if !value.eq_ignore_ascii_case("utf-8") && !value.eq_ignore_ascii_case("utf8") => {
                return None;
            }
            _ => {}
        }
    }
    Some(Range { media, quality })
}

fn matches(range: &str, media: &str) -> bool {
    match range.strip_suffix("/*") {
        Some("*") => true,
        Some(group) => media
            .split('/')
            .next()
            .is_some_and(|own| own.eq_ignore_ascii_case(group)),
        None => range.eq_ignore_ascii_case(media),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<MediaType> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().expect("a header value"));
        negotiate(&headers, &MediaType::OF_GRAPHQL)
    }

    #[test]
    fn no_preference_means_json() {
        assert_eq!(
            negotiate(&HeaderMap::new(), &MediaType::OF_GRAPHQL),
            Some(MediaType::Json)
        );
        for any in ["", "*/*", "application/*", "application/*;q=0.1"] {
            assert_eq!(chosen(any), Some(MediaType::Json), "{any}");
        }
    }

    #[test]
    fn quality_wins_then_order() {
        let both = "application/graphql-response+json, application/json;q=0.9";
        assert_eq!(chosen(both), Some(MediaType::GraphqlResponse));
        assert_eq!(
            chosen("application/json;q=0.9, application/graphql-response+json"),
            Some(MediaType::GraphqlResponse)
        );
        assert_eq!(
            chosen("application/json, application/graphql-response+json"),
            Some(MediaType::Json)
        );
        assert_eq!(chosen("APPLICATION/JSON; Charset=UTF-8"), Some(MediaType::Json));
        assert_eq!(chosen("text/event-stream"), Some(MediaType::EventStream));
    }

    #[test]
    fn what_cannot_be_written_is_not_acceptable() {
        for none in [
            "text/html",
            "application/json;q=0",
            "application/json; charset=iso-8859-1",
            "application/json;q=x",
        ] {
            assert_eq!(chosen(none), None, "{none}");
        }
        assert_eq!(
            chosen("application/json;q=0, */*;q=0.5"),
            Some(MediaType::GraphqlResponse)
        );
    }

    #[test]
    fn the_stream_takes_any_or_event_stream() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            negotiate(&headers, &MediaType::OF_STREAM),
            Some(MediaType::EventStream)
        );
        headers.insert(
            header::ACCEPT,
            "application/json".parse().expect("a header value"),
        );
        assert_eq!(negotiate(&headers, &MediaType::OF_STREAM), None);
    }
}
