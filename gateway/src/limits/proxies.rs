//! Which address a request comes from, where proxies stand before the edge.
//!
//! What a header says is believed as far as the proxies that wrote it are: it is read from its end, which the nearest
//! proxy wrote, up to the first address that is no trusted proxy's. Only one header is read, because proxies write one
//! and pass on whatever a client put into the other.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Proxies whose word on the client's address is taken.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    /// Their networks; empty: nobody's word is.
    pub networks: Vec<IpNet>,
    /// Where they write it.
    pub header: ForwardedHeader,
}

/// The header in which proxies name the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, a comma list of addresses.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239), whose `for` parameters are read.
    Forwarded,
}

impl FromStr for ForwardedHeader {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err("expected x-forwarded-for or forwarded"),
        }
    }
}

impl TrustedProxies {
    /// The client's address, of a request that came over a connection from `peer`.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let mut client = peer;
        for hop in self.hops(headers) {
            // A proxy that hides whom it speaks for is as far as can be seen.
            let Some(address) = hop else { return client };
            client = address;
            if !self.trusts(address) {
                return client;
            }
        }
        client
    }

    /// How the client speaks to the nearest proxy, in small letters, if a trusted one says so.
    pub(crate) fn scheme(&self, peer: IpAddr, headers: &HeaderMap) -> Option<String> {
        if !self.trusts(peer) {
            return None;
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => HeaderName::from_static("x-forwarded-proto"),
            ForwardedHeader::Forwarded => http::header::FORWARDED,
        };
        let last = headers.get_all(name).iter().next_back()?.to_str().ok()?.rsplit(',').next()?;
        let scheme = match self.header {
            ForwardedHeader::XForwardedFor => last.trim(),
            ForwardedHeader::Forwarded => forwarded_parameter(last, "proto")?,
        };
        Some(scheme.to_ascii_lowercase())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Addresses from the nearest to the farthest; `None` where one cannot be read.
    fn hops<'h>(&self, headers: &'h HeaderMap) -> impl Iterator<Item = Option<IpAddr>> + 'h {
        let (name, read): (_, fn(&str) -> Option<IpAddr>) = match self.header {
            ForwardedHeader::XForwardedFor => (HeaderName::from_static("x-forwarded-for"), parse_address),
            ForwardedHeader::Forwarded => (http::header::FORWARDED, parse_forwarded),
        };
        let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect();
        values.into_iter().rev().flat_map(|value| value.rsplit(',')).map(move |hop| read(hop.trim()))
    }
}

/// `for=192.0.2.1;proto=https`, `for="[2001:db8::1]:8080"`.
fn parse_forwarded(element: &str) -> Option<IpAddr> {
    parse_address(forwarded_parameter(element, "for")?)
}

fn forwarded_parameter<'e>(element: &'e str, wanted: &str) -> Option<&'e str> {
    let value = element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then_some(value.trim())
    })?;
    Some(value.trim_matches('"'))
}

fn parse_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: ForwardedHeader, peer: &str, name: &'static str, values: &[&str]) -> String {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        TrustedProxies { networks, header }.client(peer.parse().unwrap(), &headers).to_string()
    }

    fn by_list(peer: &str, values: &[&str]) -> String {
        client(ForwardedHeader::XForwardedFor, peer, "x-forwarded-for", values)
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(by_list("203.0.113.9", &["192.0.2.1"]), "203.0.113.9");
    }

    #[test]
    fn the_list_is_read_from_its_end_up_to_the_first_stranger() {
        assert_eq!(by_list("10.0.0.1", &["192.0.2.66, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(by_list("10.0.0.1", &["192.0.2.66", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(by_list("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(by_list("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }

    #[test]
    fn what_cannot_be_read_ends_the_search() {
        assert_eq!(by_list("10.0.0.1", &["192.0.2.66, unknown, 10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_configured_and_the_other_is_not() {
        let forwarded = |values: &[&str]| client(ForwardedHeader::Forwarded, "10.0.0.1", "forwarded", values);
        assert_eq!(forwarded(&["for=192.0.2.60;proto=http;by=203.0.113.43"]), "192.0.2.60");
        assert_eq!(forwarded(&["for=192.0.2.1, For=\"[2001:db8::17]:4711\""]), "2001:db8::17");
        assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", "x-forwarded-for", &["192.0.2.1"]), "10.0.0.1");
    }

    #[test]
    fn how_the_client_speaks_is_what_the_nearest_trusted_proxy_says() {
        let scheme = |header, peer: &str, name: &'static str, value: &str| {
            let headers = [(HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect();
            let networks = vec!["10.0.0.0/8".parse().unwrap()];
            TrustedProxies { networks, header }.scheme(peer.parse().unwrap(), &headers)
        };
        let (list, standard) = (ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded);
        assert_eq!(scheme(list, "10.0.0.1", "x-forwarded-proto", "http, HTTPS").as_deref(), Some("https"));
        assert_eq!(scheme(list, "203.0.113.9", "x-forwarded-proto", "https"), None);
        assert_eq!(
            scheme(standard, "10.0.0.1", "forwarded", "for=192.0.2.1;Proto=\"https\"").as_deref(),
            Some("https")
        );
        assert_eq!(scheme(standard, "10.0.0.1", "x-forwarded-proto", "https"), None);
    }
}
