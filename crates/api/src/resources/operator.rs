//! What who runs the cell may ask: accounts, their entitlements and people, where these sign in. No workspace's token opens
//! any of it, and the operator's token opens no workspace.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, NAME, Needs, Object, Operation, PAGINATED, SLUG, Schema, any_text, delete, get, list, may, need,
    patch, post, text,
};
use crate::resources::workspaces::{FIRST_TOKEN, first_token};
use domicile_control::{
    Account, Change, Entitlement, Grants, NewAccount, NewUser, NewWorkspace, Resource, UserRecord, View,
};
use domicile_event::Stamp;
use serde_json::{Value, json};

const PLAN: Schema = SLUG;
const EMAIL: Schema = text(254);
const NOTE: Schema = any_text(500);
const IDLE: Schema = Schema::Null(&Schema::Count { min: 1, max: 10_080 });

static ENTITLEMENT: Object = Object {
    name: "Entitlement",
    fields: &[need("plan", PLAN), need("grantedBy", ID), need("grantedAt", Schema::Time), need("note", NOTE)],
};
static ACCOUNT: Object = Object {
    name: "Account",
    fields: &[
        need("id", ID),
        need("name", NAME),
        need("plan", PLAN),
        need("idleMinutes", IDLE).about("After how long without a page its people's sessions end."),
        need("entitlements", list(&Schema::Object(&ENTITLEMENT), 1_000)),
        need("createdAt", Schema::Time),
    ],
};
static NEW_ACCOUNT: Object = Object {
    name: "NewAccount",
    fields: &[need("name", NAME), may("plan", PLAN).about("`free`, when it is not given.")],
};
static ACCOUNT_CHANGE: Object =
    Object { name: "AccountChange", fields: &[may("plan", PLAN), may("idleMinutes", IDLE)] };
static GRANT: Object = Object { name: "EntitlementGrant", fields: &[need("plan", PLAN), may("note", NOTE)] };
static ONE: Object = Object { name: "", fields: &[need("account", Schema::Object(&ACCOUNT))] };
static MANY: Object =
    Object { name: "", fields: &[need("accounts", list(&Schema::Object(&ACCOUNT), 1_000)), PAGINATED] };

static NEW_USER: Object = Object {
    name: "NewUser",
    fields: &[
        need("email", EMAIL),
        may("name", NAME),
        may("workspaceId", ID).about("The person owns this workspace of the account."),
    ],
};
static MADE_USER: Object = Object {
    name: "MadeUser",
    fields: &[
        need("id", ID),
        need("email", EMAIL),
        need("password", text(200)).about("For the first sign-in alone, which asks for another. Shown once."),
    ],
};
static USER: Object = Object {
    name: "UserOfAccount",
    fields: &[
        need("id", ID),
        need("email", EMAIL),
        need("name", NAME),
        need("hasPassword", Schema::Flag).about("Without one, somebody signs in at an identity provider."),
        need("createdAt", Schema::Time),
    ],
};
static USERS: Object = Object { name: "", fields: &[need("users", list(&Schema::Object(&USER), 1_000)), PAGINATED] };
static ONE_USER: Object = Object { name: "", fields: &[need("user", Schema::Object(&MADE_USER))] };

static NEW_WORKSPACE: Object = Object {
    name: "NewWorkspaceOfAccount",
    fields: &[need("name", NAME), need("slug", SLUG), may("plan", PLAN), may("ownerEmail", EMAIL)],
};
static WORKSPACE: Object = Object {
    name: "WorkspaceOfAccount",
    fields: &[need("id", ID), need("slug", SLUG), need("name", NAME), need("region", ID), need("plan", PLAN)],
};
static ONE_WORKSPACE: Object = Object {
    name: "",
    fields: &[
        need("workspace", Schema::Object(&WORKSPACE)),
        need("token", Schema::Object(&FIRST_TOKEN))
            .about("An owner's token of the new workspace. It is shown only here."),
    ],
};

pub(crate) const OPERATOR: &[Needs] = &[Needs::Operator];

pub(crate) static OPERATIONS: &[Operation] = &[
    get("listAccounts", "/operator/accounts", "All accounts of the cell.")
        .needs(OPERATOR)
        .paged()
        .data(&MANY)
        .view(list_accounts),
    post("createAccount", "/operator/accounts", "Makes an account.")
        .needs(OPERATOR)
        .body(&NEW_ACCOUNT)
        .created(&ONE)
        .change(create_account),
    patch("updateAccount", "/operator/accounts/{accountId}", "Changes an account's plan or idle limit.")
        .needs(OPERATOR)
        .body(&ACCOUNT_CHANGE)
        .data(&ONE)
        .change(update_account),
    post(
        "grantEntitlement",
        "/operator/accounts/{accountId}/entitlements",
        "Lets an account make workspaces in regions that need this plan.",
    )
    .needs(OPERATOR)
    .body(&GRANT)
    .data(&ONE)
    .change(|change, _, ask| {
        let id = ask.id("accountId");
        change.grant_entitlement(id, ask.text("plan").unwrap_or_default(), ask.text("note").unwrap_or_default())?;
        one(change, &change.account(id)?)
    }),
    delete(
        "revokeEntitlement",
        "/operator/accounts/{accountId}/entitlements/{plan}",
        "Takes an entitlement back. Workspaces that were made under it stay.",
    )
    .needs(OPERATOR)
    .change(|change, _, ask| {
        change.revoke_entitlement(ask.id("accountId"), ask.id("plan"))?;
        Ok(Answer::success())
    }),
    post(
        "createUser",
        "/operator/accounts/{accountId}/users",
        "Makes a person, with a password for the first sign-in.",
    )
    .needs(OPERATOR)
    .body(&NEW_USER)
    .created(&ONE_USER)
    .change(create_user),
    get("listUsersOfAccount", "/operator/accounts/{accountId}/users", "The people of an account.")
        .needs(OPERATOR)
        .paged()
        .data(&USERS)
        .view(list_users),
    post(
        "resetPasswordOfUser",
        "/operator/accounts/{accountId}/users/{userId}/password",
        "Gives somebody who forgot theirs a password for one sign-in, and ends their sessions.",
    )
    .needs(OPERATOR)
    .data(&ONE_USER)
    .change(reset_password),
    post(
        "createWorkspaceOfAccount",
        "/operator/accounts/{accountId}/workspaces",
        "Makes a workspace of an account here.",
    )
    .needs(OPERATOR)
    .body(&NEW_WORKSPACE)
    .created(&ONE_WORKSPACE)
    .change(create_workspace),
];

fn list_accounts(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let page = view.accounts(&ask.page.page())?;
    let pagination = ask.page.told(&page);
    let accounts = page.rows.iter().map(|account| shown(view, account)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "accounts": accounts, "pagination": pagination }).into())
}

fn create_account(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let new = NewAccount {
        name: ask.text("name").unwrap_or_default().to_owned(),
        plan: ask.text("plan").unwrap_or("free").to_owned(),
    };
    let account = change.create_account(&new)?;
    one(change, &account)
}

fn update_account(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let id = ask.id("accountId");
    if let Some(plan) = ask.text("plan") {
        change.set_plan(id, plan)?;
    }
    if let Some(minutes) = ask.field("idleMinutes") {
        change.set_idle_limit(id, minutes.as_u64().and_then(|minutes| u32::try_from(minutes).ok()))?;
    }
    one(change, &change.account(id)?)
}

fn create_user(change: &mut Change<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let account = change.account(ask.id("accountId"))?;
    let email = ask.text("email").unwrap_or_default();
    let (password, hash) = cell.control.one_time_password()?;
    let new = NewUser {
        email: email.to_owned(),
        name: ask.text("name").unwrap_or(email).to_owned(),
        password: Some(hash),
        must_change: true,
    };
    let user = change.create_user(&account.id, &new)?;
    if let Some(id) = ask.text("workspaceId") {
        let workspace = change.workspace(&domicile_workspace::WorkspaceId::new(id))?;
        if workspace.account != account.id {
            return Err(Resource::Workspace.into());
        }
        change.add_member(&workspace.id, &user.id, &Grants::owner(), &Grants::owner())?;
    }
    Ok(json!({ "user": { "id": user.id, "email": user.email, "password": password } }).into())
}

fn list_users(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let page = view.users(ask.id("accountId"), &ask.page.page())?;
    let pagination = ask.page.told(&page);
    let shown = |user: &UserRecord| {
        json!({
            "id": user.id,
            "email": user.email,
            "name": user.name,
            "hasPassword": user.has_password,
            "createdAt": Stamp::of(user.created_at.0).as_str(),
        })
    };
    Ok(json!({ "users": page.rows.iter().map(shown).collect::<Vec<_>>(), "pagination": pagination }).into())
}

fn reset_password(change: &mut Change<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let (account, user) = (change.account(ask.id("accountId"))?, change.user(ask.id("userId"))?);
    if user.account != account.id {
        return Err(Resource::User.into());
    }
    let (password, hash) = cell.control.one_time_password()?;
    change.set_password(&user.id, &hash, true)?;
    Ok(json!({ "user": { "id": user.id, "email": user.email, "password": password } }).into())
}

fn create_workspace(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let account = change.account(ask.id("accountId"))?;
    let text = |name: &str| ask.text(name).unwrap_or_default().to_owned();
    let new = NewWorkspace { slug: text("slug"), name: text("name"), plan: ask.text("plan").map(str::to_owned) };
    let made = change.create_workspace(&account.id, &new)?;
    if let Some(email) = ask.text("ownerEmail") {
        let owner = change.find_user_by_email(email)?.filter(|user| user.account == account.id);
        let owner = owner.ok_or_else(|| {
            ApiError::invalid("ownerEmail", "ownerEmail is of nobody in the account; make the user first")
        })?;
        change.add_member(&made.id, &owner.id, &Grants::owner(), &Grants::owner())?;
    }
    let shown = json!({
        "id": made.id.as_str(),
        "slug": made.slug,
        "name": made.name,
        "region": change.region().id.as_str(),
        "plan": made.plan,
    });
    Ok(json!({ "workspace": shown, "token": first_token(change, &made.id)? }).into())
}

fn one(view: &View<'_>, account: &Account) -> Result<Answer, ApiError> {
    Ok(json!({ "account": shown(view, account)? }).into())
}

fn shown(view: &View<'_>, account: &Account) -> Result<Value, ApiError> {
    let entitlement = |held: &Entitlement| {
        json!({
            "plan": held.plan,
            "grantedBy": held.granted_by,
            "grantedAt": Stamp::of(held.granted_at.0).as_str(),
            "note": held.note,
        })
    };
    Ok(json!({
        "id": account.id,
        "name": account.name,
        "plan": account.plan,
        "idleMinutes": account.idle_minutes,
        "entitlements": view.entitlements(&account.id)?.iter().map(entitlement).collect::<Vec<_>>(),
        "createdAt": Stamp::of(account.created_at.0).as_str(),
    }))
}
