//! Keeps deliveries off private networks: a URL an operator pasted must not reach a metadata service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether `address` is outside the public internet (IANA's special-purpose address registries, RFC 6890).
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| is_private_v6(v6), is_private_v4),
    }
}

fn is_private_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    let first = v6.segments()[0];
    // Only 2000::/3 is global unicast; of it, 2002::/16 (6to4) and 2001::/23 (protocol assignments, Teredo) embed others.
    let is_global = first & 0xe000 == 0x2000;
    !is_global
        || first == 0x2002
        || (first == 0x2001 && v6.segments()[1] < 0x0200)
        || (first == 0x2001 && v6.segments()[1] == 0x0db8)
}

/// Resolves names and drops private addresses, at the moment of connecting: a name that changes its mind between a
/// check and the connection gains nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let resolved = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let public: Vec<_> = resolved.filter(|address| !is_private(address.ip())).collect();
            if public.is_empty() {
                return Err(format!("{host} has no public address (see DELIVERY_WEBHOOK_ALLOW_PRIVATE)").into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_purpose_addresses_are_private_and_others_are_not() {
        // From IANA's IPv4 and IPv6 special-purpose address registries.
        let private = [
            "10.1.2.3",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
        ];
        for address in private {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn name_with_only_private_addresses_does_not_resolve() {
        assert!(PublicOnly.resolve("localhost".parse().unwrap()).await.is_err());
    }
}
