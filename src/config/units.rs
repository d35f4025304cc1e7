//! Values with a form of their own: durations (`"15m"`), sizes (`"64KiB"`), web origins, ranges of addresses.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use canopy_domain::measures;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};

/// A duration, read from a number with a unit (ms, s, m, h, d).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A number of bytes, read from a number with a unit (B, KiB, MiB, GiB).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A web origin such as `https://app.example.com`, or `*` for every one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin(String);

/// An address, or a range of addresses such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange(IpNet);

impl AddressRange {
    const EXPECTED: &str = "addresses or ranges such as \"10.0.0.0/8\" or \"2001:db8::/32\"";

    /// The range itself.
    pub fn network(&self) -> IpNet {
        self.0
    }

    /// Whether the address is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for AddressRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let single = text.parse::<IpAddr>().map(IpNet::from);
        let range = single.or_else(|_| text.parse());
        range.map(Self).map_err(|_| Self::EXPECTED)
    }
}

impl<'de> Deserialize<'de> for AddressRange {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        parse(input, Self::EXPECTED)
    }
}

impl WebOrigin {
    const EXPECTED: &str = "web origins such as \"https://app.example.com\", without a path, or \"*\"";

    /// Whether it stands for every origin.
    pub fn is_any(&self) -> bool {
        self.0 == "*"
    }

    /// The origin as browsers send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WebOrigin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let plain = |host: &str| !host.is_empty() && host.bytes().all(|c| c.is_ascii_graphic() && c != b'/');
        if text == "*" || host.is_some_and(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Self::EXPECTED)
        }
    }
}

impl<'de> Deserialize<'de> for WebOrigin {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        parse(input, Self::EXPECTED)
    }
}

impl Span {
    pub(super) const EXPECTED: &str = measures::DURATION;

    /// The duration itself.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl Size {
    const UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    pub(super) const EXPECTED: &str = "a size such as \"512B\", \"64KiB\", \"2MiB\" or \"1GiB\"";

    /// The number of bytes, which fits the address space or is as large as it gets.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        measures::duration(text).map(Self).ok_or(Self::EXPECTED)
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        measures::measure(text, &Self::UNITS)
            .map(Self)
            .ok_or(Self::EXPECTED)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}B", self.0)
    }
}

/// Reads a string and parses it; any other type fails with the same sentence.
fn parse<'de, D: Deserializer<'de>, T: FromStr>(input: D, expected: &'static str) -> Result<T, D::Error> {
    struct Text<T>(&'static str, std::marker::PhantomData<T>);
    impl<T: FromStr> de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse()
                .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }
    input.deserialize_str(Text(expected, std::marker::PhantomData))
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        parse(input, Self::EXPECTED)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        parse(input, Self::EXPECTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_need_a_known_unit() {
        assert_eq!("15m".parse(), Ok(Span(Duration::from_secs(900))));
        assert_eq!("250ms".parse(), Ok(Span(Duration::from_millis(250))));
        assert_eq!("64KiB".parse(), Ok(Size(65536)));
        for bad in ["", "15", "m", "1.5s", "-1s", "5 weeks", "99999999999999999d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        assert!("64KB".parse::<Size>().is_err());
    }

    #[test]
    fn a_web_origin_has_a_scheme_and_no_path() {
        for good in ["*", "https://app.example.com", "http://localhost:5173"] {
            assert!(good.parse::<WebOrigin>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "app.example.com",
            "https://",
            "https://a/",
            "https://a b",
            "ftp://a",
        ] {
            assert!(bad.parse::<WebOrigin>().is_err(), "{bad}");
        }
    }
}
