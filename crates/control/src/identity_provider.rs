//! Identity providers: where people of an account sign in, and whom the cell believes about which e-mail addresses.
//!
//! - A provider is believed about the addresses of its own domains and about people of its own account, and of nobody else.
//!   A domain is one account's: no account can name another's domain and be let in as their people, nor make or invite
//!   somebody with an address of it.
//! - Who comes for the first time becomes a member of the account's workspaces, with no role. They are known by issuer and
//!   subject from then on, so that an address that changes hands takes nothing along. Who had a password before has none
//!   after, and no session of before: whoever set it had nobody vouch for them.

use crate::audit::{Actor, Resourced};
use crate::change::Change;
use crate::db::{DbError, Row, values};
use crate::role::Grants;
use crate::user::{self, NewUser, UserRecord};
use crate::view::View;
use crate::{ControlError, Resource, Store, id, text};
use domicile_region::Country;
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use serde_json::{Map, Value, json};
use url::{Host, Url};

const DOMAINS_MAX: usize = 50;
/// Of one account.
const PROVIDERS_MAX: usize = 20;
const SECRET_BYTES_MAX: usize = 1_000;

/// A provider to be set up. No `Debug`: it holds a secret.
pub struct NewIdentityProvider {
    pub name: String,
    /// `https://id.example.com`, to the letter as the provider writes it.
    pub issuer: String,
    pub client_id: String,
    /// `None` for a client without one.
    pub secret: Option<String>,
    pub domains: Vec<String>,
    /// Where it stands, as far as the operator's networks do not say it: the border asks.
    pub country: Option<Country>,
}

/// A provider, as the store has it: without its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentityProvider {
    pub number: u32,
    pub id: String,
    /// The account's id.
    pub account: String,
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    pub domains: Vec<String>,
    pub country: Option<Country>,
    pub enabled: bool,
    pub created_at: Millis,
    pub version: u64,
    sealed: Option<Vec<u8>>,
}

/// Who somebody is, as a provider vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    pub subject: String,
    /// Verified there.
    pub email: String,
    pub name: String,
}

const COLUMNS: &str =
    "p.number, p.id, a.id, p.name, p.issuer, p.client_id, p.domains, p.enabled, p.created_at, p.version,
                       p.sealed, p.country";
const FROM: &str = "identity_providers p JOIN accounts a ON a.number = p.account";

impl Change<'_> {
    /// Sets a provider up for an account.
    ///
    /// # Errors
    /// `Invalid`; `Conflict` when another account has one of the domains.
    pub fn create_identity_provider(
        &mut self,
        account: &str,
        new: &NewIdentityProvider,
    ) -> Result<IdentityProvider, ControlError> {
        let account = self.account(account)?;
        let name = text::name("name", &new.name)?;
        let issuer = issuer(&new.issuer)?;
        let client_id = client_id(&new.client_id)?;
        let secrets = secrets(new.secret.as_deref())?;
        let domains = domains(&new.domains)?;
        self.refuse_taken_domains(&account.id, &domains)?;
        let id = id::new_id(self.random());
        let sealed = self.seal(&id, &secrets)?;
        self.insert(
            "set up an identity provider",
            "identity provider",
            "INSERT INTO identity_providers
                 (id, account, name, issuer, client_id, sealed, domains, enabled, created_at, updated_at, version,
                  country)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?8, ?9, ?10) RETURNING number",
            values![
                id,
                account.number,
                name,
                issuer,
                client_id,
                sealed,
                json!(domains).to_string(),
                self.now,
                self.makes(),
                new.country.map(|country| country.to_string())
            ],
        )?;
        let of = Resourced { workspace: None, resource: Resource::IdentityProvider, id: &id, name: &name };
        let after = json!({ "account": account.id, "issuer": issuer, "clientId": client_id, "domains": domains });
        self.note("Identity Provider Created", &of, None, Some(after))?;
        self.identity_provider(&id)
    }

    /// Switches a provider on or off. Off, the sessions that were opened by it end.
    pub fn enable_identity_provider(&mut self, id: &str, enabled: bool) -> Result<IdentityProvider, ControlError> {
        let before = self.identity_provider(id)?;
        if before.enabled == enabled {
            return Ok(before);
        }
        self.run(
            "switch an identity provider",
            "UPDATE identity_providers SET enabled = ?2, updated_at = ?3, version = ?4 WHERE number = ?1",
            values![before.number, enabled, self.now, self.makes()],
        )?;
        if !enabled {
            self.end_sessions_by(id)?;
        }
        let of = Resourced { workspace: None, resource: Resource::IdentityProvider, id, name: &before.name };
        let kind = if enabled { "Identity Provider Enabled" } else { "Identity Provider Disabled" };
        self.note(kind, &of, None, None)?;
        self.identity_provider(id)
    }

    /// Deletes a provider, destroys its secret, and ends the sessions that were opened by it.
    pub fn delete_identity_provider(&mut self, id: &str) -> Result<(), ControlError> {
        let before = self.identity_provider(id)?;
        self.run(
            "delete an identity provider",
            "UPDATE identity_providers SET deleted_at = ?2, updated_at = ?2, enabled = 0, sealed = NULL, version = ?3
             WHERE number = ?1",
            values![before.number, self.now, self.makes()],
        )?;
        self.end_sessions_by(id)?;
        let of = Resourced { workspace: None, resource: Resource::IdentityProvider, id, name: &before.name };
        self.note("Identity Provider Deleted", &of, None, None)
    }

    fn end_sessions_by(&mut self, provider: &str) -> Result<(), ControlError> {
        self.run("end a provider's sessions", "DELETE FROM sessions WHERE how = ?1", values![provider]).map(drop)
    }

    /// Lets in whom a provider vouches for. `None` when that is somebody else than `id`, also somebody who was made since.
    fn let_in(&mut self, provider: &str, vouched: &Vouched, id: &str) -> Result<Option<UserRecord>, ControlError> {
        let (provider, email) = self.believed(provider, vouched)?;
        let known = self.known_by(&provider, vouched)?;
        let found = match &known {
            Some(user) => Some(user.clone()),
            None => self.find_user_by_email(&email)?,
        };
        if let Some(user) = &found {
            if user.account != provider.account {
                let mend = "sign in as you did before; the provider's account is not yours";
                return Err(refused("you belong to another account of this cell", mend));
            }
            if user.id != id {
                return Ok(None);
            }
        }
        if known.is_none() {
            let user = match found {
                Some(user) if self.has_identity(&provider, &user)? => {
                    let mend = "ask who runs this cell to look whose the address is";
                    return Err(refused("the provider vouched for somebody else with this e-mail address", mend));
                }
                Some(user) => user,
                None => self.newcomer(&provider, vouched, (id, email))?,
            };
            self.link_identity(&provider, vouched, &user)?;
        }
        self.user(id).map(Some)
    }

    fn newcomer(
        &mut self,
        provider: &IdentityProvider,
        vouched: &Vouched,
        (id, email): (&str, String),
    ) -> Result<UserRecord, ControlError> {
        let name = text::name("name", &vouched.name).unwrap_or_else(|_| email.clone());
        let new = NewUser { email, name, password: None, must_change: false };
        let user = self.create_user_as(id, &provider.account, &new)?;
        for workspace in self.workspaces_of_account(&provider.account)? {
            self.add_member(&workspace, &user.id, &Grants::default(), &Grants::default())?;
        }
        Ok(user)
    }

    fn link_identity(
        &mut self,
        provider: &IdentityProvider,
        vouched: &Vouched,
        user: &UserRecord,
    ) -> Result<(), ControlError> {
        self.run(
            "note an identity",
            "INSERT INTO identities (issuer, subject, user_number, created_at) VALUES (?1, ?2, ?3, ?4)",
            values![provider.issuer, vouched.subject, user.number, self.now],
        )?;
        let of = Resourced { workspace: None, resource: Resource::User, id: &user.id, name: &user.email };
        self.note("User Identity Added", &of, None, Some(json!({ "identityProvider": provider.id })))?;
        if user.has_password { self.remove_password(user) } else { Ok(()) }
    }
}

impl Store {
    /// Finds or makes the person whom a provider vouches for. On the trail, they come by themselves.
    ///
    /// # Errors
    /// `NotFound` for a provider that is not there or is off; `Refused` when the person is another account's, or the address
    /// is not of the provider's domains.
    pub fn user_vouched_for(&self, provider: &str, vouched: &Vouched) -> Result<UserRecord, ControlError> {
        loop {
            let found = self.view(|view| {
                let (provider, email) = view.believed(provider, vouched)?;
                let known = view.known_by(&provider, vouched)?;
                let found = if known.is_some() { known } else { view.find_user_by_email(&email)? };
                Ok::<_, ControlError>(found.ok_or(email))
            })?;
            let (id, name) = match found {
                Ok(user) => (user.id, user.email),
                Err(email) => (id::new_id(&*self.inner.world.random), email),
            };
            let by = Actor::User { id: id.clone(), name };
            // Of two first sign-ins at once, the second finds who the first made, and begins anew.
            if let Some(user) = self.change(&by, |change| change.let_in(provider, vouched, &id))? {
                return Ok(user);
            }
        }
    }
}

impl View<'_> {
    /// Refuses one provider more than an account may have, and a domain that another account has.
    fn refuse_taken_domains(&self, account: &str, domains: &[String]) -> Result<(), ControlError> {
        let all = self.identity_providers(None)?;
        let (own, others): (Vec<_>, Vec<_>) = all.iter().partition(|provider| provider.account == account);
        if own.len() >= PROVIDERS_MAX {
            return Err(ControlError::Conflict {
                what: format!("the account has {PROVIDERS_MAX} identity providers"),
                mend: "delete one that is not used".to_owned(),
            });
        }
        match domains.iter().find(|domain| others.iter().any(|other| other.domains.contains(domain))) {
            None => Ok(()),
            Some(taken) => Err(ControlError::Conflict {
                what: format!("the domain `{taken}` is another account's"),
                mend: "delete it there first".to_owned(),
            }),
        }
    }

    pub fn identity_provider(&self, id: &str) -> Result<IdentityProvider, ControlError> {
        let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE p.id = ?1 AND p.deleted_at IS NULL");
        self.one("find an identity provider", &sql, values![id], record)?
            .ok_or(ControlError::NotFound(Resource::IdentityProvider))
    }

    /// The providers of an account, or of all.
    pub fn identity_providers(&self, account: Option<&str>) -> Result<Vec<IdentityProvider>, ControlError> {
        let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE p.deleted_at IS NULL ORDER BY p.number");
        let mut all = self.all("read identity providers", &sql, &[], record)?;
        all.retain(|provider| account.is_none_or(|account| provider.account == account));
        Ok(all)
    }

    /// A provider's client secret, for who signs somebody in with it: it never goes into an answer.
    pub fn client_secret(&self, provider: &IdentityProvider) -> Result<Option<String>, ControlError> {
        let secrets = self.unseal(&provider.id, provider.sealed.as_deref())?;
        Ok(secrets.get("clientSecret").and_then(|secret| secret.as_str()).map(str::to_owned))
    }

    /// The provider, and the address that it is believed about.
    fn believed(&self, provider: &str, vouched: &Vouched) -> Result<(IdentityProvider, String), ControlError> {
        let provider = self.identity_provider(provider)?;
        if !provider.enabled {
            return Err(ControlError::NotFound(Resource::IdentityProvider));
        }
        let email = user::email("email", &vouched.email)?;
        match provider.domains.iter().any(|domain| domain == domain_of(&email)) {
            true => Ok((provider, email)),
            false => Err(refused(
                "the e-mail address is not of the provider's domains",
                "use an address of your organization's domain, or ask who runs this cell to add yours to the provider",
            )),
        }
    }

    /// Who came by this provider before, under this subject.
    fn known_by(&self, provider: &IdentityProvider, vouched: &Vouched) -> Result<Option<UserRecord>, ControlError> {
        let known = self.one(
            "find an identity",
            "SELECT u.id FROM identities i JOIN users u ON u.number = i.user_number
             WHERE i.issuer = ?1 AND i.subject = ?2 AND u.deleted_at IS NULL",
            values![provider.issuer, vouched.subject],
            |row| row.get::<String>(0),
        )?;
        known.map(|id| self.user(&id)).transpose()
    }

    /// Whether somebody came by this issuer before, under whichever subject.
    fn has_identity(&self, provider: &IdentityProvider, user: &UserRecord) -> Result<bool, ControlError> {
        let held = self.count(
            "look for an identity",
            "SELECT count(*) FROM identities WHERE issuer = ?1 AND user_number = ?2",
            values![provider.issuer, user.number],
        )?;
        Ok(held > 0)
    }

    /// Refuses an address whose domain is another account's, also while its provider is off. `email`: in lower case.
    pub(crate) fn refuse_domain_of_another(&self, account: &str, email: &str) -> Result<(), ControlError> {
        let domain = domain_of(email);
        let all = self.identity_providers(None)?;
        let of_another = |provider: &IdentityProvider| {
            provider.account != account && provider.domains.iter().any(|one| one == domain)
        };
        match all.iter().any(of_another) {
            false => Ok(()),
            true => Err(ControlError::Conflict {
                what: format!("the e-mail domain `{domain}` is another account's"),
                mend: "give an address of another domain; theirs is given out by their identity provider".to_owned(),
            }),
        }
    }

    fn workspaces_of_account(&self, account: &str) -> Result<Vec<WorkspaceId>, ControlError> {
        self.all(
            "read an account's workspaces",
            "SELECT w.id FROM workspaces w JOIN accounts a ON a.number = w.account WHERE a.id = ?1 ORDER BY w.number",
            values![account],
            |row| row.get::<String>(0).map(WorkspaceId::new),
        )
    }
}

fn domain_of(email: &str) -> &str {
    email.rsplit_once('@').map_or("", |(_, domain)| domain)
}

fn refused(what: &str, mend: &str) -> ControlError {
    ControlError::Refused { what: what.to_owned(), mend: mend.to_owned() }
}

fn client_id(text: &str) -> Result<&str, ControlError> {
    let id = text.trim();
    match !id.is_empty() && id.len() <= 255 && id.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(id),
        false => Err(ControlError::invalid("clientId", "is not 1 to 255 visible characters", "copy it anew")),
    }
}

/// What is sealed of a provider: nothing for a client without a secret.
fn secrets(secret: Option<&str>) -> Result<Map<String, Value>, ControlError> {
    let secret = secret.filter(|secret| !secret.is_empty());
    if secret.is_some_and(|secret| secret.len() > SECRET_BYTES_MAX || secret.contains(char::is_control)) {
        return Err(ControlError::invalid("clientSecret", "is too long or holds what is not seen", "copy it anew"));
    }
    Ok(secret.map(|secret| ("clientSecret".to_owned(), json!(secret))).into_iter().collect())
}

/// https, or plain http on this very machine.
fn issuer(text: &str) -> Result<String, ControlError> {
    let url = Url::parse(text).ok().filter(|url| {
        let loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        let plain = url.username().is_empty() && url.password().is_none();
        (url.scheme() == "https" || (url.scheme() == "http" && loopback)) && plain
    });
    let bare = url.is_some_and(|url| url.has_host() && url.query().is_none() && url.fragment().is_none());
    match bare && text.len() <= 500 {
        true => Ok(text.to_owned()),
        false => Err(ControlError::invalid(
            "issuer",
            "is not the https address of a provider",
            "give one like `https://id.example.com`, as the provider's own documents write it",
        )),
    }
}

fn domains(wanted: &[String]) -> Result<Vec<String>, ControlError> {
    if wanted.is_empty() || wanted.len() > DOMAINS_MAX {
        let mend = format!("give 1 to {DOMAINS_MAX}: the provider is believed about addresses of these domains");
        return Err(ControlError::invalid("domains", "is empty or too long", mend));
    }
    let mut domains = Vec::new();
    for (n, domain) in wanted.iter().enumerate() {
        let domain = domain.trim().to_lowercase();
        if !user::is_domain(&domain) || !domain.contains('.') {
            return Err(ControlError::invalid(
                format!("domains.{n}"),
                "is not a domain",
                "give one like `example.com`",
            ));
        }
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    Ok(domains)
}

fn record(row: &Row) -> Result<IdentityProvider, DbError> {
    let domains: String = row.get(6)?;
    Ok(IdentityProvider {
        number: row.get(0)?,
        id: row.get(1)?,
        account: row.get(2)?,
        name: row.get(3)?,
        issuer: row.get(4)?,
        client_id: row.get(5)?,
        domains: serde_json::from_str(&domains)
            .map_err(|_| DbError::odd("an identity provider's domains are not as they should be"))?,
        enabled: row.get(7)?,
        created_at: row.get(8)?,
        version: row.get(9)?,
        sealed: row.get(10)?,
        country: row.get::<Option<String>>(11)?.and_then(|code| Country::new(&code)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_https_address_or_on_this_machine() {
        for (text, good) in [
            ("https://id.example.com", true),
            ("https://id.example.com/realms/one", true),
            ("http://127.0.0.1:9000", true),
            ("http://localhost:9000/", true),
            ("http://id.example.com", false),
            ("http://localhost.example.com", false),
            ("https://user@id.example.com", false),
            ("https://id.example.com?x=1", false),
            ("https://id.example.com#x", false),
            ("file:///etc/passwd", false),
            ("id.example.com", false),
            ("", false),
        ] {
            assert_eq!(issuer(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn domains_are_domains_and_each_stands_once() {
        let read = |list: &[&str]| domains(&list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>()).ok();
        assert_eq!(
            read(&["Example.com", "example.com ", "b.example"]),
            Some(vec!["example.com".into(), "b.example".into()])
        );
        for bad in [&[][..], &["com"], &["*.example.com"], &["a@b.com"], &["-a.com"], &["a..com"], &[""]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
