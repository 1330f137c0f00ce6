//! Functions: the customer's own code and its versions.
//!
//! ```text
//! Function ──► FunctionVersion …     one for each change of the code; at most one of them is deployed
//!    └───────► FunctionInstance …    where it is put in, with values for its settings (`function_instance`)
//! ```
//!
//! Kept and checked now; nothing of it runs yet.
//!
//! - What a function is for never changes.
//! - The latest version's code is the function's code.

use crate::change::refuse_stale;
use crate::thing::{Kept, Thing};
use crate::{Change, ControlError, Resource, View, id, text};
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Functions of one workspace.
const FUNCTIONS_MAX: u64 = 100;
/// Bytes of a function's code.
pub const CODE_BYTES_MAX: usize = 100 * 1024;
/// Settings of one function.
pub const SETTINGS_MAX: usize = 100;
/// Versions that are kept. The oldest goes, but not the one that is deployed.
const VERSIONS_MAX: usize = 100;

/// A function.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Function {
    pub display_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
    pub resource_type: FunctionKind,
    pub code: String,
    #[serde(default)]
    pub settings: Vec<FunctionSetting>,
    /// `user:ID`, `token:ID` or `operator`.
    pub created_by: String,
    /// The id of the version that has this code.
    pub latest_version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed: Option<Deployed>,
}

/// What a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FunctionKind {
    Destination,
    InsertDestination,
    InsertSource,
    InsertTransformation,
    Source,
}

/// A value that whoever puts the function in has to give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FunctionSetting {
    pub name: String,
    pub label: String,
    pub description: String,
    #[serde(rename = "type")]
    pub kind: SettingKind,
    pub required: bool,
    /// Whether its value is never read back.
    pub sensitive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SettingKind {
    Array,
    Boolean,
    String,
    TextMap,
}

/// The version that runs, once functions run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployed {
    pub version: String,
    pub at_ms: i64,
}

impl Deployed {
    pub fn at(&self) -> Millis {
        Millis(self.at_ms)
    }
}

/// The code as it was once; its parent is the function.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FunctionVersion {
    pub code: String,
    /// As [`Function::created_by`].
    pub author: String,
    /// When it was deployed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed_at_ms: Option<i64>,
}

/// A function to be made.
#[derive(Clone)]
pub struct NewFunction {
    pub display_name: String,
    pub description: Option<String>,
    pub logo_url: Option<String>,
    pub resource_type: FunctionKind,
    pub code: String,
    pub settings: Vec<FunctionSetting>,
}

/// What to change of a function; `None` leaves it.
#[derive(Clone, Default)]
pub struct FunctionChange {
    pub display_name: Option<String>,
    pub description: Option<String>,
    pub logo_url: Option<String>,
    pub code: Option<String>,
    /// All of them: what is not named is taken away.
    pub settings: Option<Vec<FunctionSetting>>,
}

impl Thing for Function {
    const KIND: &'static str = "function";
    const AUDIT: &'static str = "Function";
    const RESOURCE: Resource = Resource::Function;

    fn name(&self) -> &str {
        &self.display_name
    }

    fn check(&self) -> Result<(), ControlError> {
        text::name("displayName", &self.display_name)?;
        check_code(&self.code)?;
        check_settings(&self.settings)?;
        let is_good =
            |url: &str| url::Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.username().is_empty());
        if self.logo_url.as_deref().is_some_and(|url| !is_good(url)) {
            return Err(ControlError::invalid(
                "logoUrl",
                "is no https address",
                "give one like https://example.com/logo.svg",
            ));
        }
        Ok(())
    }
}

impl Thing for FunctionVersion {
    const KIND: &'static str = "function-version";
    const AUDIT: &'static str = "Function Version";
    const RESOURCE: Resource = Resource::FunctionVersion;

    fn name(&self) -> &str {
        ""
    }

    fn check(&self) -> Result<(), ControlError> {
        check_code(&self.code)
    }
}

fn check_code(code: &str) -> Result<(), ControlError> {
    if code.trim().is_empty() {
        return Err(ControlError::invalid("code", "is empty", "give the function's JavaScript"));
    }
    if code.len() > CODE_BYTES_MAX {
        let what = format!("has {} bytes", code.len());
        return Err(ControlError::invalid("code", what, format!("give at most {CODE_BYTES_MAX}")));
    }
    Ok(())
}

/// Names are what the code reads: `settings.apiKey`.
fn check_settings(settings: &[FunctionSetting]) -> Result<(), ControlError> {
    if settings.len() > SETTINGS_MAX {
        return Err(ControlError::invalid("settings", "are too many", format!("give at most {SETTINGS_MAX}")));
    }
    let mut names = HashSet::new();
    for (n, setting) in settings.iter().enumerate() {
        let field = format!("settings.{n}.name");
        let mut bytes = setting.name.bytes();
        let begins = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'$');
        if !begins || setting.name.len() > 100 || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$') {
            let mend = "give 1 to 100 of a-z, A-Z, 0-9, `_`, `$`, not beginning with a digit";
            return Err(ControlError::invalid(field, "is no name that code can read", mend));
        }
        if !names.insert(&setting.name) {
            return Err(ControlError::invalid(field, "is there twice", "give each setting its own name"));
        }
        text::name(&format!("settings.{n}.label"), &setting.label)?;
    }
    Ok(())
}

impl Change<'_> {
    /// Makes a function and its first version.
    ///
    /// # Errors
    /// `Conflict` when the workspace has all that it may have.
    pub fn create_function(
        &mut self,
        workspace: &WorkspaceId,
        new: NewFunction,
    ) -> Result<Kept<Function>, ControlError> {
        if self.count_things::<Function>(workspace, None)? >= FUNCTIONS_MAX {
            return Err(ControlError::Conflict {
                what: format!("the workspace has {FUNCTIONS_MAX} functions"),
                mend: "delete one that is no longer used".to_owned(),
            });
        }
        let (id, version) = (id::new_id(self.random()), id::new_id(self.random()));
        let NewFunction { display_name, description, logo_url, resource_type, code, settings } = new;
        let author = self.by().code();
        let function = Function {
            display_name,
            description,
            logo_url,
            resource_type,
            code: code.clone(),
            settings,
            created_by: author.clone(),
            latest_version: version.clone(),
            deployed: None,
        };
        let kept = self.create_thing_with_id(workspace, id, None, function)?;
        let first = FunctionVersion { code, author, deployed_at_ms: None };
        self.create_thing_with_id(workspace, version, Some(&kept.id), first)?;
        Ok(kept)
    }

    /// Changes a function. Other code makes another version; what is deployed stays as it is.
    pub fn update_function(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        if_version: Option<u64>,
        to: FunctionChange,
    ) -> Result<Kept<Function>, ControlError> {
        let before = self.thing::<Function>(workspace, id)?;
        let version = match to.code {
            Some(code) if code != before.value.code => Some((self.random_id(), code)),
            _ => None,
        };
        let kept = self.update_thing(workspace, id, if_version, |function: &mut Function| {
            if let Some(name) = to.display_name {
                function.display_name = name;
            }
            if let Some(description) = to.description {
                function.description = Some(description);
            }
            if let Some(url) = to.logo_url {
                function.logo_url = Some(url);
            }
            if let Some(settings) = to.settings {
                function.settings = settings;
            }
            if let Some((version, code)) = &version {
                function.code.clone_from(code);
                function.latest_version.clone_from(version);
            }
            Ok(())
        })?;
        if let Some((version, code)) = version {
            self.keep_version(workspace, &kept, version, code)?;
        }
        if kept.value.settings != before.value.settings {
            self.reseal_instances(workspace, &kept)?;
        }
        Ok(kept)
    }

    /// Deletes a function and its versions.
    ///
    /// # Errors
    /// `Conflict` while it is put in somewhere.
    pub fn delete_function(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        if_version: Option<u64>,
    ) -> Result<(), ControlError> {
        refuse_stale(Resource::Function, self.thing::<Function>(workspace, id)?.version, if_version)?;
        if let Some(instance) = self.instances_of(workspace, id)?.first() {
            return Err(ControlError::Conflict {
                what: format!("the function is put in at `{}`", instance.parent.as_deref().unwrap_or_default()),
                mend: format!("delete instance `{}` first", instance.id),
            });
        }
        self.delete_thing::<Function>(workspace, id, if_version)?;
        self.delete_things_of::<FunctionVersion>(workspace, id).map(drop)
    }

    /// Notes the latest version as the one that is to run.
    pub fn deploy_function(&mut self, workspace: &WorkspaceId, id: &str) -> Result<Kept<Function>, ControlError> {
        let at_ms = self.now().0;
        let kept = self.update_thing(workspace, id, None, |function: &mut Function| {
            function.deployed = Some(Deployed { version: function.latest_version.clone(), at_ms });
            Ok(())
        })?;
        let latest = kept.value.latest_version.clone();
        self.update_thing(workspace, &latest, None, |version: &mut FunctionVersion| {
            version.deployed_at_ms = Some(at_ms);
            Ok(())
        })?;
        Ok(kept)
    }

    /// Makes an earlier version's code the function's code again, as a new version.
    pub fn restore_function_version(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        version: &str,
    ) -> Result<Kept<FunctionVersion>, ControlError> {
        let code = self.function_version(workspace, id, version)?.value.code;
        let copy = self.random_id();
        let kept = self.update_thing(workspace, id, None, |function: &mut Function| {
            function.code.clone_from(&code);
            function.latest_version.clone_from(&copy);
            Ok(())
        })?;
        self.keep_version(workspace, &kept, copy, code)
    }

    fn random_id(&self) -> String {
        id::new_id(self.random())
    }

    fn keep_version(
        &mut self,
        workspace: &WorkspaceId,
        function: &Kept<Function>,
        version: String,
        code: String,
    ) -> Result<Kept<FunctionVersion>, ControlError> {
        let made = FunctionVersion { code, author: self.by().code(), deployed_at_ms: None };
        let made = self.create_thing_with_id(workspace, version, Some(&function.id), made)?;
        let versions = self.all_things::<FunctionVersion>(workspace, Some(&function.id))?;
        let deployed = function.value.deployed.as_ref().map(|deployed| deployed.version.as_str());
        let too_many = versions.len().saturating_sub(VERSIONS_MAX);
        let oldest = versions.iter().filter(|version| Some(version.id.as_str()) != deployed);
        for version in oldest.take(too_many) {
            self.delete_thing::<FunctionVersion>(workspace, &version.id, None)?;
        }
        Ok(made)
    }
}

impl View<'_> {
    /// A version of a function.
    pub fn function_version(
        &self,
        workspace: &WorkspaceId,
        function: &str,
        version: &str,
    ) -> Result<Kept<FunctionVersion>, ControlError> {
        self.thing::<Function>(workspace, function)?;
        self.thing::<FunctionVersion>(workspace, version).and_then(|kept| match kept.parent.as_deref() {
            Some(parent) if parent == function => Ok(kept),
            _ => Err(ControlError::NotFound(Resource::FunctionVersion)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(change: impl FnOnce(&mut Function)) -> Option<String> {
        let setting = |name: &str| FunctionSetting {
            name: name.to_owned(),
            label: "Key".to_owned(),
            description: String::new(),
            kind: SettingKind::String,
            required: true,
            sensitive: true,
        };
        let mut function = Function {
            display_name: "Enrich".to_owned(),
            description: None,
            logo_url: None,
            resource_type: FunctionKind::InsertDestination,
            code: "async function onTrack(event) { return event }".to_owned(),
            settings: vec![setting("apiKey"), setting("b")],
            created_by: "operator".to_owned(),
            latest_version: "v".to_owned(),
            deployed: None,
        };
        change(&mut function);
        match function.check() {
            Ok(()) => None,
            Err(ControlError::Invalid { field, .. }) => Some(field),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn code_settings_and_names_are_within_bounds() {
        type Case = (fn(&mut Function), Option<&'static str>);
        let cases: [Case; 12] = [
            (|_| (), None),
            (|f| f.code = "x".repeat(CODE_BYTES_MAX), None),
            (|f| f.code = "é".repeat(CODE_BYTES_MAX / 2 + 1), Some("code")),
            (|f| f.code = " \n".to_owned(), Some("code")),
            (|f| f.display_name = " ".to_owned(), Some("displayName")),
            (|f| f.settings[1].name = "apiKey".to_owned(), Some("settings.1.name")),
            (|f| f.settings[1].name = "api-key".to_owned(), Some("settings.1.name")),
            (|f| f.settings[1].name = "1a".to_owned(), Some("settings.1.name")),
            (|f| f.settings[1].name = "x".repeat(101), Some("settings.1.name")),
            (|f| f.settings[0].label = "a\u{202e}b".to_owned(), Some("settings.0.label")),
            (|f| f.settings = vec![f.settings[0].clone(); SETTINGS_MAX + 1], Some("settings")),
            (|f| f.logo_url = Some("http://example.com/a.png".to_owned()), Some("logoUrl")),
        ];
        for (n, (change, expected)) in cases.into_iter().enumerate() {
            assert_eq!(fault(change).as_deref(), expected, "{n}");
        }
    }
}
