//! One thing that can be connected, as the data says it.

use crate::setting::Setting;
use crate::territory::{Territory, Usable, some_territories};
use domicile_region::Country;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// What an entry is to a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Source,
    Destination,
    Warehouse,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Source, Self::Destination, Self::Warehouse];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Warehouse => "warehouse",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A source, destination or warehouse of the catalog.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Unique within its kind; also the vendor that a border's transfer may name.
    pub slug: String,
    /// For people.
    pub name: String,
    id: Option<String>,
    pub status: Status,
    /// Display names. Never empty.
    pub categories: Vec<String>,
    /// Which regions may use it, by their country.
    pub usable: Usable,
    /// Where the partner has an endpoint; of a source, where its events come in. Never empty.
    #[serde(deserialize_with = "some_territories")]
    pub endpoints: Vec<Territory>,
    /// Known hosts of the partner.
    #[serde(default)]
    pub hosts: Vec<Host>,
    /// Where a page of the documentation says that it can't be used, although the data says that it can.
    #[serde(default)]
    pub docs_say_no: Vec<Territory>,
    /// Whether it is ours, or has a connector. Ask [`Self::is_ready`].
    #[serde(default)]
    ready: bool,
    /// `None`: not known, and then any setting is taken.
    pub settings: Option<Vec<Setting>>,
    #[serde(default)]
    pub partner_owned: bool,
    /// Left out of public lists, and still found by name.
    #[serde(default)]
    pub hidden: bool,
    #[serde(default)]
    pub previous_names: Vec<String>,
    #[serde(rename = "is")]
    pub detail: Detail,
    /// Whence the entry's facts are.
    pub from: String,
    /// Their date, `YYYY-MM-DD`.
    pub date: String,
    /// Where a field differs from that, or is in doubt.
    #[serde(default)]
    pub notes: Vec<Note>,
}

impl Entry {
    /// The catalog's id; the slug where the data has none.
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.slug)
    }

    pub fn kind(&self) -> Kind {
        match self.detail {
            Detail::Source(_) => Kind::Source,
            Detail::Destination(_) => Kind::Destination,
            Detail::Warehouse(_) => Kind::Warehouse,
        }
    }

    /// Whether it can be switched on in this version of Domicile. A source of SDKs always can: their events come in at an
    /// ingest point.
    pub fn is_ready(&self) -> bool {
        self.ready || matches!(&self.detail, Detail::Source(source) if source.stand_in().is_some())
    }

    /// Why it can't be switched on in this version, and what to do instead; `None` when it can.
    pub fn why_not_ready(&self) -> Option<String> {
        let text = match &self.detail {
            _ if self.is_ready() => return None,
            Detail::Source(_) => {
                "its connector does not exist yet; a service of yours can send its events to a `server` source"
                    .to_owned()
            }
            Detail::Destination(_) => {
                "its connector does not exist yet; a `webhook` destination can send to a service of yours".to_owned()
            }
            Detail::Warehouse(_) => {
                "its connector does not exist yet; the archive's files can be loaded by a job of yours".to_owned()
            }
        };
        Some(text)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    Public,
    PublicBeta,
    Deprecated,
    /// Only in an older list; nothing new should use it.
    Legacy,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "PUBLIC",
            Self::PublicBeta => "PUBLIC_BETA",
            Self::Deprecated => "DEPRECATED",
            Self::Legacy => "LEGACY",
        }
    }
}

/// A host of the partner's, for example `api.eu.amplitude.com`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    pub host: String,
    /// Which of the entry's endpoints it is.
    #[serde(rename = "in")]
    pub territory: Territory,
    /// The country within the territory, where the partner says it.
    #[serde(default, deserialize_with = "maybe_country")]
    pub country: Option<Country>,
}

/// A field that differs from the entry's provenance, or that sources disagree about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The entry's field.
    pub field: String,
    /// What it was in the data, where it was changed.
    pub was: Option<String>,
    pub note: String,
    pub from: String,
    pub date: String,
}

/// What is particular to the kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    Source(SourceFacts),
    Destination(Destination),
    Warehouse(Warehouse),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFacts {
    #[serde(rename = "type")]
    pub source_type: SourceType,
    /// A partner's stream of events that somebody outside the cell takes in: then it matters where.
    #[serde(default)]
    pub cloud_events: bool,
}

impl SourceFacts {
    /// The source of ours that takes this SDK's events; `None` for what is no SDK.
    pub fn stand_in(&self) -> Option<&'static str> {
        match self.source_type {
            _ if self.cloud_events => None,
            SourceType::Website => Some("website"),
            SourceType::Mobile | SourceType::Ott => Some("mobile"),
            SourceType::Server => Some("server"),
            SourceType::CloudApp => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceType {
    Website,
    Mobile,
    Server,
    /// Television boxes.
    Ott,
    CloudApp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// What may be sent to it through the cell.
    pub cloud: Vec<Sender>,
    /// What may send to it by itself, past the cell.
    pub device: Vec<Sender>,
    /// What may feed it.
    pub platforms: Vec<Platform>,
    /// The calls that it takes.
    pub methods: Vec<Method>,
    /// Whether it is driven by mappings (subscriptions to actions); else it takes whole calls.
    #[serde(default)]
    pub actions_framework: bool,
    #[serde(default)]
    pub action_count: u32,
    #[serde(default)]
    pub preset_count: u32,
    /// Listed for much used destinations only; `action_count` says how many there are.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// Whether it may take replays.
    #[serde(default)]
    pub replay: bool,
    /// The settings that choose the partner's region or data centre. They are in `settings` too, where those are known.
    #[serde(default)]
    pub region_settings: Vec<Setting>,
}

impl Destination {
    /// Whether it is reached only from the visitor's browser or app, where no border stands.
    pub fn only_on_devices(&self) -> bool {
        let web_actions =
            !self.actions.is_empty() && self.actions.iter().all(|action| action.platform == ActionPlatform::Web);
        self.cloud.is_empty() || web_actions
    }
}

/// Something that a destination with mappings can do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    pub slug: String,
    pub platform: ActionPlatform,
    /// The default condition, in FQL.
    pub trigger: Option<String>,
    /// The keys of its required fields.
    pub required: Vec<String>,
}

/// Where an action runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ActionPlatform {
    Cloud,
    Web,
    Mobile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sender {
    Web,
    Mobile,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Platform {
    Browser,
    Mobile,
    Server,
    Warehouse,
    LinkedAudiences,
    CloudAppObject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    Track,
    Identify,
    Page,
    Screen,
    Group,
    Alias,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Identify => "identify",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warehouse {
    #[serde(rename = "type")]
    pub warehouse_type: WarehouseType,
    /// Whether the provider offers AWS PrivateLink for it.
    #[serde(default)]
    pub privatelink: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarehouseType {
    Warehouse,
    ObjectStorage,
    DataLake,
}

fn maybe_country<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Country>, D::Error> {
    let code = String::deserialize(from)?;
    let wrong = || serde::de::Error::custom(format!("`{code}` is no ISO 3166-1 country"));
    Country::new(&code).map(Some).ok_or_else(wrong)
}
