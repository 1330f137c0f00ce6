//! The leaves of a configuration file: fields by name, and texts that must be a name, a country, a date, an address.
//!
//! Each function gives the value or puts a fault on the report; none stops at the first.

use crate::Country;
use crate::PLANS;
use crate::fault::{Place, Read, Report, Reported, nearest, shown};
use crate::yaml::{Key, Node, Value};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A mapping whose field names are known.
pub(crate) struct Fields<'a> {
    /// What it describes, for messages: "region `eu-west`".
    of: &'a str,
    at: Place,
    pairs: &'a [(Key, Node)],
}

impl<'a> Fields<'a> {
    /// The fields of `node`; those with unknown names are reported. `at` is where a missing field is reported: the place
    /// of the name that the mapping has in the file.
    pub fn of(of: &'a str, at: Place, node: &'a Node, known: &[&str], report: &mut Report) -> Read<Self> {
        let pairs = map(of, node, &format!("{{ {}: … }}", known[0]), report)?;
        for (key, _) in pairs.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
            let mend = match nearest(&key.text, known.iter().copied()) {
                Some(name) => format!("write `{name}`, or remove it"),
                None => format!("remove it; known here: {}", known.join(", ")),
            };
            report.add(
                key.at,
                format!("unknown field `{}` in {of}", shown(&key.text)),
                "a misspelt field would be ignored, and with it what it was to protect",
                mend,
            );
        }
        Ok(Self { of, at, pairs })
    }

    /// A field that may be absent.
    pub fn get(&self, name: &str) -> Option<&'a Node> {
        self.pairs.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
    }

    /// A field that must be there. `why` it must; `example` of what to write.
    pub fn need(&self, name: &str, why: &str, example: &str, report: &mut Report) -> Read<&'a Node> {
        self.get(name).ok_or_else(|| {
            report.add(self.at, format!("{} has no `{name}`", self.of), why, format!("add `{name}: {example}`"))
        })
    }
}

/// A node's kind is not the one that it has to be.
fn wrong_kind(what: &str, node: &Node, wanted: &str, example: &str, report: &mut Report) -> Reported {
    if let Value::Refused(reported) = node.value {
        return reported;
    }
    let kind = node.value.kind();
    report.add(
        node.at,
        format!("{what} is {kind}"),
        format!("{wanted} is needed here"),
        format!("write it like `{example}`"),
    )
}

pub(crate) fn map<'a>(what: &str, node: &'a Node, example: &str, report: &mut Report) -> Read<&'a [(Key, Node)]> {
    match &node.value {
        Value::Map(pairs) => Ok(pairs),
        _ => Err(wrong_kind(what, node, "a mapping", example, report)),
    }
}

pub(crate) fn list<'a>(what: &str, node: &'a Node, example: &str, report: &mut Report) -> Read<&'a [Node]> {
    match &node.value {
        Value::List(items) => Ok(items),
        _ => Err(wrong_kind(what, node, "a list", example, report)),
    }
}

/// A text of one line that says something.
pub(crate) fn text<'a>(what: &str, node: &'a Node, example: &str, report: &mut Report) -> Read<&'a str> {
    let Value::Text(text) = &node.value else {
        return Err(wrong_kind(what, node, "a text", example, report));
    };
    if text.trim().is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
        return Err(report.add(
            node.at,
            format!("{what} is not 1 to 200 characters on one line"),
            "it is shown to people and written to the ledger",
            format!("write it like `{example}`"),
        ));
    }
    Ok(text)
}

/// A name that becomes part of paths, host names and metrics: lower-case letters, digits and dashes.
pub(crate) fn name<'a>(what: &str, at: Place, text: &'a str, report: &mut Report) -> Read<&'a str> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=63).contains(&text.len()) && text.chars().all(fits) && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(text);
    }
    let better: String = text.to_lowercase().chars().map(|c| if fits(c) { c } else { '-' }).take(63).collect();
    let better = better.trim_matches('-');
    Err(report.add(
        at,
        format!("`{}` is not a name for {what}", shown(text)),
        "names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them",
        if better.is_empty() { "give it another name".to_owned() } else { format!("name it `{}`", shown(better)) },
    ))
}

/// A plan that accounts can have.
pub(crate) fn plan(what: &str, node: &Node, report: &mut Report) -> Read<&'static str> {
    let wanted = text(what, node, "business", report)?;
    PLANS.into_iter().find(|plan| *plan == wanted).ok_or_else(|| {
        report.add(
            node.at,
            format!("`{}` is not a plan", shown(wanted)),
            "no account could have it, and so no workspace could choose the region",
            format!("write one of {}", PLANS.map(|plan| format!("`{plan}`")).join(", ")),
        )
    })
}

/// The country of a code, where only a country will do.
pub(crate) fn country(what: &str, node: &Node, report: &mut Report) -> Read<Country> {
    let code = text(what, node, "IE", report)?;
    Country::new(code).ok_or_else(|| {
        let mend = match code.to_uppercase().as_str() {
            "UK" => "the United Kingdom's code is `GB`".to_owned(),
            upper if Country::new(upper).is_some() => format!("write `{upper}`"),
            _ => "write the two capital letters of one country, for example `IE`".to_owned(),
        };
        report.add(
            node.at,
            format!("`{}` is not a country", shown(code)),
            "countries are the codes that ISO 3166-1 has assigned (alpha-2)",
            mend,
        )
    })
}

/// A day, `YYYY-MM-DD`. Days of this form compare as texts.
pub(crate) fn day<'a>(what: &str, node: &'a Node, report: &mut Report) -> Read<&'a str> {
    let day = text(what, node, "2027-06-30", report)?;
    if is_day(day) {
        return Ok(day);
    }
    Err(report.add(
        node.at,
        format!("`{}` is not a day", shown(day)),
        "a date is written in one form only, so that nobody takes the month for the day",
        "write YYYY-MM-DD, for example `2027-06-30`",
    ))
}

/// Whether `text` is a day of the calendar, `YYYY-MM-DD`.
pub fn is_day(text: &str) -> bool {
    let &[a, b, c, d, b'-', e, f, b'-', g, h] = text.as_bytes() else { return false };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |n, digit| digit.is_ascii_digit().then(|| n * 10 + u32::from(digit - b'0')))
    };
    let (Some(year), Some(month), Some(day)) = (number(&[a, b, c, d]), number(&[e, f]), number(&[g, h])) else {
        return false;
    };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// A public address: `http` or `https`, a host, perhaps a port and a path. Without the closing slash.
pub(crate) fn url(what: &str, node: &Node, report: &mut Report) -> Read<String> {
    const EXAMPLE: &str = "https://events.example.com";
    let url = text(what, node, EXAMPLE, report)?;
    if is_url(url) {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    Err(report.add(
        node.at,
        format!("`{}` is not an address that {what} can have", shown(url)),
        "SDKs and people are told it as it stands: http or https, a host, perhaps a port and a path, nothing else",
        format!("write it like `{EXAMPLE}`"),
    ))
}

fn is_url(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else { return false };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.rfind(':') {
        // A colon inside brackets belongs to the address.
        Some(colon) if !authority[colon..].contains(']') => (&authority[..colon], Some(&authority[colon + 1..])),
        _ => (authority, None),
    };
    let host_fits = match host.strip_prefix('[').and_then(|v6| v6.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => host.len() <= 253 && host.split('.').all(is_label),
    };
    let port_fits =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let path_fits = |c: char| c.is_ascii_alphanumeric() || "-._~/%".contains(c);
    host_fits && port.is_none_or(port_fits) && path.chars().all(path_fits)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Where to listen: an address and a port.
pub(crate) fn listen(what: &str, node: &Node, report: &mut Report) -> Read<SocketAddr> {
    let address = text(what, node, "0.0.0.0:7101", report)?;
    address.parse().map_err(|_| {
        report.add(
            node.at,
            format!("`{}` is not an address to listen on", shown(address)),
            "it is an IP address and a port; a name could come to mean another machine",
            "write it like `0.0.0.0:7101` or `[::]:7101`",
        )
    })
}

/// A range of addresses, or a single one.
pub(crate) fn range(what: &str, at: Place, text: &str, report: &mut Report) -> Read<ipnet::IpNet> {
    let range = text.parse::<ipnet::IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(ipnet::IpNet::from));
    let Some(range) = range else {
        return Err(report.add(
            at,
            format!("`{}` is not {what}", shown(text)),
            "it is an address and how many of its bits count",
            "write it like `10.20.0.0/16` or `fd00:20::/32`",
        ));
    };
    if range != range.trunc() {
        return Err(report.add(
            at,
            format!("`{range}` does not begin where a range of that size begins"),
            "it is not clear whether the one address is meant or the whole range",
            format!("write `{}` for the range or `{}` for the address", range.trunc(), range.addr()),
        ));
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_day_of_the_calendar() {
        for day in ["2027-06-30", "2024-02-29", "2000-02-29", "1970-01-01"] {
            assert!(is_day(day), "{day}");
        }
        for day in [
            "2027-06-31",
            "2023-02-29",
            "1900-02-29",
            "2027-13-01",
            "2027-00-10",
            "2027-01-00",
            "27-06-30",
            "2027-6-30",
            "2027/06/30",
            "+027-06-30",
            "2027-06-30T00:00:00Z",
            "",
            "٢٠٢٧-٠٦-٣٠",
        ] {
            assert!(!is_day(day), "{day}");
        }
    }

    #[test]
    fn a_url_is_scheme_host_port_and_path_and_nothing_else() {
        for url in [
            "https://a",
            "https://events.eu1.example.com",
            "http://127.0.0.1:7101",
            "https://a.example:1/v1/",
            "http://[::1]:7101",
            "https://[2001:db8::1]",
        ] {
            assert!(is_url(url), "{url}");
        }
        for url in [
            "events.example.com",
            "ftp://a",
            "https://",
            "https://:80",
            "https://a:0",
            "https://a:65536",
            "https://a:+1",
            "https://a b",
            "https://u@a",
            "https://a?x=1",
            "https://a#x",
            "https://a..b",
            "https://-a",
            "https://[::1",
            "https://[::g]",
            "https://[::1]7",
            "https://a/\u{e9}",
            "HTTPS://a",
            "https://a:",
            "https://[::1]:",
        ] {
            assert!(!is_url(url), "{url}");
        }
    }
}
