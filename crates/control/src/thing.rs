//! Things: typed objects of a workspace that need no table of their own. Each type says how it is called, checked and shown.
//!
//! ```text
//! create_thing(workspace, parent, value) ──► check ──► take_secrets ──► body: JSON │ sealed: secrets, under the region's key
//! thing(workspace, id)                   ◄── put_secrets ◄──────────────┘
//! ```

use crate::audit::Resourced;
use crate::change::{Change, refuse_stale};
use crate::db::{DbError, Row, values};
use crate::depth::depth;
use crate::page::{List, Listed, Page};
use crate::view::View;
use crate::{ControlError, Resource, id};
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Bytes of one thing as JSON. A function's code is the longest.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Objects and lists of one thing within one another. A rule's 32 schemas are the deepest.
const DEPTH_MAX: usize = 80;

/// A type of thing.
///
/// - A field that is added later has `#[serde(default)]`: old bodies are read for ever.
/// - What must not be read back is taken out by [`Self::take_secrets`], whole: the body, the audit trail and logs never
///   have it.
pub trait Thing: Serialize + DeserializeOwned + Clone + PartialEq {
    /// The column's word, for good: `filter`.
    const KIND: &'static str;
    /// What the audit trail calls it: `Destination Filter` becomes `Destination Filter Created`.
    const AUDIT: &'static str;
    const RESOURCE: Resource;

    fn name(&self) -> &str;

    /// # Errors
    /// `Invalid`, by field, for what can't be. Called before each write.
    fn check(&self) -> Result<(), ControlError>;

    /// Takes the secrets out.
    fn take_secrets(&mut self) -> Map<String, Value> {
        Map::new()
    }

    /// Puts back what [`Self::take_secrets`] took.
    fn put_secrets(&mut self, _secrets: Map<String, Value>) {}
}

/// A thing, as the store has it, secrets too: what answers is its caller's to choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept<T> {
    pub number: i64,
    pub id: String,
    pub parent: Option<String>,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub version: u64,
    pub value: T,
}

/// A value without its secrets, as JSON; and the secrets.
struct Parted {
    body: Value,
    secrets: Map<String, Value>,
}

impl Parted {
    /// Of what is to be written: checked.
    fn checked<T: Thing>(value: &T) -> Result<Self, ControlError> {
        value.check()?;
        let parted = Self::of(value)?;
        let invalid = |what: &str, mend: &str| ControlError::invalid(T::KIND, what, mend);
        if depth(&parted.body) > DEPTH_MAX {
            return Err(invalid("is nested too deep", "nest objects and lists at most 80 times"));
        }
        if parted.body.to_string().len() > BODY_BYTES_MAX {
            return Err(invalid("is too long", "give at most 1 MiB"));
        }
        Ok(parted)
    }

    /// Of what the store has: what a rule of today would refuse can still be changed and deleted.
    fn of<T: Thing>(value: &T) -> Result<Self, ControlError> {
        let mut value = value.clone();
        let secrets = value.take_secrets();
        let body = serde_json::to_value(&value)
            .map_err(|_| ControlError::invalid(T::KIND, "can't be kept as JSON", "use text for map keys"))?;
        Ok(Self { body, secrets })
    }

    /// As the audit trail shows it: of secrets only which are set.
    fn shown(&self) -> Value {
        let mut shown = self.body.clone();
        if let (Value::Object(fields), false) = (&mut shown, self.secrets.is_empty()) {
            fields.insert("secrets".to_owned(), json!(self.secrets.keys().collect::<Vec<_>>()));
        }
        shown
    }
}

const COLUMNS: &str = "id, parent, body, sealed, created_at, updated_at, version";

impl Change<'_> {
    /// Makes a thing. That there is such a parent is its caller's to see to.
    pub fn create_thing<T: Thing>(
        &mut self,
        workspace: &WorkspaceId,
        parent: Option<&str>,
        value: T,
    ) -> Result<Kept<T>, ControlError> {
        let id = id::new_id(self.random());
        self.create_thing_with_id(workspace, id, parent, value)
    }

    /// As [`Self::create_thing`], where the id has a form of its own.
    pub fn create_thing_with_id<T: Thing>(
        &mut self,
        workspace: &WorkspaceId,
        id: String,
        parent: Option<&str>,
        value: T,
    ) -> Result<Kept<T>, ControlError> {
        let workspace = self.workspace_number(workspace)?;
        let parted = Parted::checked(&value)?;
        let sealed = self.seal(&id, &parted.secrets)?;
        let number = self.insert(
            "make a thing",
            T::RESOURCE.as_str(),
            "INSERT INTO things (id, workspace, kind, parent, name, body, sealed, created_at, updated_at, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9) RETURNING number",
            values![
                id,
                workspace,
                T::KIND,
                parent,
                value.name(),
                parted.body.to_string(),
                sealed,
                self.now,
                self.makes(),
            ],
        )?;
        let of = Resourced { workspace: Some(workspace), resource: T::RESOURCE, id: &id, name: value.name() };
        self.note(&format!("{} Created", T::AUDIT), &of, None, Some(parted.shown()))?;
        let (at, version, parent) = (self.now, self.makes(), parent.map(str::to_owned));
        Ok(Kept { number: number.into(), id, parent, created_at: at, updated_at: at, version, value })
    }

    /// Changes a thing; what `change` leaves as it was, stays. A change that changes nothing leaves its version.
    pub fn update_thing<T: Thing>(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        if_version: Option<u64>,
        change: impl FnOnce(&mut T) -> Result<(), ControlError>,
    ) -> Result<Kept<T>, ControlError> {
        let before = self.thing::<T>(workspace, id)?;
        refuse_stale(T::RESOURCE, before.version, if_version)?;
        let mut after = before.clone();
        change(&mut after.value)?;
        if after.value == before.value {
            return Ok(before);
        }
        let (was, is) = (Parted::of(&before.value)?, Parted::checked(&after.value)?);
        let sealed = self.seal(id, &is.secrets)?;
        (after.updated_at, after.version) = (self.now, self.makes());
        self.run(
            "change a thing",
            "UPDATE things SET name = ?2, body = ?3, sealed = ?4, updated_at = ?5, version = ?6 WHERE number = ?1",
            values![after.number, after.value.name(), is.body.to_string(), sealed, after.updated_at, after.version],
        )?;
        let workspace = Some(self.workspace_number(workspace)?);
        let of = Resourced { workspace, resource: T::RESOURCE, id, name: after.value.name() };
        self.note(&format!("{} Modified", T::AUDIT), &of, Some(was.shown()), Some(is.shown()))?;
        Ok(after)
    }

    /// Deletes a thing, destroys its secrets and undoes its links.
    pub fn delete_thing<T: Thing>(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        if_version: Option<u64>,
    ) -> Result<(), ControlError> {
        let before = self.thing::<T>(workspace, id)?;
        refuse_stale(T::RESOURCE, before.version, if_version)?;
        self.run(
            "delete a thing",
            "UPDATE things SET deleted_at = ?2, updated_at = ?2, sealed = NULL, version = ?3 WHERE number = ?1",
            values![before.number, self.now, self.makes()],
        )?;
        self.unlink_all_of(workspace, id)?;
        // What a rule of today would refuse can still be deleted.
        let mut shown = before.value.clone();
        drop(shown.take_secrets());
        let of = Resourced {
            workspace: Some(self.workspace_number(workspace)?),
            resource: T::RESOURCE,
            id,
            name: before.value.name(),
        };
        self.note(&format!("{} Deleted", T::AUDIT), &of, serde_json::to_value(&shown).ok(), None)
    }

    /// Deletes the things of a type that belong to `parent`; gives how many.
    pub fn delete_things_of<T: Thing>(&mut self, workspace: &WorkspaceId, parent: &str) -> Result<u64, ControlError> {
        let mut deleted = 0;
        loop {
            let listed = self.things::<T>(workspace, Some(parent), &Page::first(Page::COUNT_MAX))?;
            for thing in &listed.rows {
                self.delete_thing::<T>(workspace, &thing.id, None)?;
                deleted += 1;
            }
            if !listed.has_after {
                return Ok(deleted);
            }
        }
    }
}

impl View<'_> {
    /// A thing of a workspace, if it is of this type and not deleted.
    pub fn thing<T: Thing>(&self, workspace: &WorkspaceId, id: &str) -> Result<Kept<T>, ControlError> {
        let workspace = self.workspace_number(workspace)?;
        let sql = format!(
            "SELECT number, {COLUMNS} FROM things
             WHERE id = ?1 AND workspace = ?2 AND kind = ?3 AND deleted_at IS NULL"
        );
        let found = self.one("find a thing", &sql, values![id, workspace, T::KIND], columns)?;
        self.open_thing(found.ok_or(ControlError::NotFound(T::RESOURCE))?)
    }

    /// The things of a type; only those of `parent` with one.
    pub fn things<T: Thing>(
        &self,
        workspace: &WorkspaceId,
        parent: Option<&str>,
        page: &Page,
    ) -> Result<Listed<Kept<T>>, ControlError> {
        let mut values = values![self.workspace_number(workspace)?, T::KIND].to_vec();
        let from = with_parent(parent, &mut values);
        let list = List {
            doing: "read things",
            columns: COLUMNS,
            from: &from,
            count_from: &from,
            number: "number",
            values: &values,
        };
        let Listed { rows, first, last, has_before, has_after, total } = self.page(&list, page, columns)?;
        let rows = rows.into_iter().map(|row| self.open_thing(row)).collect::<Result<_, _>>()?;
        Ok(Listed { rows, first, last, has_before, has_after, total })
    }

    /// All things of a type, for types of which a workspace has few; only those of `parent` with one.
    pub fn all_things<T: Thing>(
        &self,
        workspace: &WorkspaceId,
        parent: Option<&str>,
    ) -> Result<Vec<Kept<T>>, ControlError> {
        let (mut all, mut page) = (Vec::new(), Page::first(Page::COUNT_MAX));
        loop {
            let listed = self.things(workspace, parent, &page)?;
            all.extend(listed.rows);
            match listed.last.filter(|_| listed.has_after) {
                Some(last) => page = Page::after(last, Page::COUNT_MAX),
                None => return Ok(all),
            }
        }
    }

    /// How many things of a type there are; only those of `parent` with one.
    pub fn count_things<T: Thing>(&self, workspace: &WorkspaceId, parent: Option<&str>) -> Result<u64, ControlError> {
        let mut values = values![self.workspace_number(workspace)?, T::KIND].to_vec();
        let from = with_parent(parent, &mut values);
        self.count("count things", &format!("SELECT count(*) FROM {from}"), &values)
    }

    fn open_thing<T: Thing>(&self, lies: Lies) -> Result<Kept<T>, ControlError> {
        let Lies { number, id, parent, body, sealed, created_at, updated_at, version } = lies;
        let mut value: T = serde_json::from_str(&body)
            .map_err(|_| self.damaged(format!("{} {id}: its body is not as this program writes it", T::KIND)))?;
        let secrets = self.unseal(&id, sealed.as_deref())?;
        if !secrets.is_empty() {
            value.put_secrets(secrets);
        }
        Ok(Kept { number, id, parent, created_at, updated_at, version, value })
    }
}

fn with_parent(parent: Option<&str>, values: &mut Vec<crate::db::Value>) -> String {
    let mut from = "things WHERE workspace = ?1 AND kind = ?2 AND deleted_at IS NULL".to_owned();
    if let Some(parent) = parent {
        values.extend_from_slice(values![parent]);
        from.push_str(" AND parent = ?3");
    }
    from
}

/// A thing as it lies in its row.
struct Lies {
    number: i64,
    id: String,
    parent: Option<String>,
    body: String,
    sealed: Option<Vec<u8>>,
    created_at: Millis,
    updated_at: Millis,
    version: u64,
}

fn columns(row: &Row) -> Result<Lies, DbError> {
    Ok(Lies {
        number: row.get(0)?,
        id: row.get(1)?,
        parent: row.get(2)?,
        body: row.get(3)?,
        sealed: row.get(4)?,
        created_at: row.get(5)?,
        updated_at: row.get(6)?,
        version: row.get(7)?,
    })
}
