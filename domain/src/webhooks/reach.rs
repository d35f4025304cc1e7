//! Where webhooks may go: to the public Internet, by https, and nowhere else unless the operator says so. Customers name the
//! endpoints, so that nothing of the operator's own network may answer. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

use crate::{Error, Result};

/// The longest URL, in bytes.
const MAX_URL: usize = 2_048;

/// What is not public of IPv4, with what the registry of special addresses keeps for itself: addresses and prefix lengths.
const SPECIAL_4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local: the metadata of clouds, too.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The public addresses of IPv6 are all in here: not the loopback address, unique local ones (ULA), link-local ones,
/// multicast, nor those that stand for one of IPv4 (`::ffff:0:0/96`, `64:ff9b::/96`).
const GLOBAL_6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is not public there: protocols (Teredo among them), documentation, and 6to4, which leads to addresses of IPv4.
const SPECIAL_6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Where webhooks may go.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// Whether without TLS, too.
    pub http: bool,
    /// Addresses that they may go to though they are not public.
    pub networks: Vec<IpNet>,
}

impl Reach {
    /// Whether a connection to this address may be made.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address)) || is_public(address)
    }

    /// An error unless this address may be connected to, where the URL names one in place of a host. Whoever connects asks
    /// nobody for such an address.
    pub fn check_address(&self, url: &Url) -> Result<(), &'static str> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err("A URL names a host."),
        };
        match self.allows(address) {
            true => Ok(()),
            false => Err("This address is not on the public Internet."),
        }
    }

    /// The URL of an endpoint, as it is kept.
    pub(super) fn check(&self, text: &str) -> Result<Url> {
        let wrong = |message: &str| Error::bad_input(&["url"], message);
        if text.len() > MAX_URL {
            return Err(wrong("A URL has at most 2048 bytes."));
        }
        let url = Url::parse(text).map_err(|_| wrong("This is not a URL."))?;
        match url.scheme() {
            "https" => {}
            "http" if self.http => {}
            _ => return Err(wrong("Webhooks go by https.")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("The URL of a webhook has no user and no password."));
        }
        if url.fragment().is_some() {
            return Err(wrong("The URL of a webhook has no fragment."));
        }
        self.check_address(&url).map_err(wrong)?;
        if url.as_str().len() > MAX_URL {
            return Err(wrong("A URL has at most 2048 bytes."));
        }
        Ok(url)
    }
}

/// Whether an address is one that everybody in the Internet can reach.
fn is_public(address: IpAddr) -> bool {
    let within = |network: IpAddr, length: u8| {
        IpNet::new(network, length).is_ok_and(|network| network.contains(&address))
    };
    match address {
        IpAddr::V4(_) => !SPECIAL_4
            .iter()
            .any(|(network, length)| within(IpAddr::V4(*network), *length)),
        IpAddr::V6(_) => {
            let (global, length) = GLOBAL_6;
            let mut special = SPECIAL_6.iter();
            within(IpAddr::V6(global), length)
                && !special.any(|(network, length)| within(IpAddr::V6(*network), *length))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_reached() {
        let reach = Reach::default();
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.215.14",
            "172.15.255.255",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.0",
            "198.17.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001:80b::200e",
        ] {
            assert!(reach.allows(public.parse().unwrap()), "{public}");
        }
        for hidden in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
        ] {
            assert!(!reach.allows(hidden.parse().unwrap()), "{hidden}");
        }
    }

    #[test]
    fn the_operator_may_open_networks_and_nothing_else() {
        let reach = Reach {
            http: true,
            networks: vec!["127.0.0.0/8".parse().unwrap()],
        };
        assert!(reach.allows("127.0.0.1".parse().unwrap()));
        assert!(!reach.allows("10.0.0.1".parse().unwrap()));
        assert!(!reach.allows("::1".parse().unwrap()));
        assert!(reach.check("http://127.0.0.1:8000/hook").is_ok());
        assert!(reach.check("http://10.0.0.1/hook").is_err());
    }

    #[test]
    fn a_url_is_one_of_the_public_internet() {
        let reach = Reach::default();
        for good in [
            "https://example.com/hook?a=b",
            "https://example.com:8443/",
            "https://1.1.1.1/",
        ] {
            assert!(reach.check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "http://example.com/",
            "ftp://example.com/",
            "https://user@example.com/",
            "https://user:word@example.com/",
            "https://example.com/#part",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
            &format!("https://example.com/{}", "x".repeat(MAX_URL)),
        ] {
            assert!(reach.check(bad).is_err(), "{bad}");
        }
    }
}
