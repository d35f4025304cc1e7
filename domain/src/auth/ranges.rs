//! The network addresses that an API key may be used from. Pure.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{Error, Result};

/// The most ranges of one key.
const MAX_RANGES: usize = 50;

/// Reads a range, such as `203.0.113.0/24`, or a single address. `Error::BadInput` at `allowedIps` for anything else.
pub fn parse_range(text: &str) -> Result<IpNet> {
    let text = text.trim();
    let range = match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => text.parse::<IpNet>(),
    };
    range.map(|range| range.trunc()).map_err(|_| {
        Error::bad_input(
            &["allowedIps"],
            "A range is an address, or an address and a prefix length such as 203.0.113.0/24.",
        )
    })
}

/// `Error::BadInput` if there are more ranges than a key may have.
pub(super) fn check(ranges: &[IpNet]) -> Result<()> {
    if ranges.len() > MAX_RANGES {
        return Err(Error::bad_input(
            &["allowedIps"],
            format!("A key has at most {MAX_RANGES} ranges."),
        ));
    }
    Ok(())
}

/// Whether a key with these ranges may be used from there. Without ranges it may be from anywhere; with them not from an
/// address that is not known.
pub(super) fn allow(ranges: &[IpNet], address: Option<IpAddr>) -> bool {
    let within = |address: IpAddr| {
        let address = address.to_canonical();
        ranges.iter().any(|range| range.contains(&address))
    };
    ranges.is_empty() || address.is_some_and(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_ranges_is_for_those_addresses_only() {
        let ranges = ["203.0.113.7", "10.1.2.3/8", "2001:db8::/32"].map(|text| parse_range(text).unwrap());
        assert_eq!(ranges[1].to_string(), "10.0.0.0/8");
        for (address, expected) in [
            ("203.0.113.7", true),
            ("::ffff:203.0.113.7", true),
            ("203.0.113.8", false),
            ("10.255.0.1", true),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(allow(&ranges, address.parse().ok()), expected, "{address}");
        }
        assert!(!allow(&ranges, None));
        assert!(allow(&[], None));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "203.0.113", "203.0.113.0/33", "example.com", "10.0.0.0/8/8"] {
            let error = parse_range(text).unwrap_err();
            assert_eq!(error.field(), ["allowedIps"], "{text}");
        }
        assert!(check(&vec![parse_range("10.0.0.1").unwrap(); MAX_RANGES + 1]).is_err());
    }
}
