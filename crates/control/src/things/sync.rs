//! When a warehouse is to be synced, and what of a source.

use crate::ControlError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Collections and properties of one source that are selected by name.
const SELECTED_MAX: usize = 5_000;

/// The hours of a day at which a warehouse is to be synced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyncSchedule {
    pub enabled: bool,
    #[serde(default)]
    pub times: Vec<SyncTime>,
    /// As the IANA list names it, for example `Europe/Zurich`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyncTime {
    /// 0 to 23.
    pub hour_of_day: u8,
    pub enabled: bool,
}

impl SyncSchedule {
    pub(crate) fn check(&self) -> Result<(), ControlError> {
        if self.enabled && (self.times.is_empty() || self.timezone.is_none()) {
            let mend = "give `times` and `timezone`, or set `enabled` to false";
            return Err(ControlError::invalid("schedule", "is missing, or has no times", mend));
        }
        if self.times.iter().any(|time| time.hour_of_day > 23) {
            return Err(ControlError::invalid("schedule.times", "has an hour that no day has", "give 0 to 23"));
        }
        let hours: BTreeSet<u8> = self.times.iter().map(|time| time.hour_of_day).collect();
        if hours.len() != self.times.len() {
            return Err(ControlError::invalid("schedule.times", "has an hour twice", "give each hour once"));
        }
        // Which zones there are is for whoever reads the clock by them to know.
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'+' | b'-');
        let wrong = |zone: &String| zone.is_empty() || zone.len() > 64 || !zone.bytes().all(known);
        if self.timezone.as_ref().is_some_and(wrong) {
            let mend = "give one of the IANA list, for example Europe/Zurich";
            return Err(ControlError::invalid("schedule.timezone", "is no time zone", mend));
        }
        Ok(())
    }
}

/// What of a source is synced: everything but what is switched off here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyncSelection {
    /// The source as a whole; `None`: on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// By the name of the table.
    #[serde(default)]
    pub collections: BTreeMap<String, CollectionSelection>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollectionSelection {
    /// `None`: as the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// By the name of the column.
    #[serde(default)]
    pub properties: BTreeMap<String, bool>,
}

impl SyncSelection {
    /// From the body of a link.
    pub(crate) fn read(body: Option<Value>) -> Option<Self> {
        body.map_or_else(|| Some(Self::default()), |body| serde_json::from_value(body).ok())
    }

    /// For the body of a link; nothing where nothing is selected.
    pub(crate) fn body(&self) -> Result<Option<Value>, ControlError> {
        let selected = self.collections.len() + self.collections.values().map(|of| of.properties.len()).sum::<usize>();
        if selected > SELECTED_MAX {
            let what = format!("would select {selected} collections and properties of one source by name");
            return Err(ControlError::invalid("syncOverrides", what, format!("select at most {SELECTED_MAX}")));
        }
        Ok((*self != Self::default()).then(|| serde_json::to_value(self).unwrap_or_default()))
    }

    /// Switches the source, one of its collections or one property of that on or off.
    pub fn switch(&mut self, collection: Option<&str>, property: Option<&str>, enabled: bool) {
        let Some(collection) = collection else {
            self.enabled = Some(enabled);
            return;
        };
        let of = self.collections.entry(collection.to_owned()).or_default();
        match property {
            None => of.enabled = Some(enabled),
            Some(property) => drop(of.properties.insert(property.to_owned(), enabled)),
        }
    }

    /// Whether a collection is synced.
    pub fn has(&self, collection: &str) -> bool {
        let own = self.collections.get(collection).and_then(|of| of.enabled);
        own.or(self.enabled).unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_synced_until_it_is_switched_off() {
        let mut selection = SyncSelection::default();
        assert!(selection.has("tracks") && selection.body().expect("small").is_none());
        selection.switch(None, None, false);
        selection.switch(Some("tracks"), None, true);
        selection.switch(Some("users"), Some("email"), false);
        assert!(selection.has("tracks") && !selection.has("users") && !selection.has("pages"));
        let body = selection.body().expect("small");
        assert_eq!(SyncSelection::read(body), Some(selection));
    }

    #[test]
    fn a_schedule_has_each_hour_of_a_day_once_and_a_zone() {
        let schedule = |hours: &[u8], zone: Option<&str>, enabled| SyncSchedule {
            enabled,
            times: hours.iter().map(|hour| SyncTime { hour_of_day: *hour, enabled: true }).collect(),
            timezone: zone.map(str::to_owned),
        };
        schedule(&[0, 23], Some("Europe/Zurich"), true).check().expect("good");
        schedule(&[], None, false).check().expect("off needs nothing");
        for bad in [
            schedule(&[], Some("UTC"), true),
            schedule(&[1], None, true),
            schedule(&[24], Some("UTC"), true),
            schedule(&[1, 1], Some("UTC"), true),
            schedule(&[1], Some("Europe Zurich"), true),
            schedule(&[1], Some(""), false),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
