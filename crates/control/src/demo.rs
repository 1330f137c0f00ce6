//! The demo workspace that `domicile up` makes in every region, so that a first event needs no set-up.

use crate::audit::Actor;
use crate::source::NewSource;
use crate::store::Change;
use crate::{ControlError, Store, id, source, token, workspace};
use domicile_workspace::{SourceId, SourceKind, WorkspaceId};
use rusqlite::params;

/// The demo's sources: slug, name, kind.
const SOURCES: [(&str, &str, SourceKind); 2] =
    [("web", "Demo website", SourceKind::Website), ("server", "Demo server", SourceKind::Server)];
const TOKEN_NAME: &str = "demo";

/// What only `demo.json` remembers, as it was read from there. No `Debug`.
#[derive(Clone, Default)]
pub struct DemoSecrets {
    pub token: Option<String>,
    pub password: Option<String>,
}

/// Who signs in to the demo. People come to the store later; until then the password opens nothing.
pub struct DemoOwner {
    pub email: String,
    pub password: String,
}

/// One source of the demo workspace.
pub struct DemoSource {
    pub slug: String,
    pub id: SourceId,
    pub write_key: String,
}

/// What `demo.json` tells about one region.
pub struct DemoWorkspace {
    pub id: WorkspaceId,
    /// `acme-` and the part of the region's name before the dash.
    pub slug: String,
    pub token: String,
    pub owner: DemoOwner,
    /// Those of the demo's sources that nobody has deleted and that have a write key switched on.
    pub sources: Vec<DemoSource>,
}

impl Store {
    /// Makes the demo workspace, or finds it as it was left. `kept` is what the last `demo.json` says: its token is kept
    /// when it still holds, else the demo's old token is ended and a new one made.
    pub fn seed_demo(&self, kept: &DemoSecrets) -> Result<DemoWorkspace, ControlError> {
        let region = self.region().as_str();
        let short = region.split('-').next().unwrap_or(region);
        let slug = format!("acme-{short}");
        let (demo, _) = self.change(&Actor::Operator, |change| seed(change, slug, kept))?;
        Ok(demo)
    }
}

fn seed(change: &Change<'_>, slug: String, kept: &DemoSecrets) -> Result<DemoWorkspace, ControlError> {
    let random = &*change.inner.world.random;
    let (id, number) = match workspace::find_by_slug(change, &slug)? {
        Some(found) => found,
        None => {
            let name = format!("Acme, {}", change.inner.region.name);
            let (id, number) = workspace::insert(change, &slug, &name)?;
            for (slug, name, kind) in SOURCES {
                let new = NewSource {
                    slug: slug.to_owned(),
                    name: Some(name.to_owned()),
                    kind,
                    enabled: true,
                    ingestion_region: None,
                    strict: false,
                    rate_limit: None,
                };
                source::insert(change, number, &new)?;
            }
            (id, number)
        }
    };
    let token = match &kept.token {
        Some(token) if token::holds(change, number, token)? => token.clone(),
        _ => {
            change.run(
                "end the demo's old token",
                "UPDATE tokens SET revoked_at = ?3 WHERE workspace = ?1 AND name = ?2 AND revoked_at IS NULL",
                params![number, TOKEN_NAME, change.at.0],
            )?;
            token::insert(change, number, TOKEN_NAME)?.token
        }
    };
    let owner = DemoOwner {
        email: format!("owner@{slug}.example"),
        password: kept.password.clone().unwrap_or_else(|| id::base62(random, 20)),
    };
    let sources = demo_sources(change, number)?;
    Ok(DemoWorkspace { id, slug, token, owner, sources })
}

fn demo_sources(change: &Change<'_>, workspace: u32) -> Result<Vec<DemoSource>, ControlError> {
    change
        .db
        .prepare_cached(
            "SELECT s.slug, s.id, k.key FROM sources s
             JOIN write_keys k ON k.key = (SELECT key FROM write_keys WHERE source = s.number AND enabled = 1
                                           ORDER BY created_at, key LIMIT 1)
             WHERE s.workspace = ?1 AND s.deleted_at IS NULL AND s.slug IN (?2, ?3) ORDER BY s.number",
        )
        .and_then(|mut statement| {
            statement
                .query_map(params![workspace, SOURCES[0].0, SOURCES[1].0], |row| {
                    Ok(DemoSource {
                        slug: row.get(0)?,
                        id: SourceId::new(row.get::<_, String>(1)?),
                        write_key: row.get(2)?,
                    })
                })?
                .collect()
        })
        .map_err(|e| change.sql("read the demo's sources", e))
}
