//! The browser SDK's files, from a folder that the operator names: Domicile ships no third-party script.
//!
//! The folder is what the SDK's package has in `dist/umd`, or has those files under the names of their addresses.
//!
//! - Only plain names are looked up, so that no address leads out of the folder.
//! - A file is in memory once, however many ask for it, and is looked at again after [`FRESH`].

use crate::document::etag;
use crate::refusal::Refusal;
use crate::response::{self, Answer};
use crate::route::Script;
use bytes::Bytes;
use domicile_world::World;
use http::header::{self, HeaderMap, HeaderValue};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What the SDK's build has in place of the write key, quotes included so that only the one string is replaced.
const MARKER: &[u8] = br#""__WRITE_KEY__""#;
/// How long a file is served without another look at the disk.
const FRESH: Duration = Duration::from_secs(2);
/// Files, or a page's main file with its key in it, that are in memory at once.
const KEPT_MAX: usize = 256;
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");
const JAVASCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");

const NO_FOLDER: &str = "browser scripts are not served here: start with --scripts DIR, the folder of the browser SDK's \
                         build (`dist/umd` of its package)";
const NO_FILE: &str = "the folder named by --scripts has no such file";

pub(crate) struct Scripts {
    world: World,
    folder: Option<PathBuf>,
    kept: Mutex<HashMap<(PathBuf, String), Kept>>,
}

#[derive(Clone)]
struct Kept {
    bytes: Bytes,
    etag: String,
    looked_at: Duration,
}

impl Scripts {
    pub fn new(world: World, folder: Option<PathBuf>) -> Self {
        Self { world, folder, kept: Mutex::default() }
    }

    /// Answers `GET` of a script. `key` has been found to be a source's, when the address has one.
    pub fn answer(&self, script: Script<'_>, request: &HeaderMap) -> Answer {
        let Some(folder) = &self.folder else { return response::refused(&Refusal::NoScripts(NO_FOLDER)) };
        let key = match script {
            Script::Main { key } if is_plain(key) => key,
            _ => "",
        };
        let found = candidates(script).into_iter().find_map(|path| self.file(&folder.join(&path), key));
        let Some((path, file)) = found else { return response::refused(&Refusal::NoScripts(NO_FILE)) };
        let mut answer = response::cacheable(request, content_type(&path), file.bytes, &file.etag, CACHE);
        if path.extension().is_some_and(|extension| extension == "gz") {
            answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        answer
    }

    /// The file at `path`, with `key` in place of the marker when it is not empty.
    fn file(&self, path: &Path, key: &str) -> Option<(PathBuf, Kept)> {
        let name = (path.to_owned(), key.to_owned());
        let now = self.world.clock.monotonic();
        if let Some(kept) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&name)
            && now.saturating_sub(kept.looked_at) < FRESH
        {
            return Some((name.0, kept.clone()));
        }
        let bytes = self.read(path)?;
        let bytes = if key.is_empty() { bytes } else { with_key(&bytes, key) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let etag = etag(&bytes);
        // The same content keeps the same memory, which slow readers may still hold.
        let bytes = match kept.remove(&name) {
            Some(old) if old.etag == etag => old.bytes,
            _ => bytes.into(),
        };
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let file = Kept { bytes, etag, looked_at: now };
        kept.insert(name.clone(), file.clone());
        Some((name.0, file))
    }

    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let read = || {
            let file = self.world.disk.open_read(path)?;
            let bytes = usize::try_from(file.bytes()?).unwrap_or(usize::MAX);
            if bytes > FILE_BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            self.world.disk.read(path)
        };
        match read() {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(file = %path.display(), %error, "script not readable");
                }
                None
            }
        }
    }
}

/// Where a script may be in the folder, the likeliest first. Empty when its name is not plain.
fn candidates(script: Script<'_>) -> Vec<PathBuf> {
    let under = |folder: &str, path: &str| -> Vec<PathBuf> {
        if !path.split('/').all(is_plain) {
            return Vec::new();
        }
        match folder {
            "" => vec![PathBuf::from(path)],
            _ => vec![PathBuf::from(path), Path::new(folder).join(path)],
        }
    };
    match script {
        Script::Main { .. } => vec!["analytics.min.js".into(), "standalone.js".into()],
        Script::Classic { .. } => vec!["analytics.classic.js".into()],
        Script::Bundle { name } if name.contains('/') => Vec::new(),
        Script::Bundle { name } => under("analytics-next/bundles", name),
        Script::Integration { path } => under("next-integrations", path),
    }
}

/// Letters, digits and `.`, `-`, `_`, `@`, not beginning with a dot: no separator, no `..`, no escape.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'@'))
}

fn with_key(file: &[u8], key: &str) -> Vec<u8> {
    let Some(at) = file.windows(MARKER.len()).position(|window| window == MARKER) else { return file.to_vec() };
    let mut out = Vec::with_capacity(file.len() + key.len());
    out.extend_from_slice(&file[..at]);
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.push(b'"');
    out.extend_from_slice(&file[at + MARKER.len()..]);
    out
}

fn content_type(path: &Path) -> HeaderValue {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name.trim_end_matches(".gz").rsplit('.').next() {
        Some("js") => JAVASCRIPT,
        Some("map" | "json") => HeaderValue::from_static("application/json"),
        Some("css") => HeaderValue::from_static("text/css; charset=utf-8"),
        _ => HeaderValue::from_static("application/octet-stream"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_leads_out_of_the_folder() {
        for name in
            ["", ".", "..", ".env", "../x.js", "a/b.js", "a\\b.js", "%2e%2e", "a%2fb", "/etc/passwd", "a\0b", "ä.js"]
        {
            assert_eq!(candidates(Script::Bundle { name }), Vec::<PathBuf>::new(), "{name:?}");
        }
        for path in ["", "/", "../x.js", "a/../../x.js", "a//b.js", "/a.js", "a/./b.js", "a/.git/config"] {
            assert_eq!(candidates(Script::Integration { path }), Vec::<PathBuf>::new(), "{path:?}");
        }
        assert_eq!(
            candidates(Script::Integration { path: "integrations/x/1.2.3/x.dynamic.js.gz" })[1],
            Path::new("next-integrations/integrations/x/1.2.3/x.dynamic.js.gz")
        );
    }

    #[test]
    fn the_marker_is_replaced_and_nothing_else() {
        let file = br#"try{window.analyticsWriteKey="__WRITE_KEY__"}catch(t){};if(k!==["__","WRITE"])"#;
        let served = with_key(file, "euw_1");
        assert_eq!(served, br#"try{window.analyticsWriteKey="euw_1"}catch(t){};if(k!==["__","WRITE"])"#);
        assert_eq!(with_key(b"no marker", "k"), b"no marker");
    }

    #[test]
    fn a_file_has_the_type_of_its_name() {
        for (name, kind) in [
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.dynamic.js.gz", "text/javascript; charset=utf-8"),
            ("a.js.map", "application/json"),
            ("a.css", "text/css; charset=utf-8"),
            ("LICENSE", "application/octet-stream"),
        ] {
            assert_eq!(content_type(Path::new(name)), kind, "{name}");
        }
    }
}
