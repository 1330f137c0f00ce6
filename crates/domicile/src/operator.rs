//! `domicile operator`: accounts, what they are entitled to, their people, where these sign in, and transfers that wait for a
//! second person. For who runs the cell.
//!
//! `up` writes `operator.json` (0600) beside the data: `{"regions": {REGION: {"api", "token"}}}`. A token there opens the
//! operator's part of that cell's API, and no workspace.

use crate::cell::Cell;
use crate::client::{self, CellArgs, encode};
use crate::exit::{Exit, Failure};
use bytes::Bytes;
use clap::{Args, Subcommand};
use domicile_api::Addresses;
use domicile_world::{World, write_whole};
use http::Method;
use serde_json::{Map, Value, json};
use std::path::Path;

#[derive(Args)]
pub struct OperatorArgs {
    #[command(flatten)]
    cell: CellArgs,
    /// Print what the cell answers as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List the accounts of the cell, or of all cells of a local `up`
    Accounts,
    /// Make an account, or change one
    #[command(subcommand)]
    Account(AccountWhat),
    /// Let an account make workspaces in regions that need a plan
    Grant {
        /// The account's id
        account: String,
        #[arg(long, value_name = "PLAN")]
        plan: String,
        /// Why, for the audit trail
        #[arg(long, default_value = "", value_name = "TEXT")]
        note: String,
    },
    /// Take that back; workspaces that were made under it stay
    Revoke {
        /// The account's id
        account: String,
        #[arg(long, value_name = "PLAN")]
        plan: String,
    },
    /// Make a person, list those of an account, reset a password
    #[command(subcommand)]
    User(UserWhat),
    /// Make a workspace
    #[command(subcommand)]
    Workspace(WorkspaceWhat),
    /// Let an account's people sign in at an OpenID provider
    #[command(subcommand)]
    IdentityProvider(ProviderWhat),
    /// List the transfers of the region and of all workspaces
    Transfers,
    /// Approve a transfer that a workspace requested, or end one
    #[command(subcommand)]
    Transfer(TransferWhat),
}

#[derive(Subcommand)]
enum TransferWhat {
    /// Grant it: from then on the workspace's events may go there
    Approve { id: String },
    /// End it, or decline what was requested; at once
    End { id: String },
}

#[derive(Subcommand)]
enum AccountWhat {
    /// Make an account
    Create {
        name: String,
        #[arg(long, default_value = "free", value_name = "PLAN")]
        plan: String,
    },
    /// Change an account's plan, or after how long without a page its people's sessions end
    Set {
        /// The account's id
        account: String,
        #[arg(long, value_name = "PLAN")]
        plan: Option<String>,
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_080))]
        idle_minutes: Option<u32>,
        /// Sessions end after seven days, and not before
        #[arg(long, conflicts_with = "idle_minutes")]
        no_idle_limit: bool,
    },
}

#[derive(Subcommand)]
enum UserWhat {
    /// Make a person; prints a password for the first sign-in, which asks for another
    Create {
        /// The account's id
        #[arg(long, value_name = "ID")]
        account: String,
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// The id of a workspace of the account that the person will own
        #[arg(long, value_name = "ID")]
        workspace: Option<String>,
    },
    /// List the people of an account
    List {
        /// The account's id
        #[arg(long, value_name = "ID")]
        account: String,
    },
    /// Give somebody who forgot theirs a password for one sign-in; ends their sessions
    ResetPassword {
        /// The account's id
        #[arg(long, value_name = "ID")]
        account: String,
        /// The person's id
        user: String,
    },
}

#[derive(Subcommand)]
enum WorkspaceWhat {
    /// Make a workspace of an account, in the cell's region for good
    Create {
        /// The account's id
        #[arg(long, value_name = "ID")]
        account: String,
        #[arg(long, value_name = "NAME")]
        name: String,
        #[arg(long, value_name = "SLUG")]
        slug: String,
        #[arg(long, value_name = "PLAN")]
        plan: Option<String>,
        /// Who of the account will own it
        #[arg(long, value_name = "ADDRESS")]
        owner: Option<String>,
    },
}

#[derive(Subcommand)]
enum ProviderWhat {
    /// List an account's providers
    List {
        /// The account's id
        #[arg(long, value_name = "ID")]
        account: String,
    },
    /// Set a provider up; prints the address that it has to send people back to
    Add {
        /// The account's id
        #[arg(long, value_name = "ID")]
        account: String,
        #[arg(long, value_name = "NAME")]
        name: String,
        #[arg(long, value_name = "URL")]
        issuer: String,
        #[arg(long, value_name = "ID")]
        client_id: String,
        /// The client's secret, where it has one
        #[arg(long, env = "DOMICILE_CLIENT_SECRET", hide_env_values = true, value_name = "SECRET")]
        client_secret: Option<String>,
        /// An e-mail domain that the provider is believed about; several times for several
        #[arg(long = "domain", required = true, value_name = "DOMAIN")]
        domains: Vec<String>,
        /// Where it stands, like IE; needed unless the topology's networks say it
        #[arg(long, value_name = "COUNTRY")]
        country: Option<String>,
    },
    /// Switch a provider on
    Enable { id: String },
    /// Switch a provider off, and end the sessions that were opened by it
    Disable { id: String },
    /// Delete a provider, and end the sessions that were opened by it
    Remove { id: String },
}

/// One request to a cell, and what of the answer a person reads.
struct Request {
    method: Method,
    path: String,
    body: Value,
    /// The name of the object in the answer's `data`.
    shows: &'static str,
}

pub fn run(args: OperatorArgs) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::unreached)?;
    let mut cells = args.cell.operated_cells()?;
    let request = args.what.request();
    if cells.len() > 1 && request.method != Method::GET {
        let names: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
        let names = names.join(", ");
        return Err(Failure::usage(format!(
            "which cell? an account belongs to one\n  mend: name its region by --region, one of: {names}"
        )));
    }
    let mut shown = Map::new();
    let mut text = String::new();
    for cell in &mut cells {
        let data = runtime.block_on(ask(&mut cell.client, &request))?;
        text.push_str(&told(&cell.name, &request, &data));
        shown.insert(cell.name.clone(), data);
    }
    if args.json {
        let value = match (shown.len(), shown.values().next()) {
            (1, Some(only)) => only.clone(),
            _ => Value::Object(shown),
        };
        text = format!("{value:#}\n");
    }
    crate::exit::print(&text)?;
    Ok(Exit::Done)
}

async fn ask(client: &mut client::Client, request: &Request) -> Result<Value, Failure> {
    let body = if request.body.is_null() { Bytes::new() } else { Bytes::from(request.body.to_string()) };
    let answer = client.send(request.method.clone(), &request.path, body).await?;
    if !answer.status.is_success() {
        return Err(client.refused(&request.path, &answer));
    }
    let answer: Value = serde_json::from_slice(&answer.body).map_err(Failure::unreached)?;
    Ok(answer["data"].clone())
}

impl What {
    fn request(&self) -> Request {
        let of = |account: &str, rest: &str| format!("/api/operator/accounts/{}{rest}", encode(account));
        let provider = |id: &str| format!("/api/operator/identity-providers/{}", encode(id));
        let request = |method, path, body, shows| Request { method, path, body, shows };
        match self {
            Self::Accounts => {
                let path = "/api/operator/accounts?pagination.count=1000".to_owned();
                request(Method::GET, path, Value::Null, "accounts")
            }
            Self::Account(AccountWhat::Create { name, plan }) => {
                let body = json!({ "name": name, "plan": plan });
                request(Method::POST, "/api/operator/accounts".to_owned(), body, "account")
            }
            Self::Account(AccountWhat::Set { account, plan, idle_minutes, no_idle_limit }) => {
                let mut body = Map::new();
                if let Some(plan) = plan {
                    body.insert("plan".to_owned(), json!(plan));
                }
                if idle_minutes.is_some() || *no_idle_limit {
                    body.insert("idleMinutes".to_owned(), json!(idle_minutes));
                }
                request(Method::PATCH, of(account, ""), Value::Object(body), "account")
            }
            Self::Grant { account, plan, note } => {
                request(Method::POST, of(account, "/entitlements"), json!({ "plan": plan, "note": note }), "account")
            }
            Self::Revoke { account, plan } => {
                let path = of(account, &format!("/entitlements/{}", encode(plan)));
                request(Method::DELETE, path, Value::Null, "status")
            }
            Self::User(UserWhat::Create { account, email, name, workspace }) => {
                let body = without_nulls(json!({ "email": email, "name": name, "workspaceId": workspace }));
                request(Method::POST, of(account, "/users"), body, "user")
            }
            Self::User(UserWhat::List { account }) => {
                request(Method::GET, of(account, "/users?pagination.count=1000"), Value::Null, "users")
            }
            Self::User(UserWhat::ResetPassword { account, user }) => {
                let path = of(account, &format!("/users/{}/password", encode(user)));
                request(Method::POST, path, Value::Null, "user")
            }
            Self::Workspace(WorkspaceWhat::Create { account, name, slug, plan, owner }) => {
                let body = json!({ "name": name, "slug": slug, "plan": plan, "ownerEmail": owner });
                request(Method::POST, of(account, "/workspaces"), without_nulls(body), "workspace")
            }
            Self::Transfers => {
                let path = "/api/transfers?pagination.count=1000".to_owned();
                request(Method::GET, path, Value::Null, "transfers")
            }
            Self::Transfer(what) => {
                let (id, verb) = match what {
                    TransferWhat::Approve { id } => (id, "approve"),
                    TransferWhat::End { id } => (id, "end"),
                };
                request(Method::POST, format!("/api/transfers/{}/{verb}", encode(id)), Value::Null, "transfer")
            }
            Self::IdentityProvider(ProviderWhat::List { account }) => {
                request(Method::GET, of(account, "/identity-providers"), Value::Null, "identityProviders")
            }
            Self::IdentityProvider(ProviderWhat::Add {
                account,
                name,
                issuer,
                client_id,
                client_secret,
                domains,
                country,
            }) => {
                let body = json!({
                    "name": name,
                    "issuer": issuer,
                    "clientId": client_id,
                    "clientSecret": client_secret,
                    "domains": domains,
                    "country": country,
                });
                request(Method::POST, of(account, "/identity-providers"), without_nulls(body), "identityProvider")
            }
            Self::IdentityProvider(ProviderWhat::Enable { id }) => {
                request(Method::PATCH, provider(id), json!({ "enabled": true }), "identityProvider")
            }
            Self::IdentityProvider(ProviderWhat::Disable { id }) => {
                request(Method::PATCH, provider(id), json!({ "enabled": false }), "identityProvider")
            }
            Self::IdentityProvider(ProviderWhat::Remove { id }) => {
                request(Method::DELETE, provider(id), Value::Null, "status")
            }
        }
    }
}

fn without_nulls(mut body: Value) -> Value {
    if let Some(map) = body.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
    body
}

/// What a person reads: a line for each object of the answer, and one for each of its fields.
fn told(region: &str, request: &Request, data: &Value) -> String {
    let mut text = String::new();
    match &data[request.shows] {
        Value::Array(list) if list.is_empty() => text.push_str(&format!("{region}: none\n")),
        Value::Array(list) => list.iter().for_each(|object| tell(region, object, &mut text)),
        Value::Object(_) => tell(region, &data[request.shows], &mut text),
        _ => text.push_str(&format!("{region}: done\n")),
    }
    if let Some(token) = data["token"]["token"].as_str() {
        text.push_str(&format!("  token         {token}\n  keep it: it is an owner's, and is not shown again\n"));
    }
    text
}

fn tell(region: &str, object: &Value, text: &mut String) {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        Value::Array(list) => list.iter().filter_map(|one| one["plan"].as_str()).collect::<Vec<_>>().join(", "),
        Value::Null => "-".to_owned(),
        Value::Object(object) if object.contains_key("name") => value["name"].as_str().unwrap_or("-").to_owned(),
        other => other.to_string(),
    };
    text.push_str(&format!("{region}: {}\n", plain(&object["id"])));
    for (name, value) in object.as_object().into_iter().flatten().filter(|(name, _)| *name != "id") {
        text.push_str(&format!("  {name:<14}{}\n", plain(value)));
    }
}

/// Writes `operator.json`. A token that still holds is kept.
pub fn write_file(data: &Path, world: &World, cells: &[Cell], addresses: &Addresses) -> Result<(), Failure> {
    let file = data.join("operator.json");
    let before: Value =
        world.disk.read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let mut regions = Map::new();
    for cell in cells {
        let id = cell.region.id.as_str();
        let token = cell.store.operator_token(before["regions"][id]["token"].as_str()).map_err(Failure::unreached)?;
        let Some(api) = addresses.cells.get(&cell.region.id) else { continue };
        regions.insert(id.to_owned(), json!({ "api": api, "token": token }));
    }
    let text = serde_json::to_vec_pretty(&json!({ "regions": regions })).map_err(Failure::unreached)?;
    write_whole(world.disk.as_ref(), &file, &text)
        .map_err(|error| Failure::unreached(format!("{}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: OperatorArgs,
    }

    fn asked(line: &str) -> String {
        let args = Line::try_parse_from(std::iter::once("operator").chain(line.split_whitespace())).expect(line).args;
        let Request { method, path, body, .. } = args.what.request();
        format!("{method} {path} {body}")
    }

    #[test]
    fn each_command_is_one_request() {
        for (line, request) in [
            ("accounts", "GET /api/operator/accounts?pagination.count=1000 null"),
            ("account create Acme --plan team", r#"POST /api/operator/accounts {"name":"Acme","plan":"team"}"#),
            ("account set a1 --idle-minutes 15", r#"PATCH /api/operator/accounts/a1 {"idleMinutes":15}"#),
            ("account set a1 --no-idle-limit", r#"PATCH /api/operator/accounts/a1 {"idleMinutes":null}"#),
            (
                "grant a1 --plan business --note c17",
                r#"POST /api/operator/accounts/a1/entitlements {"plan":"business","note":"c17"}"#,
            ),
            ("revoke a/1 --plan business", "DELETE /api/operator/accounts/a%2F1/entitlements/business null"),
            (
                "user create --account a1 --email anna@example.com",
                r#"POST /api/operator/accounts/a1/users {"email":"anna@example.com"}"#,
            ),
            ("user list --account a1", "GET /api/operator/accounts/a1/users?pagination.count=1000 null"),
            ("user reset-password --account a1 u1", "POST /api/operator/accounts/a1/users/u1/password null"),
            (
                "workspace create --account a1 --name W --slug w --owner anna@example.com",
                r#"POST /api/operator/accounts/a1/workspaces {"name":"W","slug":"w","ownerEmail":"anna@example.com"}"#,
            ),
            (
                "identity-provider add --account a1 --name W --issuer https://id.example.com --client-id c --domain a.example --domain b.example",
                r#"POST /api/operator/accounts/a1/identity-providers {"name":"W","issuer":"https://id.example.com","clientId":"c","domains":["a.example","b.example"]}"#,
            ),
            ("identity-provider disable p1", r#"PATCH /api/operator/identity-providers/p1 {"enabled":false}"#),
            ("transfers", "GET /api/transfers?pagination.count=1000 null"),
            ("transfer approve t/1", "POST /api/transfers/t%2F1/approve null"),
            ("transfer end t1", "POST /api/transfers/t1/end null"),
            ("identity-provider remove p1", "DELETE /api/operator/identity-providers/p1 null"),
        ] {
            assert_eq!(asked(line), request, "{line}");
        }
    }

    #[test]
    fn what_can_not_be_asked_is_refused_before_anything_is_sent() {
        for line in
            ["", "account", "grant a1", "user create --account a1", "account set a1 --idle-minutes 0", "frobnicate"]
        {
            let line = std::iter::once("operator").chain(line.split_whitespace());
            assert!(Line::try_parse_from(line.clone()).is_err(), "{:?}", line.collect::<Vec<_>>());
        }
    }
}
