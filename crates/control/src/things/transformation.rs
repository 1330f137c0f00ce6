//! Transformations of a source's events, for all that get them or for one kind of destination.
//!
//! Kept and checked now; process and destinations act on them later.
//!
//! - One for each source, condition and kind of destination: two that change the same event would depend on their order.
//! - The key of a hash is a secret: it is sealed, and never read back.

use crate::thing::{Kept, Thing};
use crate::things::subscription::parse_fql;
use crate::{Change, ControlError, Resource, text};
use domicile_event::fql::Expression;
use domicile_workspace::{SourceId, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// Values that one transformation sets.
pub const VALUES_MAX: usize = 10;
/// Properties that one transformation defines by FQL.
pub const DEFINED_MAX: usize = 1;
/// What a hash may be made with; with a key it is an HMAC.
pub const ALGORITHMS: [&str; 6] = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];
const ENCODINGS: [&str; 4] = ["BASE16", "BASE64", "BASE64URL", "HEX"];

/// Transformations of one workspace.
const TRANSFORMATIONS_MAX: usize = 500;
/// What the sealed secrets call the key of a hash.
const KEY: &str = "key";

/// A transformation. It has no parent, because its source may change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Transformation {
    pub name: String,
    pub source_id: String,
    /// `None`: for everything that gets the source's events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_metadata_id: Option<String>,
    pub enabled: bool,
    /// FQL: the events that it is for.
    #[serde(rename = "if")]
    pub condition: String,
    /// Whether the events are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<bool>,
    /// For track events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_event_name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub property_renames: Vec<PropertyRename>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub property_value_transformations: Vec<PropertyValue>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fql_defined_properties: Vec<DefinedProperty>,
    /// `None`: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_properties: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_properties_configuration: Option<HashProperties>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PropertyRename {
    pub old_name: String,
    pub new_name: String,
}

/// One value for several properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PropertyValue {
    pub property_paths: Vec<String>,
    pub property_value: String,
}

/// A property that an expression gives its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DefinedProperty {
    pub fql: String,
    pub property_name: String,
}

/// Properties that are replaced by a hash of their value.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HashProperties {
    /// One of [`ALGORITHMS`], in any case.
    pub algorithm: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    pub paths: Vec<String>,
}

impl fmt::Debug for HashProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashProperties({}, {} paths, key: {})", self.algorithm, self.paths.len(), self.key.is_some())
    }
}

impl Thing for Transformation {
    const KIND: &'static str = "transformation";
    const AUDIT: &'static str = "Transformation";
    const RESOURCE: Resource = Resource::Transformation;

    fn name(&self) -> &str {
        &self.name
    }

    /// Refuses what could not be done to an event.
    fn check(&self) -> Result<(), ControlError> {
        text::name("name", &self.name)?;
        parse_fql("if", &self.condition)?;
        if self.property_value_transformations.len() > VALUES_MAX {
            let mend = format!("give at most {VALUES_MAX}");
            return Err(ControlError::invalid("propertyValueTransformations", "has too many entries", mend));
        }
        self.check_renames()?;
        self.check_defined()?;
        self.hash_properties_configuration.as_ref().map_or(Ok(()), HashProperties::check)
    }

    fn take_secrets(&mut self) -> Map<String, Value> {
        let key = self.hash_properties_configuration.as_mut().and_then(|hash| hash.key.take());
        key.into_iter().map(|key| (KEY.to_owned(), Value::String(key))).collect()
    }

    fn put_secrets(&mut self, mut secrets: Map<String, Value>) {
        if let (Some(hash), Some(Value::String(key))) = (&mut self.hash_properties_configuration, secrets.remove(KEY)) {
            hash.key = Some(key);
        }
    }
}

impl Transformation {
    fn check_renames(&self) -> Result<(), ControlError> {
        for (n, rename) in self.property_renames.iter().enumerate() {
            let field = format!("propertyRenames.{n}.oldName");
            if rename.old_name == rename.new_name {
                return Err(ControlError::invalid(field, "is the new name too", "give another new name"));
            }
            if self.property_renames[..n].iter().any(|other| other.old_name == rename.old_name) {
                return Err(ControlError::invalid(field, "is renamed twice", "rename each property once"));
            }
        }
        Ok(())
    }

    fn check_defined(&self) -> Result<(), ControlError> {
        let field = "fqlDefinedProperties";
        if self.fql_defined_properties.len() > DEFINED_MAX {
            return Err(ControlError::invalid(field, "has more than one entry", "make a transformation for each"));
        }
        let Some(defined) = self.fql_defined_properties.first() else { return Ok(()) };
        // What the expression reads must not depend on which of the two is done first.
        if !self.property_renames.is_empty() || !self.property_value_transformations.is_empty() {
            let mend = "leave out propertyRenames and propertyValueTransformations";
            return Err(ControlError::invalid(field, "does not go together with other changes of properties", mend));
        }
        parse_fql("fqlDefinedProperties.0.fql", &defined.fql).map(drop)
    }

    /// Whether both would change the same events on the same way.
    fn meets(&self, other: &Self) -> bool {
        let condition = |of: &Self| Expression::parse(&of.condition).map(|e| e.to_string());
        self.source_id == other.source_id
            && self.destination_metadata_id == other.destination_metadata_id
            && condition(self).is_ok_and(|mine| condition(other).is_ok_and(|theirs| mine == theirs))
    }
}

impl Change<'_> {
    /// Makes a transformation.
    ///
    /// # Errors
    /// `NotFound` without its source; `Conflict` when there is one for the same source, condition and destination.
    pub fn create_transformation(
        &mut self,
        workspace: &WorkspaceId,
        new: Transformation,
    ) -> Result<Kept<Transformation>, ControlError> {
        self.fit_transformation(workspace, None, &new)?;
        self.create_thing(workspace, None, new)
    }

    /// Changes a transformation, its source too.
    pub fn update_transformation(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        if_version: Option<u64>,
        to: Transformation,
    ) -> Result<Kept<Transformation>, ControlError> {
        self.fit_transformation(workspace, Some(id), &to)?;
        self.update_thing(workspace, id, if_version, |transformation: &mut Transformation| {
            *transformation = to;
            Ok(())
        })
    }

    /// Deletes the transformations of a source that goes.
    pub(crate) fn delete_transformations_of(
        &mut self,
        workspace: &WorkspaceId,
        source: &str,
    ) -> Result<(), ControlError> {
        for kept in self.all_things::<Transformation>(workspace, None)? {
            if kept.value.source_id == source {
                self.delete_thing::<Transformation>(workspace, &kept.id, None)?;
            }
        }
        Ok(())
    }

    fn fit_transformation(
        &self,
        workspace: &WorkspaceId,
        id: Option<&str>,
        new: &Transformation,
    ) -> Result<(), ControlError> {
        self.source(workspace, &SourceId::new(new.source_id.as_str()))?;
        new.check()?;
        let others = self.all_things::<Transformation>(workspace, None)?;
        if id.is_none() && others.len() >= TRANSFORMATIONS_MAX {
            return Err(ControlError::Conflict {
                what: format!("the workspace has {TRANSFORMATIONS_MAX} transformations"),
                mend: "delete one first".to_owned(),
            });
        }
        match others.iter().find(|other| Some(other.id.as_str()) != id && other.value.meets(new)) {
            None => Ok(()),
            Some(other) => Err(ControlError::Conflict {
                what: format!("transformation `{}` is for the same source, events and destination", other.id),
                mend: "change that one".to_owned(),
            }),
        }
    }
}

impl HashProperties {
    fn check(&self) -> Result<(), ControlError> {
        let field = |name: &str| format!("hashPropertiesConfiguration.{name}");
        if !ALGORITHMS.contains(&self.algorithm.to_ascii_lowercase().as_str()) {
            let mend = format!("choose one of: {}", ALGORITHMS.join(", "));
            return Err(ControlError::invalid(field("algorithm"), "is not known", mend));
        }
        if self.encoding.as_deref().is_some_and(|encoding| !ENCODINGS.contains(&encoding)) {
            let mend = format!("choose one of: {}", ENCODINGS.join(", "));
            return Err(ControlError::invalid(field("encoding"), "is not known", mend));
        }
        if self.paths.is_empty() {
            return Err(ControlError::invalid(field("paths"), "is empty", "name the properties to hash"));
        }
        Ok(())
    }
}
