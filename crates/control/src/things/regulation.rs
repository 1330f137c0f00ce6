//! Regulations: what was asked for the privacy of users, and that it was done. Who is suppressed is in
//! [`suppression`](crate::suppression).
//!
//! - The users' ids are personal data: they are sealed, and neither on the audit trail nor in any log.
//! - A regulation is forgotten, ids and all, 90 days after it was made; what it did stays.

use crate::ControlError;
use crate::Resource;
use crate::thing::Thing;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Users of one regulation.
pub const SUBJECTS_MAX: usize = 5_000;
/// Characters of a user's id.
pub const SUBJECT_CHARS_MAX: usize = 1_000;
/// How long a regulation can be looked up.
pub(crate) const REMEMBERED_DAYS: i64 = 90;

/// What is asked for, with Segment's names. Those that delete are known by name and refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RegulationType {
    SuppressOnly,
    Unsuppress,
    SuppressWithDelete,
    SuppressWithDeleteInternal,
    DeleteOnly,
    DeleteInternal,
    DeleteArchiveOnly,
}

impl RegulationType {
    pub const ALL: [Self; 7] = [
        Self::SuppressOnly,
        Self::Unsuppress,
        Self::SuppressWithDelete,
        Self::SuppressWithDeleteInternal,
        Self::DeleteOnly,
        Self::DeleteInternal,
        Self::DeleteArchiveOnly,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::SuppressOnly => "SUPPRESS_ONLY",
            Self::Unsuppress => "UNSUPPRESS",
            Self::SuppressWithDelete => "SUPPRESS_WITH_DELETE",
            Self::SuppressWithDeleteInternal => "SUPPRESS_WITH_DELETE_INTERNAL",
            Self::DeleteOnly => "DELETE_ONLY",
            Self::DeleteInternal => "DELETE_INTERNAL",
            Self::DeleteArchiveOnly => "DELETE_ARCHIVE_ONLY",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    fn deletes(self) -> bool {
        !matches!(self, Self::SuppressOnly | Self::Unsuppress)
    }
}

/// A regulation that was carried out; its parent is the source that it is for, none for the whole workspace.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Regulation {
    pub regulation_type: RegulationType,
    /// How many users; stands on the audit trail in their place.
    pub count: usize,
    /// The users' ids, as they were given, each once.
    #[serde(skip)]
    pub subjects: Vec<String>,
}

impl Thing for Regulation {
    const KIND: &'static str = "regulation";
    const AUDIT: &'static str = "Regulation";
    const RESOURCE: Resource = Resource::Regulation;

    fn name(&self) -> &str {
        self.regulation_type.as_str()
    }

    fn check(&self) -> Result<(), ControlError> {
        if self.regulation_type.deletes() {
            let what = format!("is {}, and this version erases nothing yet", self.regulation_type.as_str());
            let mend = "suppress with SUPPRESS_ONLY, so that nothing new is kept, and delete what is stored by hand: in \
                        the archive's files, in warehouses and at partners";
            return Err(ControlError::invalid("regulationType", what, mend));
        }
        if self.subjects.is_empty() || self.subjects.len() > SUBJECTS_MAX {
            let what = format!("has {} ids", self.subjects.len());
            return Err(ControlError::invalid("subjectIds", what, format!("give 1 to {SUBJECTS_MAX}")));
        }
        let bad = |id: &String| id.is_empty() || id.chars().count() > SUBJECT_CHARS_MAX;
        if let Some(n) = self.subjects.iter().position(bad) {
            let mend = format!("give 1 to {SUBJECT_CHARS_MAX} characters, as they stand in `userId` of the events");
            return Err(ControlError::invalid(format!("subjectIds.{n}"), "is empty or too long", mend));
        }
        Ok(())
    }

    fn take_secrets(&mut self) -> Map<String, Value> {
        let subjects = std::mem::take(&mut self.subjects);
        if subjects.is_empty() { Map::new() } else { Map::from_iter([("subjects".to_owned(), json!(subjects))]) }
    }

    fn put_secrets(&mut self, mut secrets: Map<String, Value>) {
        let subjects = secrets.remove("subjects").and_then(|subjects| serde_json::from_value(subjects).ok());
        self.subjects = subjects.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regulation(regulation_type: RegulationType, subjects: &[&str]) -> Regulation {
        let subjects: Vec<String> = subjects.iter().map(|id| (*id).to_owned()).collect();
        Regulation { regulation_type, count: subjects.len(), subjects }
    }

    #[test]
    fn what_would_have_to_delete_is_refused_and_says_what_to_do() {
        for regulation_type in RegulationType::ALL {
            assert_eq!(RegulationType::named(regulation_type.as_str()), Some(regulation_type));
            assert_eq!(serde_json::to_value(regulation_type).expect("a text"), regulation_type.as_str());
            let checked = regulation(regulation_type, &["u1"]).check();
            match checked {
                Ok(()) => assert!(!regulation_type.deletes()),
                Err(error) => assert!(error.to_string().contains("suppress with SUPPRESS_ONLY"), "{error}"),
            }
        }
    }

    #[test]
    fn users_are_a_secret_and_come_back() {
        let mut taken = regulation(RegulationType::SuppressOnly, &["anna@example.com", "u2"]);
        let secrets = taken.take_secrets();
        assert!(!serde_json::to_string(&taken).expect("JSON").contains("anna"));
        taken.put_secrets(secrets);
        assert_eq!(taken.subjects, ["anna@example.com", "u2"]);
    }

    #[test]
    fn ids_are_counted_and_none_is_empty() {
        let long = "x".repeat(1_001);
        for bad in [&[][..], &[""], &["a", ""], &[long.as_str()]] {
            assert!(regulation(RegulationType::SuppressOnly, bad).check().is_err());
        }
        let many = vec!["u"; 5_001];
        assert!(regulation(RegulationType::Unsuppress, &many).check().is_err());
        regulation(RegulationType::Unsuppress, &many[..5_000]).check().expect("5,000");
    }
}
