//! What a document may say: its kinds of things, their sections and fields, as data.

use serde::Serialize;
use serde_json::Value;

/// A kind of thing that a document holds, in the order in which they are written: what is referred to comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Label,
    TrackingPlan,
    Warehouse,
    Function,
    Source,
    /// Of each source one; without fields: all as by default.
    SchemaSettings,
    Destination,
    Filter,
    Subscription,
    Transformation,
}

/// What tells things of a kind apart, in a document and in the workspace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Its name in the section: a slug.
    Key,
    /// Its `name`, and which of those of that name it is.
    Name,
    /// There is one of each parent.
    Only,
}

/// The form of a value.
pub(crate) enum Takes {
    Text,
    Flag,
    /// From 1.
    Count,
    Number,
    OneOf(&'static [&'static str]),
    /// An object whose fields are not known here.
    Map,
    Any,
    List(&'static Takes),
    Object(&'static [Field]),
}

/// What a field is when it is left out, null or empty.
#[derive(Clone, Copy)]
pub(crate) enum Absent {
    /// It can't be. An example of what to write.
    Needed(&'static str),
    Is(bool),
    /// The name that the thing has in its section.
    Key,
    /// The region's first ingest point.
    FirstPoint,
    Nothing,
    /// What it is in the workspace.
    Stays,
}

pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    pub(crate) absent: Absent,
}

const fn need(name: &'static str, takes: Takes, example: &'static str) -> Field {
    Field { name, takes, absent: Absent::Needed(example) }
}

const fn may(name: &'static str, takes: Takes) -> Field {
    Field { name, takes, absent: Absent::Nothing }
}

const fn flag(name: &'static str, otherwise: bool) -> Field {
    Field { name, takes: Takes::Flag, absent: Absent::Is(otherwise) }
}

const NAME: Field = Field { name: "name", takes: Takes::Text, absent: Absent::Key };
const ENABLED: Field = flag("enabled", true);
const SETTINGS: Field = may("settings", Takes::Map);
const TEXTS: Takes = Takes::List(&Takes::Text);

/// What every document says of its workspace.
pub(crate) static WORKSPACE: &[Field] =
    &[may("slug", Takes::Text), may("name", Takes::Text), need("region", Takes::Text, "eu-west")];

static SOURCE: &[Field] = &[
    need("type", Takes::Text, "website"),
    NAME,
    ENABLED,
    Field { name: "ingestionRegion", takes: Takes::Text, absent: Absent::FirstPoint },
    flag("strict", false),
    may("rateLimit", Takes::Object(&[need("perSecond", Takes::Count, "1000"), need("burst", Takes::Count, "2000")])),
    may("labels", TEXTS),
    SETTINGS,
    may("trackingPlan", Takes::Text),
    Field { name: "warehouses", takes: TEXTS, absent: Absent::Stays },
    Field { name: "writeKeys", takes: TEXTS, absent: Absent::Stays },
];

const TRAITS: Takes = Takes::Object(&[
    may("allowUnplannedTraits", Takes::Flag),
    may("allowTraitsOnViolations", Takes::Flag),
    may("commonEventOnViolations", Takes::OneOf(&["ALLOW", "BLOCK", "OMIT_TRAITS"])),
]);

static SCHEMA_SETTINGS: &[Field] = &[
    may(
        "track",
        Takes::Object(&[
            may("allowUnplannedEvents", Takes::Flag),
            may("allowUnplannedEventProperties", Takes::Flag),
            may("allowEventOnViolations", Takes::Flag),
            may("allowPropertiesOnViolations", Takes::Flag),
            may("commonEventOnViolations", Takes::OneOf(&["ALLOW", "BLOCK", "OMIT_PROPERTIES"])),
        ]),
    ),
    may("identify", TRAITS),
    may("group", TRAITS),
    may("forwardingViolationsTo", Takes::Text),
    may("forwardingBlockedEventsTo", Takes::Text),
];

static DESTINATION: &[Field] = &[need("type", Takes::Text, "webhook"), NAME, ENABLED, SETTINGS];

static FILTER: &[Field] = &[
    NAME,
    ENABLED,
    may("description", Takes::Text),
    need("if", Takes::Text, "event = 'Order Completed'"),
    need(
        "actions",
        Takes::List(&Takes::Object(&[
            need("type", Takes::OneOf(&["ALLOW_PROPERTIES", "DROP", "DROP_PROPERTIES", "SAMPLE"]), "DROP"),
            may("fields", Takes::Map),
            may("percent", Takes::Number),
            may("path", Takes::Text),
        ])),
        "[{ type: DROP }]",
    ),
];

static SUBSCRIPTION: &[Field] = &[
    NAME,
    ENABLED,
    need("action", Takes::Text, "trackEvent"),
    need("trigger", Takes::Text, "type = 'track'"),
    SETTINGS,
];

static WAREHOUSE: &[Field] = &[need("type", Takes::Text, "postgres"), NAME, ENABLED, SETTINGS];

static FUNCTION: &[Field] = &[
    need(
        "type",
        Takes::OneOf(&["DESTINATION", "INSERT_DESTINATION", "INSERT_SOURCE", "INSERT_TRANSFORMATION", "SOURCE"]),
        "DESTINATION",
    ),
    NAME,
    may("description", Takes::Text),
    may("logoUrl", Takes::Text),
    need("code", Takes::Text, "${file:function.js}"),
    may(
        "settings",
        Takes::List(&Takes::Object(&[
            need("name", Takes::Text, "apiKey"),
            need("label", Takes::Text, "API key"),
            may("description", Takes::Text),
            need("type", Takes::OneOf(&["ARRAY", "BOOLEAN", "STRING", "TEXT_MAP"]), "STRING"),
            may("required", Takes::Flag),
            may("sensitive", Takes::Flag),
        ])),
    ),
];

static TRACKING_PLAN: &[Field] = &[
    need("type", Takes::OneOf(&["ENGAGE", "LIVE", "PROPERTY_LIBRARY", "RULE_LIBRARY", "TEMPLATE"]), "LIVE"),
    NAME,
    may("description", Takes::Text),
    may(
        "rules",
        Takes::List(&Takes::Object(&[
            need("type", Takes::OneOf(&["COMMON", "GROUP", "IDENTIFY", "PAGE", "SCREEN", "TRACK"]), "TRACK"),
            may("key", Takes::Text),
            need("version", Takes::Count, "1"),
            need("jsonSchema", Takes::Any, "{ type: object }"),
        ])),
    ),
];

static TRANSFORMATION: &[Field] = &[
    NAME,
    need("source", Takes::Text, "the slug of a source"),
    may("destination", Takes::Text),
    ENABLED,
    need("if", Takes::Text, "event = 'Order Completed'"),
    may("drop", Takes::Flag),
    may("newEventName", Takes::Text),
    may(
        "propertyRenames",
        Takes::List(&Takes::Object(&[need("oldName", Takes::Text, "a"), need("newName", Takes::Text, "b")])),
    ),
    may(
        "propertyValueTransformations",
        Takes::List(&Takes::Object(&[
            need("propertyPaths", TEXTS, "[properties.a]"),
            need("propertyValue", Takes::Text, "x"),
        ])),
    ),
    may(
        "fqlDefinedProperties",
        Takes::List(&Takes::Object(&[
            need("fql", Takes::Text, "lowercase(properties.a)"),
            need("propertyName", Takes::Text, "a"),
        ])),
    ),
    may("allowProperties", TEXTS),
    may(
        "hashPropertiesConfiguration",
        Takes::Object(&[
            need("algorithm", Takes::Text, "sha256"),
            may("key", Takes::Text),
            may("encoding", Takes::Text),
            need("paths", TEXTS, "[properties.email]"),
        ]),
    ),
];

impl Kind {
    /// The sections of a document, in the order in which they are written.
    pub(crate) const TOP: [Self; 6] =
        [Self::Label, Self::Source, Self::Warehouse, Self::Function, Self::TrackingPlan, Self::Transformation];

    /// What the kind's things hold themselves.
    pub(crate) fn parts(self) -> &'static [Self] {
        match self {
            Self::Source => &[Self::SchemaSettings, Self::Destination],
            Self::Destination => &[Self::Filter, Self::Subscription],
            _ => &[],
        }
    }

    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Label => "labels",
            Self::TrackingPlan => "trackingPlans",
            Self::Warehouse => "warehouses",
            Self::Function => "functions",
            Self::Source => "sources",
            Self::SchemaSettings => "schemaSettings",
            Self::Destination => "destinations",
            Self::Filter => "filters",
            Self::Subscription => "subscriptions",
            Self::Transformation => "transformations",
        }
    }

    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::TrackingPlan => "tracking plan",
            Self::Warehouse => "warehouse",
            Self::Function => "function",
            Self::Source => "source",
            Self::SchemaSettings => "schema settings",
            Self::Destination => "destination",
            Self::Filter => "filter",
            Self::Subscription => "subscription",
            Self::Transformation => "transformation",
        }
    }

    pub(crate) fn identity(self) -> Identity {
        match self {
            Self::Label | Self::Source => Identity::Key,
            Self::SchemaSettings => Identity::Only,
            _ => Identity::Name,
        }
    }

    pub(crate) fn fields(self) -> &'static [Field] {
        static LABEL: &[Field] = &[may("description", Takes::Text)];
        match self {
            Self::Label => LABEL,
            Self::TrackingPlan => TRACKING_PLAN,
            Self::Warehouse => WAREHOUSE,
            Self::Function => FUNCTION,
            Self::Source => SOURCE,
            Self::SchemaSettings => SCHEMA_SETTINGS,
            Self::Destination => DESTINATION,
            Self::Filter => FILTER,
            Self::Subscription => SUBSCRIPTION,
            Self::Transformation => TRANSFORMATION,
        }
    }
}

/// Whether a field that has this value may as well be left out.
pub(crate) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
