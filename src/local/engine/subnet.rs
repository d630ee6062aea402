//! The network of our Podman: a subnet that nobody on this machine uses.

use std::path::Path;

use serde_json::json;

use crate::local::error::{LocalError, at};

/// Writes the definition of the network, unless it exists.
pub(super) async fn ensure(path: &Path, identity: &str) -> Result<(), LocalError> {
    if tokio::fs::try_exists(path).await.map_err(at(path))? {
        return Ok(());
    }
    let routes = tokio::fs::read_to_string("/proc/net/route").await.unwrap_or_default();
    let third = free(&routes, identity);
    let network = json!({
        "name": "quarterdeck",
        "id": identity.repeat(8),
        "driver": "bridge",
        "network_interface": format!("qd-{identity}"),
        "created": "2026-01-01T00:00:00Z",
        "subnets": [{ "subnet": format!("10.137.{third}.0/24"), "gateway": format!("10.137.{third}.1") }],
        "ipv6_enabled": false,
        "internal": false,
        "dns_enabled": false,
        "ipam_options": { "driver": "host-local" },
    });
    tokio::fs::write(path, network.to_string()).await.map_err(at(path))
}

/// The `x` of a free subnet 10.137.x.0/24. The search begins with a number that follows from our name.
fn free(routes: &str, identity: &str) -> u8 {
    let first = u8::from_str_radix(identity.get(..2).unwrap_or_default(), 16).unwrap_or(66);
    (0..=u8::MAX).map(|step| first.wrapping_add(step)).find(|third| !taken(routes, *third)).unwrap_or(first)
}

/// Whether a route other than the default covers the subnet. `/proc/net/route` has addresses in
/// hexadecimal, last byte first.
fn taken(routes: &str, third: u8) -> bool {
    let ours = u32::from_le_bytes([10, 137, third, 0]);
    routes.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|text| u32::from_str_radix(text, 16).ok());
        match (number(1), number(7)) {
            (Some(network), Some(mask)) => mask != 0 && ours & mask == network,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n";

    #[test]
    fn a_subnet_in_use_is_passed_over() {
        let default = format!("{HEAD}eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n");
        assert_eq!(free(&default, "42aabbcc"), 0x42);
        let bridge = format!("{default}qd0 0042890A 00000000 0001 0 0 0 00FFFFFF 0 0 0\n");
        assert_eq!(free(&bridge, "42aabbcc"), 0x43);
        assert_eq!(free("nonsense", "zz"), 66);
    }
}
