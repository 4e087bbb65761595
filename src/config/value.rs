//! Texts of configuration to values, for flags and file alike. What is wrong is said in a sentence that names the cure.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::upstream::{AuthName, Pin, Server};

/// Where DNS is served unless a port is given.
const DNS_PORT: u16 = 53;
/// Where DNS over TLS and over QUIC is served unless a port is given (RFC 7858 §3.1, RFC 9250 §4.1.1).
const ENCRYPTED_PORT: u16 = 853;

/// How upstreams are asked.
const SCHEMES: [&str; 4] = ["tcp", "udp", "tls", "quic"];

/// Units of a size and what they stand for.
const UNITS: [(&str, usize); 7] =
    [("B", 1), ("KB", 1000), ("KiB", 1 << 10), ("MB", 1_000_000), ("MiB", 1 << 20), ("GB", 1_000_000_000), ("GiB", 1 << 30)];

/// Levels of the log, the last part of a directive.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The candidate a mistyped word most likely stands for.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    let distance = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let begun = folded.len().min(candidate.len()) >= 3 && (folded.starts_with(&candidate) || candidate.starts_with(&folded));
        if begun { 1 } else { strsim::damerau_levenshtein(&folded, &candidate) }
    };
    let (distance, candidate) =
        candidates.into_iter().map(|candidate| (distance(candidate), candidate)).min_by_key(|(distance, _)| *distance)?;
    (distance <= (candidate.len() / 3).max(1)).then_some(candidate)
}

/// `; did you mean …?` where there is something near, else what there is.
pub(super) fn suggestion(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if candidates.is_empty() => String::new(),
        None => format!("; there is {}", list(candidates)),
    }
}

/// `a`, `b` and `c`.
pub(super) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// `true` or `false`.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("`{text}` is neither yes nor no here; write `true` or `false`"))
}

/// `IP:PORT` to listen on; port 0 stands for a free one.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Err(format!("`{text}` has no port; write `{}`", SocketAddr::new(ip, DNS_PORT)));
    }
    if let Some(port) = text.strip_prefix(':').or_else(|| text.strip_prefix("*:")).and_then(|port| port.parse::<u16>().ok()) {
        return Err(format!("`{text}` has no address; write `0.0.0.0:{port}` or `[::]:{port}`"));
    }
    if let Some(rest) = text.split_once("://").map(|(_, rest)| rest) {
        return Err(format!("`{text}` is a URL; here an address and a port are enough: `{rest}`"));
    }
    Err(match text.rsplit_once(':') {
        Some((host, port)) if host.parse::<IpAddr>().is_ok() || host.starts_with('[') => wrong_port_or_brackets(text, host, port),
        Some((host, _)) if looks_like_name(host) => {
            format!("`{host}` is a name; an address of this machine is needed, such as `127.0.0.1:53` or `0.0.0.0:53`")
        }
        _ => format!("`{text}` is no address with a port; write it like `0.0.0.0:53` or `[::]:53`"),
    })
}

/// Whether one socket stands in the other's way: the same port, and the same address or all of them. IPv6 sockets take no IPv4.
pub(super) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let all = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && one.is_ipv4() == other.is_ipv4() && (all || one.ip() == other.ip())
}

fn wrong_port_or_brackets(text: &str, host: &str, port: &str) -> String {
    let inner = host.trim_start_matches('[').trim_end_matches(']');
    if inner.parse::<Ipv6Addr>().is_ok() && !host.starts_with('[') {
        return format!("an IPv6 address stands in brackets; write `[{inner}]:{port}`");
    }
    match inner.parse::<IpAddr>() {
        Ok(ip) => format!("`{port}` is no port, which goes from 0 to 65535; write it like `{}`", SocketAddr::new(ip, DNS_PORT)),
        Err(_) => format!("`{text}` is no address with a port; write it like `0.0.0.0:53` or `[::]:53`"),
    }
}

/// `tcp://IP[:PORT]`, `udp://IP[:PORT]`, `tls://IP[:PORT][#NAME]` or `quic://IP[:PORT][#NAME]`.
pub(super) fn server(text: &str) -> Result<Server, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        // What is no address would be none behind a scheme either.
        server_address("tcp", text, DNS_PORT)?;
        return Err(format!("`{text}` does not say how to ask; write `tcp://{text}`, or `udp://{text}`"));
    };
    let port = match scheme {
        "tcp" | "udp" => DNS_PORT,
        "tls" | "quic" => ENCRYPTED_PORT,
        "https" => {
            return Err(format!(
                "`{scheme}://` is not in this release; there is {}, such as `tls://192.0.2.1#dns.example`",
                list(&SCHEMES)
            ));
        }
        _ => return Err(format!("`{scheme}://` is not known{}", suggestion(scheme, &SCHEMES))),
    };
    let (place, name) = rest.split_once('#').map_or((rest, None), |(place, name)| (place, Some(name)));
    let address = server_address(scheme, place, port)?;
    if address.port() == 0 {
        return Err(format!("nobody answers at port 0; DNS is at {port}, write `{scheme}://{}`", SocketAddr::new(address.ip(), port)));
    }
    if address.ip().is_unspecified() || address.ip().is_multicast() {
        return Err(format!(
            "`{}` is no server's address; write the address that the server has, like `{scheme}://10.96.0.20:{port}`",
            address.ip()
        ));
    }
    match (scheme, name) {
        ("tls", name) => Ok(Server::Tls(address, auth_name(name, address.ip())?)),
        ("quic", name) => Ok(Server::Quic(address, auth_name(name, address.ip())?)),
        (_, Some(name)) => Err(format!("a name is for certificates, and `{scheme}://` has none; leave out `#{name}`")),
        ("udp", None) => Ok(Server::Udp(address)),
        _ => Ok(Server::Tcp(address)),
    }
}

/// What stands behind `#`, else the address.
fn auth_name(text: Option<&str>, address: IpAddr) -> Result<AuthName, String> {
    let Some(text) = text else { return Ok(address.into()) };
    AuthName::parse(text).ok_or_else(|| {
        format!("`{text}` is no name that a certificate could be for; write it like `#dns.example`, or leave it out where the certificate is for the address")
    })
}

/// A key's hash, as certificates are pinned by.
pub(super) fn pin(text: &str) -> Result<Pin, String> {
    Pin::parse(text).ok_or_else(|| {
        format!(
            "`{text}` is no SHA-256 in base64, which has 44 characters and ends in `=`; `kdig -d +tls @SERVER` shows the one of a server"
        )
    })
}

/// A file's path; relative ones would depend on where the process was started.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    match Path::new(text).is_absolute() {
        true => Ok(PathBuf::from(text)),
        false => Err(format!("`{text}` is not the whole path; write it like `/etc/doorstep-tls/ca.crt`")),
    }
}

fn server_address(scheme: &str, text: &str, port: u16) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return match ip {
            IpAddr::V4(_) => Ok(SocketAddr::new(ip, port)),
            IpAddr::V6(_) => Err(format!("an IPv6 address stands in brackets; write `{scheme}://[{ip}]:{port}`")),
        };
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(ip) = bracketed.and_then(|inner| inner.parse::<Ipv6Addr>().ok()) {
        return Ok(SocketAddr::new(ip.into(), port));
    }
    let (host, given) = text.rsplit_once(':').unwrap_or((text, ""));
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = ip.parse::<IpAddr>() {
        let right = SocketAddr::new(ip, port);
        return Err(format!("`{given}` is no port, which goes from 1 to 65535; DNS is at {port}, write `{scheme}://{right}`"));
    }
    if looks_like_name(host) {
        return Err(format!(
            "`{host}` is a name, which would have to be resolved before doorstep can resolve anything; an address is needed, \
             like `{scheme}://10.96.0.20:{port}`"
        ));
    }
    Err(format!("`{text}` is no address; write `{scheme}://10.96.0.20:{port}`"))
}

fn looks_like_name(host: &str) -> bool {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
    host.bytes().all(plain) && host.bytes().any(|octet| octet.is_ascii_alphabetic())
}

/// A time with its unit, within `least` and `most`.
pub(super) fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Err(format!("`{text}` has no unit; write `{seconds}s` for seconds"));
    }
    let duration = humantime::parse_duration(text).map_err(|_| format!("`{text}` is no time; write it like `500ms`, `30s` or `5m`"))?;
    let show = humantime::format_duration;
    if duration < least || duration > most {
        return Err(format!("`{text}` is out of range; it goes from {} to {}", show(least), show(most)));
    }
    Ok(duration)
}

/// A number of octets with its unit, within `least` and `most`.
pub(super) fn size(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let letters = text.find(|letter: char| letter.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(letters);
    let Ok(number) = number.trim().parse::<usize>() else {
        return Err(format!("`{text}` is no size; write a whole number and a unit, like `32MiB`"));
    };
    if unit.is_empty() {
        // Octets may be meant, or MiB.
        let meant = [number, number.saturating_mul(1 << 20)].into_iter().find(|octets| (least..=most).contains(octets));
        return Err(format!("`{text}` has no unit; write `{}`", with_unit(meant.unwrap_or(least))));
    }
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let units = UNITS.map(|(name, _)| name);
        return Err(match unit {
            "Ki" | "Mi" | "Gi" => format!("`{unit}` is no unit here; write `{number}{unit}B`"),
            "K" | "M" | "G" => format!("`{unit}` is no unit here; write `{number}{unit}iB`"),
            _ => format!("`{unit}` is no unit of size{}", suggestion(unit, &units)),
        });
    };
    match number.checked_mul(*factor) {
        Some(octets) if (least..=most).contains(&octets) => Ok(octets),
        _ => Err(format!("`{text}` is out of range; it goes from {} to {}", with_unit(least), with_unit(most))),
    }
}

/// In the largest binary unit that leaves no rest.
pub(super) fn with_unit(octets: usize) -> String {
    let (unit, factor) =
        UNITS.iter().rev().find(|(_, factor)| factor.is_power_of_two() && octets.is_multiple_of(*factor)).unwrap_or(&UNITS[0]);
    format!("{}{unit}", octets / factor)
}

/// A whole number within `least` and `most`.
pub(super) fn number(text: &str, least: usize, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ if text.parse::<f64>().is_ok() => Err(format!("`{text}` is out of range; it is a whole number from {least} to {most}")),
        _ => Err(format!("`{text}` is no whole number; write one from {least} to {most}")),
    }
}

/// A level, or directives such as `info,doorstep::upstream=debug`.
pub(super) fn log_level(text: &str) -> Result<String, String> {
    for directive in text.split(',') {
        let level = directive.rsplit('=').next().unwrap_or(directive).trim();
        if !LEVELS.contains(&level.to_ascii_lowercase().as_str()) {
            return Err(format!("`{level}` is no level{}", suggestion(level, &LEVELS)));
        }
    }
    Ok(text.to_owned())
}
