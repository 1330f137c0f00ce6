//! Which part of the tracking API a path names. Pure; the last parts of the path decide, so that any prefix of a proxy
//! may stand in front, with or without `/v1`, and slashes may be doubled or close the path.

use domicile_event::Call;
use http::Method;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Batch,
    Single(Call),
    /// The SDKs' own telemetry.
    Telemetry,
    Pixel(Call),
    Settings {
        /// As it stands in the path, percent signs and all.
        key: &'a str,
    },
    Script(Script<'a>),
    Healthz,
    Readyz,
    Unknown,
}

/// A file of the browser SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script<'a> {
    /// What the page's snippet loads.
    Main { key: &'a str },
    /// The fall-back after a violation of the page's security policy.
    Classic { key: &'a str },
    /// A chunk that the SDK loads when it needs it.
    Bundle { name: &'a str },
    /// The path behind `next-integrations/`.
    Integration { path: &'a str },
}

impl<'a> Route<'a> {
    pub fn of(path: &'a str) -> Self {
        let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
        let (last, second) = (parts.next().unwrap_or_default(), parts.next());
        match last {
            "batch" | "import" | "b" => return Self::Batch,
            "m" => return Self::Telemetry,
            "settings" => {
                if let (Some(key), Some("projects")) = (second, parts.next()) {
                    return Self::Settings { key };
                }
            }
            "healthz" if second.is_none() => return Self::Healthz,
            "readyz" if second.is_none() => return Self::Readyz,
            _ => {}
        }
        match Call::named(last) {
            Some(call) if second == Some("pixel") => return Self::Pixel(call),
            Some(call) => return Self::Single(call),
            None => {}
        }
        if let Some(call) = Call::lettered(last) {
            return Self::Single(call);
        }
        Script::of(path).map_or(Self::Unknown, Self::Script)
    }

    /// The methods that the route has, for `Allow`.
    pub fn methods(&self) -> &'static [Method] {
        const POST: &[Method] = &[Method::POST, Method::OPTIONS];
        const GET: &[Method] = &[Method::GET, Method::HEAD, Method::OPTIONS];
        match self {
            Self::Batch | Self::Single(_) | Self::Telemetry => POST,
            Self::Pixel(_) | Self::Settings { .. } | Self::Script(_) | Self::Healthz | Self::Readyz => GET,
            Self::Unknown => &[],
        }
    }
}

impl<'a> Script<'a> {
    fn of(path: &'a str) -> Option<Self> {
        if let Some((_, rest)) = path.rsplit_once("/analytics.js/v1/") {
            let (key, file) = rest.split_once('/')?;
            return match file {
                _ if key.is_empty() => None,
                "analytics.min.js" | "platform/analytics.min.js" => Some(Self::Main { key }),
                "analytics.classic.js" | "platform/analytics.classic.js" => Some(Self::Classic { key }),
                _ => None,
            };
        }
        if let Some((_, name)) = path.rsplit_once("/analytics-next/bundles/") {
            return Some(Self::Bundle { name });
        }
        path.rsplit_once("/next-integrations/").map(|(_, path)| Self::Integration { path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_tracking_api_has_its_route() {
        use Call::*;
        let table = [
            ("/v1/batch", Route::Batch),
            ("/v1/import", Route::Batch),
            ("/v1/import/", Route::Batch),
            ("/v1/b", Route::Batch),
            ("//v1/batch", Route::Batch),
            ("/v1//batch//", Route::Batch),
            ("/batch", Route::Batch),
            ("/b", Route::Batch),
            ("/segment/v1/batch", Route::Batch),
            ("/a/b/c/import/", Route::Batch),
            ("/v1/t", Route::Single(Track)),
            ("/v1/i", Route::Single(Identify)),
            ("/v1/p", Route::Single(Page)),
            ("/v1/s", Route::Single(Screen)),
            ("/v1/g", Route::Single(Group)),
            ("/v1/a", Route::Single(Alias)),
            ("/t", Route::Single(Track)),
            ("/v1/track", Route::Single(Track)),
            ("/v1/identify/", Route::Single(Identify)),
            ("/page", Route::Single(Page)),
            ("/v1/screen", Route::Single(Screen)),
            ("/v1/group", Route::Single(Group)),
            ("/proxy/v1/alias", Route::Single(Alias)),
            ("/v1/m", Route::Telemetry),
            ("/m", Route::Telemetry),
            ("/v1/pixel/track", Route::Pixel(Track)),
            ("/pixel/page/", Route::Pixel(Page)),
            ("/v1/projects/abc/settings", Route::Settings { key: "abc" }),
            ("/x//v1/projects/abc/settings/", Route::Settings { key: "abc" }),
            ("/projects/abc/settings", Route::Settings { key: "abc" }),
            ("/healthz", Route::Healthz),
            ("/readyz", Route::Readyz),
            ("/", Route::Unknown),
            ("", Route::Unknown),
            ("/v1", Route::Unknown),
            ("/v1/batches", Route::Unknown),
            ("/v1/Batch", Route::Unknown),
            ("/v1/x", Route::Unknown),
            ("/v1/delete", Route::Unknown),
            ("/projects/settings", Route::Unknown),
            ("/v1/settings", Route::Unknown),
            ("/v1/pixel", Route::Unknown),
            ("/v1/pixel/t", Route::Single(Track)),
            ("/v1/healthz", Route::Unknown),
            ("/v1/%62atch", Route::Unknown),
        ];
        for (path, route) in table {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }

    #[test]
    fn script_addresses_may_stand_under_any_prefix() {
        let table = [
            ("/analytics.js/v1/k/analytics.min.js", Some(Script::Main { key: "k" })),
            ("/analytics.js/v1/k/platform/analytics.min.js", Some(Script::Main { key: "k" })),
            ("/cdn/x/analytics.js/v1/k/analytics.min.js", Some(Script::Main { key: "k" })),
            ("/analytics.js/v1/k/analytics.classic.js", Some(Script::Classic { key: "k" })),
            ("/p/analytics-next/bundles/407.bundle.61ef.js", Some(Script::Bundle { name: "407.bundle.61ef.js" })),
            (
                "/next-integrations/integrations/x/1/x.js.gz",
                Some(Script::Integration { path: "integrations/x/1/x.js.gz" }),
            ),
            ("/analytics.js/v1/k/other.js", None),
            ("/analytics.js/v1//analytics.min.js", None),
            ("/analytics.min.js", None),
        ];
        for (path, script) in table {
            assert_eq!(Route::of(path), script.map_or(Route::Unknown, Route::Script), "{path}");
        }
    }
}
