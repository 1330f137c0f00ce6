//! What who runs the cell may ask: accounts, their entitlements and people, where these sign in. No workspace's token opens
//! any of it, and the operator's token opens no workspace.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, NAME, Needs, Object, Operation, PAGINATED, SLUG, Schema, any_text, delete, get, list, may, need,
    patch, post, text,
};
use domicile_control::{
    Account, Change, Entitlement, Grants, IdentityProvider, NewAccount, NewIdentityProvider, NewUser, NewWorkspace,
    View,
};
use domicile_event::Stamp;
use domicile_region::Country;
use serde_json::{Value, json};

const PLAN: Schema = SLUG;
const EMAIL: Schema = text(254);
const COUNTRY: Schema = Schema::Text { min: 2, max: 2 };
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
static NEW_ACCOUNT: Object =
    Object { name: "NewAccount", fields: &[need("name", NAME), may("plan", PLAN).about("`free`, when it is not given.")] };
static ACCOUNT_CHANGE: Object = Object { name: "AccountChange", fields: &[may("plan", PLAN), may("idleMinutes", IDLE)] };
static GRANT: Object = Object { name: "EntitlementGrant", fields: &[need("plan", PLAN), may("note", NOTE)] };
static ONE: Object = Object { name: "", fields: &[need("account", Schema::Object(&ACCOUNT))] };
static MANY: Object = Object { name: "", fields: &[need("accounts", list(&Schema::Object(&ACCOUNT), 1_000)), PAGINATED] };

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
static ONE_USER: Object = Object { name: "", fields: &[need("user", Schema::Object(&MADE_USER))] };

static NEW_WORKSPACE: Object = Object {
    name: "NewWorkspaceOfAccount",
    fields: &[need("name", NAME), need("slug", SLUG), may("plan", PLAN), may("ownerEmail", EMAIL)],
};
static WORKSPACE: Object = Object {
    name: "WorkspaceOfAccount",
    fields: &[need("id", ID), need("slug", SLUG), need("name", NAME), need("region", ID), need("plan", PLAN)],
};
static ONE_WORKSPACE: Object = Object { name: "", fields: &[need("workspace", Schema::Object(&WORKSPACE))] };

static NEW_PROVIDER: Object = Object {
    name: "NewIdentityProvider",
    fields: &[
        need("name", NAME),
        need("issuer", text(500)).about("Its https address, as its own documents write it."),
        need("clientId", text(255)),
        may("clientSecret", text(1_000)).about("Sealed, and never read back."),
        need("domains", list(&text(253), 50)).about("E-mail domains that it is believed about."),
        may("country", COUNTRY).about("Where it stands: the border asks, unless the operator's networks say it."),
    ],
};
static PROVIDER: Object = Object {
    name: "IdentityProvider",
    fields: &[
        need("id", ID),
        need("name", NAME),
        need("issuer", text(500)),
        need("clientId", text(255)),
        need("domains", list(&text(253), 50)),
        need("country", Schema::Null(&COUNTRY)),
        need("enabled", Schema::Flag),
    ],
};
static ONE_PROVIDER: Object = Object { name: "", fields: &[need("identityProvider", Schema::Object(&PROVIDER))] };
static PROVIDERS: Object =
    Object { name: "", fields: &[need("identityProviders", list(&Schema::Object(&PROVIDER), 1_000))] };

const OPERATOR: &[Needs] = &[Needs::Operator];

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
    post("createUser", "/operator/accounts/{accountId}/users", "Makes a person, with a password for the first sign-in.")
        .needs(OPERATOR)
        .body(&NEW_USER)
        .created(&ONE_USER)
        .change(create_user),
    post("createWorkspaceOfAccount", "/operator/accounts/{accountId}/workspaces", "Makes a workspace of an account here.")
        .needs(OPERATOR)
        .body(&NEW_WORKSPACE)
        .created(&ONE_WORKSPACE)
        .change(create_workspace),
    get("listIdentityProviders", "/operator/accounts/{accountId}/identity-providers", "Where an account's people sign in.")
        .needs(OPERATOR)
        .data(&PROVIDERS)
        .view(|view, _, ask| {
            let account = view.account(ask.id("accountId"))?;
            let providers = view.identity_providers(Some(&account.id))?;
            Ok(json!({ "identityProviders": providers.iter().map(shown_provider).collect::<Vec<_>>() }).into())
        }),
    post("createIdentityProvider", "/operator/accounts/{accountId}/identity-providers", "Lets an account's people sign in elsewhere.")
        .needs(OPERATOR)
        .body(&NEW_PROVIDER)
        .created(&ONE_PROVIDER)
        .change(create_provider),
    patch("updateIdentityProvider", "/operator/identity-providers/{providerId}", "Switches a provider on or off.")
        .needs(OPERATOR)
        .body(&Object { name: "IdentityProviderChange", fields: &[need("enabled", Schema::Flag)] })
        .data(&ONE_PROVIDER)
        .change(|change, _, ask| {
            let provider = change.enable_identity_provider(ask.id("providerId"), ask.flag("enabled").unwrap_or(false))?;
            Ok(json!({ "identityProvider": shown_provider(&provider) }).into())
        }),
    delete(
        "deleteIdentityProvider",
        "/operator/identity-providers/{providerId}",
        "Deletes a provider and ends the sessions that were opened by it.",
    )
    .needs(OPERATOR)
    .change(|change, _, ask| {
        change.delete_identity_provider(ask.id("providerId"))?;
        Ok(Answer::success())
    }),
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
            return Err(domicile_control::Resource::Workspace.into());
        }
        change.add_member(&workspace.id, &user.id, &Grants::owner(), &Grants::owner())?;
    }
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
    Ok(json!({ "workspace": shown }).into())
}

fn create_provider(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let text = |name: &str| ask.text(name).unwrap_or_default().to_owned();
    let country = match ask.text("country") {
        None => None,
        Some(code) => Some(Country::new(code).ok_or_else(|| {
            ApiError::invalid("country", "country is no country of ISO 3166-1, like `IE`")
        })?),
    };
    let domains = ask.field("domains").and_then(Value::as_array).into_iter().flatten();
    let new = NewIdentityProvider {
        name: text("name"),
        issuer: text("issuer"),
        client_id: text("clientId"),
        secret: ask.text("clientSecret").map(str::to_owned),
        domains: domains.filter_map(Value::as_str).map(str::to_owned).collect(),
        country,
    };
    let made = change.create_identity_provider(ask.id("accountId"), &new)?;
    Ok(json!({ "identityProvider": shown_provider(&made) }).into())
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

fn shown_provider(provider: &IdentityProvider) -> Value {
    json!({
        "id": provider.id,
        "name": provider.name,
        "issuer": provider.issuer,
        "clientId": provider.client_id,
        "domains": provider.domains,
        "country": provider.country.map(|country| country.to_string()),
        "enabled": provider.enabled,
    })
}
