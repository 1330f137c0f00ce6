//! Where the people of an account sign in: OpenID providers. The client's secret is sealed, and never read back.
//!
//! A provider says who somebody is in all workspaces of the account, which is more than any one workspace's owner may: who
//! runs the cell sets it up.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, NAME, Object, Operation, Schema, delete, get, list, may, need, patch, post, text,
};
use crate::resources::operator::OPERATOR;
use domicile_control::{Change, IdentityProvider, NewIdentityProvider, View};
use domicile_region::Country;
use serde_json::{Value, json};

const COUNTRY: Schema = Schema::Text { min: 2, max: 2 };
const DOMAINS: Schema = Schema::List { of: &text(253), min: 1, max: 50 };

static NEW_PROVIDER: Object = Object {
    name: "NewIdentityProvider",
    fields: &[
        need("name", NAME),
        need("issuer", text(500)).about("Its https address, as its own documents write it."),
        need("clientId", text(255)),
        may("clientSecret", text(1_000)).about("Sealed, and never read back."),
        need("domains", DOMAINS).about("E-mail domains that it is believed about. A domain is one account's."),
        may("country", COUNTRY).about(
            "Where it stands. The border lets nobody sign in by it without, unless the operator's networks say it.",
        ),
    ],
};
static PROVIDER: Object = Object {
    name: "IdentityProvider",
    fields: &[
        need("id", ID),
        need("name", NAME),
        need("issuer", text(500)),
        need("clientId", text(255)),
        need("domains", DOMAINS),
        need("country", Schema::Null(&COUNTRY)),
        need("enabled", Schema::Flag),
        need("redirectUrl", text(1_000)).about("What the provider has to know: where it sends people back to."),
    ],
};
static PROVIDER_CHANGE: Object = Object { name: "IdentityProviderChange", fields: &[need("enabled", Schema::Flag)] };
static ONE_PROVIDER: Object = Object { name: "", fields: &[need("identityProvider", Schema::Object(&PROVIDER))] };
static PROVIDERS: Object =
    Object { name: "", fields: &[need("identityProviders", list(&Schema::Object(&PROVIDER), 1_000))] };

pub(crate) static OPERATIONS: &[Operation] = &[
    get(
        "listIdentityProviders",
        "/operator/accounts/{accountId}/identity-providers",
        "Where an account's people sign in.",
    )
    .needs(OPERATOR)
    .data(&PROVIDERS)
    .view(list_of),
    post(
        "createIdentityProvider",
        "/operator/accounts/{accountId}/identity-providers",
        "Lets an account's people sign in at an OpenID provider.",
    )
    .needs(OPERATOR)
    .body(&NEW_PROVIDER)
    .created(&ONE_PROVIDER)
    .change(create),
    patch(
        "updateIdentityProvider",
        "/operator/identity-providers/{providerId}",
        "Switches a provider on or off. Off, the sessions that were opened by it end.",
    )
    .needs(OPERATOR)
    .body(&PROVIDER_CHANGE)
    .data(&ONE_PROVIDER)
    .change(switch),
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

fn list_of(view: &View<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let account = view.account(ask.id("accountId"))?;
    let providers = view.identity_providers(Some(&account.id))?;
    let shown: Vec<_> = providers.iter().map(|provider| shown(cell, provider)).collect();
    Ok(json!({ "identityProviders": shown }).into())
}

fn create(change: &mut Change<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let text = |name: &str| ask.text(name).unwrap_or_default().to_owned();
    let country = match ask.text("country") {
        None => None,
        Some(code) => Some(
            Country::new(code)
                .ok_or_else(|| ApiError::invalid("country", "country is no country of ISO 3166-1, like `IE`"))?,
        ),
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
    Ok(json!({ "identityProvider": shown(cell, &made) }).into())
}

fn switch(change: &mut Change<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let provider = change.enable_identity_provider(ask.id("providerId"), ask.flag("enabled").unwrap_or(false))?;
    Ok(json!({ "identityProvider": shown(cell, &provider) }).into())
}

fn shown(cell: &Cell, provider: &IdentityProvider) -> Value {
    let console = cell.addresses.cells.get(&cell.region.id).map_or("", |url| url.trim_end_matches('/'));
    json!({
        "id": provider.id,
        "name": provider.name,
        "issuer": provider.issuer,
        "clientId": provider.client_id,
        "domains": provider.domains,
        "country": provider.country.map(|country| country.to_string()),
        "enabled": provider.enabled,
        "redirectUrl": format!("{console}/sign-in/oidc/{}/answer", provider.id),
    })
}
