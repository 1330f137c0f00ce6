//! Entries: what the ledger says, one JSON object each.
//!
//! ```text
//! {"at":"2026-11-24T16:00:00.000Z","kind":"accepted","workspace":"…","window":[0,150],…}
//! ```
//!
//! - An entry has exactly one spelling: what is not byte for byte what [`Entry::to_bytes`] writes is no entry.
//! - Ids, hosts, counts, digests and times only: no payload, nothing of a person whose events they are.
//! - Order is the place in the ledger. `at` says what the clock said, and decides nothing.

use crate::Outcome;
use domicile_world::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// An entry is framed by a 16-bit length (C2SP tlog-tiles).
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// One thing that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: Millis,
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// The cell began to work.
    Opened(Opened),
    /// The cell was stopped in order: everything before is in the ledger.
    Closed(Closed),
    /// Events of one workspace were promised.
    Accepted(Accepted),
    /// What process decided about events of one workspace.
    Decided(Decided),
    /// A file was put into the archive.
    Stored(Stored),
    /// Requests went out to a partner.
    Sent(Sent),
    /// The border refused connections.
    Refused(Refused),
    /// The configuration was changed.
    Configured(Configured),
    /// A transfer holds from now on.
    Granted(Granted),
    /// A transfer holds no more.
    Ended(Ended),
    /// A key was made.
    KeyMade(Key),
    /// A key was destroyed: what it sealed can't be read any more.
    KeyDestroyed(Key),
    /// From here on the ledger's heads are shown to a witness.
    WitnessNamed(WitnessNamed),
    /// A workspace moved to a new one in another region.
    Moved(Moved),
    /// A person's events were erased.
    Erased(Erased),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    pub region: String,
    /// The program's version.
    pub program: String,
    /// Up to which position of the accepted log the ledger has what was accepted.
    pub accepted: u64,
    /// The same for what was decided.
    pub decided: u64,
    /// The configuration's version.
    pub configuration: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    pub accepted: u64,
    pub decided: u64,
}

/// One workspace's part of a window of the accepted log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    pub workspace: String,
    /// Half-open span of positions. All entries of one window stand together; windows follow each other without a gap.
    pub window: [u64; 2],
    pub events: u64,
    /// Events by source.
    pub sources: BTreeMap<String, u64>,
    /// Events by ingest point.
    pub points: BTreeMap<String, u64>,
    /// Where they are kept.
    pub location: String,
    /// Requests: the leaves under `digest`.
    pub requests: u64,
    /// Root of the RFC 6962 tree over the [frames](crate::FrameLeaf) of the workspace in this window.
    pub digest: Digest,
    /// The first and the last time of receipt.
    pub received: [Time; 2],
}

/// One workspace's part of a window of the event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    pub workspace: String,
    pub window: [u64; 2],
    pub sources: BTreeMap<String, Counts>,
}

/// Events by [`Outcome`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub kept: u64,
    pub duplicate: u64,
    pub invalid: u64,
    pub blocked: u64,
    pub filtered: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub workspace: String,
    pub source: String,
    /// Its name in the archive.
    pub object: String,
    pub events: u64,
    pub bytes: u64,
    pub sha256: Digest,
    /// The country that the archive stands in.
    pub place: String,
}

/// What went to one host under one rule, in some seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    pub workspace: String,
    pub destination: String,
    pub host: String,
    pub address: String,
    pub country: String,
    pub rule: String,
    /// Requests that may have reached the host, whatever it answered.
    pub requests: u64,
    /// Events that it took.
    pub delivered: u64,
    /// Bytes of the requests' bodies.
    pub bytes: u64,
    /// SHA-256 over the sorted SHA-256 digests of the delivered bodies.
    pub digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Refused {
    pub workspace: String,
    pub purpose: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub country: Option<String>,
    /// The border's code.
    pub code: String,
    pub times: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configured {
    pub version: u64,
    /// The first and the last line of the audit trail that are new with it: who changed what, and who looked at payload.
    pub trail: [u64; 2],
    /// SHA-256 over these lines.
    pub digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    pub transfer: String,
    /// Whose events; all workspaces' without it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workspace: Option<String>,
    pub to: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vendor: Option<String>,
    pub basis: String,
    pub approved_by: String,
    /// The last day.
    pub expires: String,
    /// What of an event may go; everything without it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fields: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub transfer: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workspace: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Whose events it seals; unknown when the workspace is gone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workspace: Option<String>,
    /// The workspace's number in its cell.
    pub number: u32,
    pub generation: u32,
}

/// A witness of the region. Its own key must be asked for elsewhere: here the region names it, and could name a friend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessNamed {
    /// `NAME+ID+KEY`, as signed-note spells it.
    pub key: String,
    pub url: String,
    pub country: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub workspace: String,
    pub region: String,
    pub successor: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    pub workspace: String,
    pub events: u64,
    /// Files of the archive that were taken away. One that is put in the place of one of them is `stored` again, behind
    /// this entry.
    pub objects: Vec<String>,
}

/// Why bytes are no entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("not an entry: {0}")]
    Json(#[from] serde_json::Error),
    #[error("not an entry: it does not begin with the time")]
    NoTime,
    #[error("not an entry as the ledger spells it")]
    Spelling,
    #[error("the entry takes {0} bytes, and 65,535 is the most")]
    TooLarge(usize),
}

/// `{"at":"` and what stands between the time and the kind.
const HEAD: &str = "{\"at\":\"";
const MIDDLE: &str = "\",";
const TIME_BYTES: usize = "2026-11-24T16:00:00.000Z".len();

impl Entry {
    /// Its one spelling.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EntryError> {
        let what = serde_json::to_vec(&self.what)?;
        let mut out = Vec::with_capacity(HEAD.len() + TIME_BYTES + MIDDLE.len() + what.len());
        out.extend_from_slice(HEAD.as_bytes());
        out.extend_from_slice(Time(self.at).to_string().as_bytes());
        out.extend_from_slice(MIDDLE.as_bytes());
        out.extend_from_slice(&what[1..]);
        if out.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLarge(out.len()));
        }
        Ok(out)
    }

    /// Reads what [`Self::to_bytes`] writes, and nothing else.
    pub fn read(bytes: &[u8]) -> Result<Self, EntryError> {
        let rest = bytes.strip_prefix(HEAD.as_bytes()).ok_or(EntryError::NoTime)?;
        let (time, rest) = rest.split_at_checked(TIME_BYTES).ok_or(EntryError::NoTime)?;
        let Time(at) = std::str::from_utf8(time).ok().and_then(Time::read).ok_or(EntryError::NoTime)?;
        let rest = rest.strip_prefix(MIDDLE.as_bytes()).ok_or(EntryError::NoTime)?;
        let mut what = Vec::with_capacity(rest.len() + 1);
        what.push(b'{');
        what.extend_from_slice(rest);
        let entry = Self { at, what: serde_json::from_slice(&what)? };
        if entry.to_bytes()? != bytes {
            return Err(EntryError::Spelling);
        }
        Ok(entry)
    }
}

impl What {
    /// Its kind, as the entry spells it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Closed(_) => "closed",
            Self::Accepted(_) => "accepted",
            Self::Decided(_) => "decided",
            Self::Stored(_) => "stored",
            Self::Sent(_) => "sent",
            Self::Refused(_) => "refused",
            Self::Configured(_) => "configured",
            Self::Granted(_) => "granted",
            Self::Ended(_) => "ended",
            Self::KeyMade(_) => "key_made",
            Self::KeyDestroyed(_) => "key_destroyed",
            Self::WitnessNamed(_) => "witness_named",
            Self::Moved(_) => "moved",
            Self::Erased(_) => "erased",
        }
    }

    /// Whose it is; `None` for what is the region's.
    pub fn workspace(&self) -> Option<&str> {
        match self {
            Self::Opened(_) | Self::Closed(_) | Self::Configured(_) | Self::WitnessNamed(_) => None,
            Self::Accepted(Accepted { workspace, .. })
            | Self::Decided(Decided { workspace, .. })
            | Self::Stored(Stored { workspace, .. })
            | Self::Sent(Sent { workspace, .. })
            | Self::Refused(Refused { workspace, .. })
            | Self::Moved(Moved { workspace, .. })
            | Self::Erased(Erased { workspace, .. }) => Some(workspace),
            Self::Granted(Granted { workspace, .. })
            | Self::Ended(Ended { workspace, .. })
            | Self::KeyMade(Key { workspace, .. })
            | Self::KeyDestroyed(Key { workspace, .. }) => workspace.as_deref(),
        }
    }
}

impl Counts {
    /// From counts in the order of [`Outcome::ALL`].
    pub fn of(outcomes: [u64; Outcome::ALL.len()]) -> Self {
        let [kept, duplicate, invalid, blocked, filtered] = outcomes;
        Self { kept, duplicate, invalid, blocked, filtered }
    }

    /// All of them; `None` when they are more than can be counted.
    pub fn sum(self) -> Option<u64> {
        let Self { kept, duplicate, invalid, blocked, filtered } = self;
        [duplicate, invalid, blocked, filtered].into_iter().try_fold(kept, u64::checked_add)
    }
}

/// A moment in UTC, spelled with milliseconds: `2026-11-24T16:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Millis);

impl Time {
    fn read(text: &str) -> Option<Self> {
        let time = Self(Millis(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()));
        (time.to_string() == text).then_some(time)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A clock that is outside of all calendars is said to stand at their end.
        let ms = self.0.0.clamp(-62_135_596_800_000, 253_402_207_199_999);
        let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{time:.3}")
    }
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| serde::de::Error::custom("not a time as the ledger spells it"))
    }
}

/// 32 bytes of a hash, spelled as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The SHA-256 of some bytes.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::finish(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
    }

    pub(crate) fn finish(digest: aws_lc_rs::digest::Digest) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest.as_ref());
        Self(out)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("not 64 lower-case hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(host: &str) -> Entry {
        let what = What::Sent(Sent {
            workspace: "w".into(),
            destination: "d".into(),
            host: host.into(),
            address: "192.0.2.1:443".into(),
            country: "IE".into(),
            rule: "allow IE".into(),
            requests: 3,
            delivered: 2,
            bytes: 700,
            digest: Digest([7; 32]),
        });
        Entry { at: Millis(1_800_000_000_001), what }
    }

    #[test]
    fn an_entry_has_one_spelling_and_no_other_is_read() {
        let entry = sent("partner.example");
        let bytes = entry.to_bytes().expect("spelled");
        let text = String::from_utf8(bytes.clone()).expect("text");
        assert!(text.starts_with(r#"{"at":"2027-01-15T08:00:00.001Z","kind":"sent","workspace":"w","#), "{text}");
        assert_eq!(Entry::read(&bytes).expect("read"), entry);
        for (from, to) in [
            (r#""kind":"sent""#, r#""kind": "sent""#),
            (r#""requests":3"#, r#""requests":3,"more":1"#),
            (r#""requests":3"#, r#""requests":3,"requests":3"#),
            (r#""requests":3"#, r#""requests":3.0"#),
            (r#""requests":3,"#, ""),
            ("partner", "p\\u0061rtner"),
            ("0707", "07A7"),
            ("08:00:00.001Z", "08:00:00.0010Z"),
            ("08:00:00.001Z", "09:00:00.001+01:00"),
            ("sent\"", "unheard_of\""),
            ("}", "} "),
            ("{\"at\"", " {\"at\""),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text, "{from}");
            assert!(Entry::read(other.as_bytes()).is_err(), "{other}");
        }
        for cut in 0..bytes.len() {
            assert!(Entry::read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn what_has_no_room_in_a_frame_is_refused_and_a_clock_outside_the_calendar_is_spelled() {
        assert!(matches!(sent(&"x".repeat(70_000)).to_bytes(), Err(EntryError::TooLarge(_))));
        for at in [i64::MIN, -1, 0, i64::MAX] {
            let entry = Entry { at: Millis(at), ..sent("h") };
            let bytes = entry.to_bytes().expect("spelled");
            assert!(Entry::read(&bytes).is_ok(), "{at}: {}", String::from_utf8_lossy(&bytes));
        }
    }
}
