//! Which pages may call the API, and whom a request really comes from.

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::{HOST, HeaderName, ORIGIN};
use fastx_core::wire::problem::Problem;

use crate::node::Node;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whether a request's origin is one of ours. Programs send none; a browser always does where it matters.
pub(super) fn check(
    node: &Node,
    headers: &HeaderMap,
    authority: Option<&str>,
) -> Result<bool, Problem> {
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(false);
    };
    let origin = origin.to_str().unwrap_or_default();
    let current = node.configuration().current();
    let own = host(headers, authority).is_some_and(|h| same_host(origin, h));
    let configured = || {
        let known = current.cluster.web_origins.iter().chain(&current.node.urls);
        known.into_iter().any(|o| o.trim_end_matches('/') == origin)
    };
    // A page of another member opens displays here directly.
    let member = || {
        let servers = node.fleet().servers();
        servers
            .iter()
            .flat_map(|r| &r.server.urls)
            .any(|o| o.trim_end_matches('/') == origin)
    };
    if own || configured() || member() {
        Ok(true)
    } else {
        Err(Problem::new(403, "foreign-origin", "Not allowed from this page")
            .detail("The request comes from a page of another address.")
            .action("Open the address of the cluster itself, or have the address added to the web origins."))
    }
}

/// Host and port that the client asked for: `Host`, or `:authority` in HTTP/2.
pub(super) fn host<'a>(headers: &'a HeaderMap, authority: Option<&'a str>) -> Option<&'a str> {
    authority.or_else(|| headers.get(HOST)?.to_str().ok())
}

fn same_host(origin: &str, host: &str) -> bool {
    let Some(of_origin) = origin.strip_prefix("https://") else {
        return false;
    };
    let strip = |h: &str| h.strip_suffix(":443").unwrap_or(h).to_ascii_lowercase();
    !host.is_empty() && strip(of_origin) == strip(host)
}

/// The client's address: the peer's, unless that is a configured proxy; then the last one that a proxy vouches for.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, proxies: &[String]) -> IpAddr {
    let mut address = peer;
    let forwarded: Vec<IpAddr> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .filter_map(|a| a.trim().parse().ok())
        .collect();
    for before in forwarded.into_iter().rev() {
        if !proxies.iter().any(|p| contains(p, address)) {
            break;
        }
        address = before;
    }
    address.to_canonical()
}

/// Whether an address is the one given, or lies in the network given as `address/bits`.
fn contains(network: &str, address: IpAddr) -> bool {
    let (base, bits) = match network.split_once('/') {
        Some((base, bits)) => (base, bits.parse::<u32>().ok()),
        None => (network, None),
    };
    let Ok(base) = base.trim().parse::<IpAddr>() else {
        return false;
    };
    let bytes = |ip: IpAddr| match ip.to_canonical() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let (base, address) = (bytes(base), bytes(address));
    let all = u32::try_from(base.len() * 8).unwrap_or(0);
    let bits = if network.contains('/') {
        bits.unwrap_or(all + 1)
    } else {
        all
    };
    if base.len() != address.len() || bits > all {
        return false;
    }
    base.iter().zip(&address).enumerate().all(|(n, (a, b))| {
        let from = u32::try_from(n * 8).unwrap_or(0);
        let count = bits.saturating_sub(from).min(8);
        let mask = u8::try_from(0xff00_u32 >> count & 0xff).unwrap_or(0);
        a & mask == b & mask
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_host_is_no_foreign_origin() {
        assert!(same_host("https://a.example:3300", "a.example:3300"));
        assert!(same_host("https://A.example", "a.example:443"));
        assert!(!same_host("https://a.example:3300", "a.example"));
        assert!(!same_host("http://a.example", "a.example"));
        assert!(!same_host("null", ""));
        assert!(!same_host("https://", ""));
    }

    #[test]
    fn only_configured_proxies_are_believed() {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, "9.9.9.9, 10.0.0.7".parse().unwrap());
        let client = |peer: &str, proxies: &[&str]| {
            let proxies: Vec<String> = proxies.iter().map(|&p| p.to_owned()).collect();
            client_address(peer.parse().unwrap(), &headers, &proxies).to_string()
        };
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["10.0.0.1"]), "10.0.0.7");
        assert_eq!(client("10.0.0.1", &["10.0.0.0/24"]), "9.9.9.9");
        assert_eq!(client("::ffff:10.0.0.1", &["10.0.0.0/24"]), "9.9.9.9");
    }

    #[test]
    fn networks() {
        let ip: IpAddr = "192.168.129.5".parse().unwrap();
        for yes in [
            "192.168.129.5",
            "192.168.128.0/17",
            "0.0.0.0/0",
            "192.168.129.5/32",
        ] {
            assert!(contains(yes, ip), "{yes}");
        }
        for no in [
            "192.168.129.6",
            "192.168.0.0/17",
            "x",
            "::/0",
            "192.168.129.5/33",
            "192.168.129.5/x",
        ] {
            assert!(!contains(no, ip), "{no}");
        }
    }
}
