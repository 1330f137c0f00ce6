//! Suppressed users: no event of theirs is kept. Acts in the pipeline as soon as the change is in the snapshot.
//!
//! ```text
//! regulate ──► suppressions: hash, sealed id ──► snapshot: hash ──► process: blocked, `suppressed`
//! ```
//!
//! - A user is known by the `userId` of events, letter for letter. The table has a keyed hash of it to find, and the id
//!   itself sealed, for [`View::suppressions`]. The snapshot has the hash alone.
//! - The workspace's list goes before a source's: what it has can't be let go for one source.
//! - Who is let go keeps a row with the hash, so that who follows the versions sees it; the sealed id is destroyed.

use crate::change::Change;
use crate::db::{ToValue, Value, values};
use crate::page::{List, Listed, Page};
use crate::thing::{Kept, Thing};
use crate::things::regulation::{REMEMBERED_DAYS, Regulation, RegulationType};
use crate::view::View;
use crate::{ControlError, Resource};
use domicile_keys::UserHasher;
use domicile_workspace::{SourceId, SourceNumber, SuppressedIn, Suppression, UserHash, WorkspaceId, WorkspaceNumber};
use domicile_world::Millis;
use std::collections::BTreeMap;

/// Users of one statement.
const CHUNK: usize = 200;
const DAY_MS: i64 = 86_400_000;
/// In the column `source`: the whole workspace. Sources are numbered from 1.
const WHOLE: u32 = 0;

/// One user on a list.
#[derive(Clone, PartialEq, Eq)]
pub struct SuppressedUser {
    pub number: i64,
    pub user_id: String,
    /// `None`: in the whole workspace.
    pub source: Option<SourceId>,
    pub since: Millis,
}

impl Change<'_> {
    /// Carries out a regulation for the workspace, or for one source. When it returns and the change is made, it is done.
    ///
    /// # Errors
    /// `Invalid` for a type that deletes, and for ids that can't be. `Conflict` when a source is to let go whom the whole
    /// workspace suppresses.
    pub fn regulate(
        &mut self,
        workspace: &WorkspaceId,
        source: Option<&SourceId>,
        regulation_type: RegulationType,
        subjects: Vec<String>,
    ) -> Result<Kept<Regulation>, ControlError> {
        let number = self.workspace_number(workspace)?;
        let within = match source {
            None => WHOLE,
            Some(id) => self.source(workspace, id)?.number,
        };
        self.forget_old_regulations(number)?;
        let hasher = UserHasher::new(&self.inner.keys.cell_salt());
        // Each user once: a statement may not touch one row twice.
        let mut given = Vec::with_capacity(subjects.len());
        let mut users = BTreeMap::new();
        for id in subjects {
            let hash = hasher.hash(number, &id);
            if users.insert(hash, id.clone()).is_none() {
                given.push(id);
            }
        }
        let regulation = Regulation { regulation_type, count: given.len(), subjects: given };
        let made = self.create_thing(workspace, source.map(SourceId::as_str), regulation)?;
        let users: Vec<([u8; 32], String)> = users.into_iter().collect();
        for users in users.chunks(CHUNK) {
            if regulation_type == RegulationType::Unsuppress {
                self.let_go(number, within, users)?;
            } else {
                self.suppress(number, within, &made.id, users)?;
            }
        }
        Ok(made)
    }

    fn suppress(
        &self,
        workspace: u32,
        within: u32,
        regulation: &str,
        users: &[([u8; 32], String)],
    ) -> Result<(), ControlError> {
        let mut values = values![workspace, within, regulation, self.now, self.makes()].to_vec();
        let mut rows = Vec::with_capacity(users.len());
        for (hash, id) in users {
            let keys = &self.inner.keys;
            let sealed = keys.seal_secret(id.as_bytes()).map_err(|error| self.secret("a suppressed user", error))?;
            values.extend([hash.to_value(), sealed.to_value()]);
            rows.push(format!("(?1, ?2, ?{}, ?{}, ?3, ?4, ?5)", values.len() - 1, values.len()));
        }
        // Who is on the list already stays as they are.
        let sql = format!(
            "INSERT INTO suppressions (workspace, source, user_hash, sealed, regulation, created_at, version)
             VALUES {} ON CONFLICT (workspace, source, user_hash) DO UPDATE SET sealed = excluded.sealed,
                 regulation = excluded.regulation, created_at = excluded.created_at, deleted_at = NULL,
                 version = excluded.version
             WHERE suppressions.deleted_at IS NOT NULL",
            rows.join(", ")
        );
        self.run("suppress users", &sql, &values).map(drop)
    }

    fn let_go(&self, workspace: u32, within: u32, users: &[([u8; 32], String)]) -> Result<(), ControlError> {
        let hashes = |values: &mut Vec<Value>| {
            let place = |(hash, _): &([u8; 32], String)| {
                values.push(hash.to_value());
                format!("?{}", values.len())
            };
            users.iter().map(place).collect::<Vec<_>>().join(", ")
        };
        if within != WHOLE {
            let mut values = values![workspace, WHOLE].to_vec();
            let hashes = hashes(&mut values);
            let sql = format!(
                "SELECT count(*) FROM suppressions
                 WHERE workspace = ?1 AND source = ?2 AND deleted_at IS NULL AND user_hash IN ({hashes})"
            );
            let suppressed = self.count("look who is suppressed", &sql, &values)?;
            if suppressed > 0 {
                return Err(ControlError::Conflict {
                    what: format!("{suppressed} or more of these users are suppressed in the whole workspace"),
                    mend: "UNSUPPRESS them for the workspace (POST /regulations)".to_owned(),
                });
            }
        }
        let mut values = values![workspace, within, self.now, self.makes()].to_vec();
        let hashes = hashes(&mut values);
        let sql = format!(
            "UPDATE suppressions SET sealed = NULL, deleted_at = ?3, version = ?4
             WHERE workspace = ?1 AND source = ?2 AND deleted_at IS NULL AND user_hash IN ({hashes})"
        );
        self.run("let users go", &sql, &values).map(drop)
    }

    fn forget_old_regulations(&self, workspace: u32) -> Result<(), ControlError> {
        self.run(
            "forget old regulations",
            "UPDATE things SET sealed = NULL, deleted_at = ?3, version = ?4
             WHERE workspace = ?1 AND kind = ?2 AND deleted_at IS NULL AND created_at < ?5",
            values![workspace, Regulation::KIND, self.now, self.makes(), remembered_from(self.now)],
        )
        .map(drop)
    }
}

fn remembered_from(now: Millis) -> Millis {
    Millis(now.0 - REMEMBERED_DAYS * DAY_MS)
}

impl View<'_> {
    /// A regulation of the last 90 days.
    pub fn regulation(&self, workspace: &WorkspaceId, id: &str) -> Result<Kept<Regulation>, ControlError> {
        let found = self.thing::<Regulation>(workspace, id)?;
        if found.created_at < remembered_from(self.now) {
            return Err(ControlError::NotFound(Resource::Regulation));
        }
        Ok(found)
    }

    /// The regulations of the last 90 days for one source, or those for the whole workspace. `types`: only these; empty:
    /// all.
    pub fn regulations(
        &self,
        workspace: &WorkspaceId,
        source: Option<&SourceId>,
        types: &[RegulationType],
        page: &Page,
    ) -> Result<Listed<Kept<Regulation>>, ControlError> {
        let number = self.workspace_number(workspace)?;
        let mut values = values![number, Regulation::KIND, remembered_from(self.now)].to_vec();
        let mut from =
            "things WHERE workspace = ?1 AND kind = ?2 AND deleted_at IS NULL AND created_at >= ?3".to_owned();
        match source {
            None => from.push_str(" AND parent IS NULL"),
            Some(source) => {
                values.push(source.as_str().to_value());
                from.push_str(&format!(" AND parent = ?{}", values.len()));
            }
        }
        if !types.is_empty() {
            let place = |name: &RegulationType| {
                values.push(name.as_str().to_value());
                format!("?{}", values.len())
            };
            let names: Vec<String> = types.iter().map(place).collect();
            from.push_str(&format!(" AND name IN ({})", names.join(", ")));
        }
        let list = List {
            doing: "read the regulations",
            columns: "id",
            from: &from,
            count_from: &from,
            number: "number",
            values: &values,
        };
        let Listed { rows, first, last, has_before, has_after, total } =
            self.page(&list, page, |row| row.get::<String>(1))?;
        let rows = rows.iter().map(|id| self.thing(workspace, id)).collect::<Result<_, _>>()?;
        Ok(Listed { rows, first, last, has_before, has_after, total })
    }

    /// Who is suppressed, in the workspace and in its sources.
    pub fn suppressions(&self, workspace: &WorkspaceId, page: &Page) -> Result<Listed<SuppressedUser>, ControlError> {
        let list = List {
            doing: "read who is suppressed",
            columns: "p.sealed, s.id, p.created_at",
            from: "suppressions p LEFT JOIN sources s ON s.number = p.source
                   WHERE p.workspace = ?1 AND p.deleted_at IS NULL",
            count_from: "suppressions p WHERE p.workspace = ?1 AND p.deleted_at IS NULL",
            number: "p.number",
            values: values![self.workspace_number(workspace)?],
        };
        let Listed { rows, first, last, has_before, has_after, total } = self.page(&list, page, |row| {
            Ok((row.get::<i64>(0)?, row.get::<Option<Vec<u8>>>(1)?, row.get::<Option<String>>(2)?, row.get(3)?))
        })?;
        let open = |(number, sealed, source, since): (i64, Option<Vec<u8>>, Option<String>, Millis)| {
            let plain = self.inner.keys.open_secret(&sealed.unwrap_or_default());
            let plain = plain.map_err(|error| self.secret("a suppressed user", error))?;
            let user_id = String::from_utf8(plain).map_err(|_| self.damaged("a suppressed user's id".to_owned()))?;
            Ok(SuppressedUser { number, user_id, source: source.map(SourceId::new), since })
        };
        let rows = rows.into_iter().map(open).collect::<Result<_, ControlError>>()?;
        Ok(Listed { rows, first, last, has_before, has_after, total })
    }
}

/// What changed on the lists after a version, for the snapshot.
pub(crate) fn newer(view: &View<'_>, since: u64) -> Result<Vec<Suppression>, ControlError> {
    view.all(
        "read who is suppressed",
        "SELECT workspace, source, user_hash, deleted_at IS NULL FROM suppressions WHERE version > ?1 ORDER BY number",
        values![since],
        |row| {
            let (workspace, source): (u32, u32) = (row.get(0)?, row.get(1)?);
            let within = if source == WHOLE {
                SuppressedIn::Workspace(WorkspaceNumber(workspace))
            } else {
                SuppressedIn::Source(SourceNumber(source))
            };
            let hash: Vec<u8> = row.get(2)?;
            let hash = hash.try_into().map_err(|_| crate::db::DbError::odd("a user's hash has not 32 bytes"))?;
            Ok(Suppression { within, user: UserHash(hash), is_on: row.get(3)? })
        },
    )
}
