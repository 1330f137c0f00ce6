//! The addresses of ingest points as SDKs and people are told.

use domicile_region::{PointName, RegionId};
use std::collections::HashMap;

/// The public address of an ingest point, such as `https://events.eu1.example.com` or `http://127.0.0.1:7101`. It may
/// have a path, when a proxy serves the point under a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    https: bool,
    host: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{url}` is not the address of an ingest point\n  mend: write it as https://HOST, https://HOST:PORT or http://HOST:PORT"
)]
pub struct UrlError {
    url: String,
}

impl PublicUrl {
    /// Reads `http://` or `https://`, a host, and what may follow it but no query.
    pub fn read(url: &str) -> Result<Self, UrlError> {
        let fail = || UrlError { url: url.to_owned() };
        let (scheme, rest) = url.split_once("://").ok_or_else(fail)?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(fail()),
        };
        let host = rest.trim_end_matches('/');
        // With `/v1` in the topology a client would be told `/v1/v1`.
        let host = host.strip_suffix("/v1").unwrap_or(host);
        let unfit = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '"' | '\\' | '@');
        if host.is_empty() || host.starts_with(['/', ':']) || host.contains(unfit) {
            return Err(fail());
        }
        Ok(Self { https, host: host.to_owned() })
    }

    /// Host, port and prefix, without scheme and closing slash: `events.eu1.example.com`.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn https(&self) -> bool {
        self.https
    }

    /// `https` or `http`.
    pub fn protocol(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}

/// The public address of every ingest point of every region.
#[derive(Clone, Debug, Default)]
pub struct PublicUrls {
    urls: HashMap<RegionId, HashMap<PointName, PublicUrl>>,
}

impl PublicUrls {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn insert(&mut self, region: RegionId, point: PointName, url: PublicUrl) {
        self.urls.entry(region).or_default().insert(point, url);
    }

    pub fn of(&self, region: &RegionId, point: &PointName) -> Option<&PublicUrl> {
        self.urls.get(region)?.get(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_scheme_host_and_prefix() {
        let check = |url, protocol, host| {
            let read = PublicUrl::read(url).unwrap();
            assert_eq!((read.protocol(), read.host()), (protocol, host), "{url}");
        };
        check("https://events.eu1.example.com", "https", "events.eu1.example.com");
        check("https://events.eu1.example.com/", "https", "events.eu1.example.com");
        check("HTTPS://example.com/v1", "https", "example.com");
        check("http://127.0.0.1:7101", "http", "127.0.0.1:7101");
        check("http://[::1]:7101/", "http", "[::1]:7101");
        check("https://example.com/segment/", "https", "example.com/segment");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "events.example.com",
            "ftp://x",
            "https://",
            "https:///v1",
            "http://:80",
            "https://a b",
            "https://a?b",
            "https://u@h",
        ] {
            assert!(PublicUrl::read(url).is_err(), "{url}");
        }
    }
}
