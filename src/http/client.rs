//! The network address of whoever sent a request: the peer of the connection, or what a trusted proxy says of its own
//! peer.
//!
//! Anybody may write a header. It is read only where the peer is one of `http.trusted_proxies`, and only the one header
//! that those proxies set; from its end, since each proxy appends whom it heard.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request},
    http::HeaderMap,
};

use crate::config::{AddressHeader, AddressRange, HttpConfig};

tokio::task_local! {
    /// Of the request that this task works on.
    static ADDRESS: IpAddr;
}

/// The address of whoever sent the request at hand; none outside of a request.
pub(super) fn address() -> Option<IpAddr> {
    ADDRESS.try_with(|address| *address).ok()
}

/// Runs what goes on after its request, on behalf of the same client.
pub(super) async fn on_behalf_of<F: Future>(address: Option<IpAddr>, work: F) -> F::Output {
    match address {
        Some(address) => ADDRESS.scope(address, work).await,
        None => work.await,
    }
}

/// Finds out the address; none where the peer of the connection is not known.
pub(super) fn of(request: &Request, http: &HttpConfig) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    Some(client(
        peer.ip(),
        request.headers(),
        http.client_address_header,
        &http.trusted_proxies,
    ))
}

/// The address behind the trusted proxies.
fn client(peer: IpAddr, headers: &HeaderMap, header: AddressHeader, trusted: &[AddressRange]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let mut client = peer.to_canonical();
    let values = headers.get_all(header.name());
    let text: Vec<&str> = values.iter().filter_map(|value| value.to_str().ok()).collect();
    let mut hops = text.iter().flat_map(|text| text.split(',')).rev();
    while is_trusted(client) {
        match hops.next().map(|hop| header.address(hop)) {
            Some(Some(address)) => client = address.to_canonical(),
            // An address that a proxy hides or garbles ends the chain at that proxy.
            Some(None) | None => break,
        }
    }
    client
}

impl AddressHeader {
    fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    /// The address of one element of the header.
    fn address(self, hop: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => node(hop),
            Self::Forwarded => hop.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                let named = name.trim().eq_ignore_ascii_case("for");
                named.then(|| node(value.trim().trim_matches('"'))).flatten()
            }),
        }
    }
}

/// An address, with or without a port.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(socket.ip());
    }
    text.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, header: AddressHeader, values: &[&'static str]) -> String {
        let trusted = ["10.0.0.0/8", "192.0.2.1"].map(|text| text.parse().expect("a range"));
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header.name(), value.parse().expect("a header"));
        }
        client(peer.parse().expect("an address"), &headers, header, &trusted).to_string()
    }

    #[test]
    fn a_header_counts_from_a_trusted_proxy_only_and_from_its_end() {
        let plain = AddressHeader::XForwardedFor;
        for (peer, values, expected) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1, 192.0.2.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1, 10.2.2.2"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["10.3.3.3"], "10.3.3.3"),
        ] {
            assert_eq!(found(peer, plain, values), expected, "{peer} {values:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_the_one() {
        let standard = AddressHeader::Forwarded;
        for (value, expected) in [
            ("for=198.51.100.1;proto=https", "198.51.100.1"),
            (
                "for=1.1.1.1, For=\"[2001:db8::7]:4711\";by=10.0.0.1",
                "2001:db8::7",
            ),
            ("for=unknown", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
        ] {
            assert_eq!(found("10.0.0.1", standard, &[value]), expected, "{value}");
        }
    }
}
