//! Whether readers on other machines get to the listeners of a port. Only files are looked at; no rule set is read.

use std::net::IpAddr;
use std::path::Path;

use sermux_port_config::config::{Address, Framing, Port};

use super::{read, Finding};
use crate::device::Root;

pub(super) fn check(root: &Root, name: &str, port: &Port, config: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    // The others are programs on this machine as well.
    let tcp = || port.listen.iter().filter_map(|listener| Some((&listener.address, listener.address.port()?)));
    let outward: Vec<u16> = tcp().filter(|(address, _)| !is_loopback(address)).map(|(_, number)| number).collect();
    if let (true, Some((address, number)), Framing::Dsmr) = (outward.is_empty(), tcp().next(), &port.frame) {
        let line = read::text(root, config).and_then(|text| {
            text.lines().position(|line| line.contains("address") && line.contains(&number.to_string()))
        });
        found.push(
            Finding::warning(format!("port {name}: only programs on this machine can connect ({address})"))
                .at(config, line.map(|at| at + 1))
                .so(format!("to let readers on other machines connect, write: address: \"*:{number}\"")),
        );
    }
    for number in outward.into_iter().filter(|number| *number != 0) {
        found.extend(firewall(root, name, number));
    }
    found
}

fn is_loopback(address: &Address) -> bool {
    match address {
        Address::Any { .. } => false,
        Address::Localhost { .. } | Address::Unix { .. } => true,
        Address::Host { host, .. } => host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback()),
    }
}

fn firewall(root: &Root, name: &str, number: u16) -> Option<Finding> {
    let lets = |file: &str| {
        let text = read::text(root, file).unwrap_or_default();
        let number = number.to_string();
        text.split(|c: char| !c.is_ascii_digit()).any(|word| word == number)
    };
    let finding = |program: &str| {
        Finding::warning(format!("port {name}: the firewall {program} may keep readers from port {number}"))
    };
    let ufw = read::text(root, "/etc/ufw/ufw.conf").unwrap_or_default();
    let is_enabled = |line: &str| line.trim().eq_ignore_ascii_case("ENABLED=yes");
    if let Some(at) = ufw.lines().position(is_enabled) {
        if !lets("/etc/ufw/user.rules") {
            return Some(
                finding("ufw").at("/etc/ufw/ufw.conf", Some(at + 1)).so(format!("sudo ufw allow {number}/tcp")),
            );
        }
    }
    let wants = |unit: &str| {
        ["sysinit.target.wants", "multi-user.target.wants"]
            .into_iter()
            .any(|target| read::is_there(root, format!("/etc/systemd/system/{target}/{unit}")))
    };
    let rules = "/etc/nftables.conf";
    let text = read::text(root, rules).unwrap_or_default();
    let drops = text.lines().position(|line| line.contains("hook input") && line.contains("policy drop"));
    if let (true, Some(at), false) = (wants("nftables.service"), drops, lets(rules)) {
        return Some(
            finding("nftables").at(rules, Some(at + 1)).so(format!("write below this line: tcp dport {number} accept")),
        );
    }
    if wants("firewalld.service") {
        return Some(
            finding("firewalld")
                .so(format!("sudo firewall-cmd --permanent --add-port={number}/tcp && sudo firewall-cmd --reload")),
        );
    }
    None
}
