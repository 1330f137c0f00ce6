//! The demo workspace that `domicile up` makes in every region, so that a first event needs no set-up.

use crate::account::NewAccount;
use crate::audit::Actor;
use crate::change::Change;
use crate::db::values;
use crate::page::Page;
use crate::password::Hash;
use crate::role::Grants;
use crate::source::NewSource;
use crate::token::NewToken;
use crate::user::NewUser;
use crate::workspace::NewWorkspace;
use crate::{ControlError, Store, id};
use domicile_workspace::{SourceId, SourceKind, WorkspaceId};

/// The demo's sources: slug, name, kind.
const SOURCES: [(&str, &str, SourceKind); 2] =
    [("web", "Demo website", SourceKind::Website), ("server", "Demo server", SourceKind::Server)];
const TOKEN_NAME: &str = "demo";
const OWNER_NAME: &str = "Demo owner";
/// Its account may choose every region, unless the topology knows a plan that is even better.
const ACCOUNT_NAME: &str = "Demo";
const PLAN: &str = "business";

/// What only `demo.json` remembers, as it was read from there. No `Debug`.
#[derive(Clone, Default)]
pub struct DemoSecrets {
    pub token: Option<String>,
    pub password: Option<String>,
}

/// Who signs in to the demo: an owner of its workspace.
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
        self.change(&Actor::Operator, |change| seed(change, slug, kept))
    }
}

fn seed(change: &mut Change<'_>, slug: String, kept: &DemoSecrets) -> Result<DemoWorkspace, ControlError> {
    let id = match change.find_workspace_by_slug(&slug)? {
        Some(found) => found.id,
        None => make(change, &slug)?,
    };
    let token = match &kept.token {
        Some(token) if change.token_holds(&id, token)? => token.clone(),
        _ => {
            let number = change.workspace_number(&id)?;
            change.run(
                "end the demo's old token",
                "UPDATE tokens SET revoked_at = ?3, version = ?4
                 WHERE workspace = ?1 AND name = ?2 AND revoked_at IS NULL",
                values![number, TOKEN_NAME, change.now, change.makes()],
            )?;
            change.create_token(&id, &NewToken::new(TOKEN_NAME), &Grants::owner())?.token
        }
    };
    let owner = owner(change, &id, &slug, kept)?;
    let sources = demo_sources(change, &id)?;
    Ok(DemoWorkspace { id, slug, token, owner, sources })
}

/// The owner, whom `demo.json` tells how to sign in as. When it has forgotten the password, there is a new one.
fn owner(
    change: &mut Change<'_>,
    workspace: &WorkspaceId,
    slug: &str,
    kept: &DemoSecrets,
) -> Result<DemoOwner, ControlError> {
    let email = format!("owner@{slug}.example");
    let found = change.find_user_by_email(&email)?;
    let new_password = |change: &Change<'_>| {
        let password = kept.password.clone().unwrap_or_else(|| id::base62(change.random(), 20));
        Hash::of(&password, change.random()).map(|hash| (password, hash))
    };
    let password = match (found, &kept.password) {
        (Some(user), Some(password)) if user.has_password => password.clone(),
        (Some(user), _) => {
            let (password, hash) = new_password(change)?;
            change.set_password(&user.id, &hash, false)?;
            password
        }
        (None, _) => {
            let (password, hash) = new_password(change)?;
            let new =
                NewUser { email: email.clone(), name: OWNER_NAME.to_owned(), password: Some(hash), must_change: false };
            let account = change.workspace(workspace)?.account;
            let user = change.create_user(&account, &new)?;
            change.add_member(workspace, &user.id, &Grants::owner(), &Grants::owner())?;
            password
        }
    };
    Ok(DemoOwner { email, password })
}

/// An account that may choose every region, its workspace and the workspace's sources.
fn make(change: &mut Change<'_>, slug: &str) -> Result<WorkspaceId, ControlError> {
    let plan = change.region().plan.clone().unwrap_or_else(|| PLAN.to_owned());
    let account = change.create_account(&NewAccount { name: ACCOUNT_NAME.to_owned(), plan: plan.clone() })?;
    change.grant_entitlement(&account.id, &plan, "the demo")?;
    let name = format!("Acme, {}", change.region().name);
    let new = NewWorkspace { slug: slug.to_owned(), name, plan: None };
    let workspace = change.create_workspace(&account.id, &new)?;
    for (slug, name, kind) in SOURCES {
        let new = NewSource { name: Some(name.to_owned()), ..NewSource::new(slug, kind) };
        change.create_source(&workspace.id, &new)?;
    }
    Ok(workspace.id)
}

fn demo_sources(change: &Change<'_>, workspace: &WorkspaceId) -> Result<Vec<DemoSource>, ControlError> {
    let listed = change.sources(workspace, &Page::first(Page::COUNT_MAX))?;
    let of_the_demo = listed.rows.into_iter().filter(|source| SOURCES.iter().any(|(slug, ..)| source.slug == *slug));
    let with_a_key = of_the_demo.filter_map(|source| {
        let key = source.write_keys.into_iter().find(|key| key.enabled)?;
        Some(DemoSource { slug: source.slug, id: source.id, write_key: key.key })
    });
    Ok(with_a_key.collect())
}
