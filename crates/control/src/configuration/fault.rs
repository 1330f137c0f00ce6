//! What is wrong with a document, by the path of what is wrong. Faults hold no value of the document.

use super::read::join;
use super::shape::Kind;
use crate::ControlError;

/// Faults that are told at once.
const FAULTS_MAX: usize = 100;
/// Of a path that is told. Names are short; a document may hold longer ones.
const PATH_CHARS_MAX: usize = 1_000;

/// One thing that is wrong with a document. It holds no value of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationFault {
    /// `sources.web.ingestionRegion`.
    pub field: String,
    pub what: String,
    pub why: String,
    pub mend: String,
    pub kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    Wrong,
    /// The name itself is wrong, not what stands there.
    Unknown,
    /// It is right in itself and does not fit what is there.
    Conflict,
}

/// Why nothing was applied.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    #[error("the document has {} faults", .0.len())]
    Faults(Vec<ConfigurationFault>),
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// The faults found so far.
#[derive(Default)]
pub(crate) struct Faults {
    told: Vec<ConfigurationFault>,
    count: usize,
}

impl Faults {
    pub(crate) fn add(&mut self, mut fault: ConfigurationFault) {
        self.count += 1;
        if let Some((end, _)) = fault.field.char_indices().nth(PATH_CHARS_MAX) {
            fault.field.truncate(end);
            fault.field.push('…');
        }
        if !self.are_enough() {
            self.told.push(fault);
        }
    }

    /// Whether no more would be told.
    pub(crate) fn are_enough(&self) -> bool {
        self.told.len() >= FAULTS_MAX
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn close(self) -> Result<(), ConfigurationError> {
        if self.told.is_empty() { Ok(()) } else { Err(ConfigurationError::Faults(self.told)) }
    }
}

/// A rule's fault at its place in the document.
pub(crate) fn fault(kind: Kind, path: &str, error: ControlError) -> ConfigurationFault {
    let why = "the same rule holds for every change of a workspace".to_owned();
    match error {
        ControlError::Invalid { field, what, mend } => {
            let field = match field.as_str() {
                "metadataId" | "resourceType" => "type",
                "displayName" | "title" => "name",
                "sourceId" => "source",
                "destinationMetadataId" => "destination",
                "actionId" => "action",
                // A label is written by its words; a source by its slug.
                "label.key" | "label.value" | "slug" => "",
                "label.description" => "description",
                other if other == kind.section() => "",
                other => other,
            };
            ConfigurationFault { field: join(path, field), what, why, mend, kind: FaultKind::Wrong }
        }
        ControlError::Conflict { what, mend } => {
            ConfigurationFault { field: path.to_owned(), what, why, mend, kind: FaultKind::Conflict }
        }
        other => ConfigurationFault {
            field: path.to_owned(),
            what: other.to_string(),
            why,
            mend: "look at what the workspace has, and apply again".to_owned(),
            kind: FaultKind::Conflict,
        },
    }
}
