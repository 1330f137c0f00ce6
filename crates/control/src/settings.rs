//! Settings of destinations: what each kind takes, which of it is secret, and how it lies in the store.
//!
//! - What kinds there are, and what each takes, is the catalog's to say.
//! - What is checked is what is kept: an address is stored as the parser understood it, not as it was typed.
//! - A secret is never in `settings`, only in `sealed`, and leaves the store only inside a snapshot.
//! - A webhook that is pointed at another host keeps its `sharedSecret`: it is never sent, it only signs, so the new
//!   receiver learns nothing of it. A kind whose secret is sent must ask for it anew, as warehouses do.

use crate::ControlError;
use crate::depth::refuse_deep;
use crate::snapshot::PartialDestination;
use crate::view::View;
use domicile_catalog::Entry;
use domicile_region::Country;
use domicile_workspace::{Destination, DestinationKind, WebhookSettings};
use serde_json::{Map, Value};
use url::Url;

/// The kind that is ours, and that events are sent to.
pub(crate) const WEBHOOK: &str = "webhook";
/// A setting that the catalog does not list is a secret when its name, in lower case, holds one of these.
const SECRET_WORDS: [&str; 6] = ["key", "secret", "token", "password", "credential", "auth"];
const URL_BYTES_MAX: usize = 2_048;
const SECRET_BYTES_MAX: usize = 1_024;

/// A destination's settings, what may be read back apart from what may not.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) open: Map<String, Value>,
    pub(crate) secret: Map<String, Value>,
}

/// The settings after `given` was laid over `before`: a field that is not given stays, `null` takes it away.
pub(crate) fn merge(entry: &Entry, before: &Settings, given: &Map<String, Value>) -> Result<Settings, ControlError> {
    let mut all = before.open.clone();
    all.extend(before.secret.clone());
    for (field, value) in given {
        match value {
            Value::Null => drop(all.remove(field)),
            value => drop(all.insert(field.clone(), value.clone())),
        }
    }
    refuse_deep("settings", &all)?;
    if entry.slug == WEBHOOK {
        return webhook(all);
    }
    if let Some(fault) = entry.check_settings(&all).err().and_then(|faults| faults.into_iter().next()) {
        let dot = if fault.setting.is_empty() { "" } else { "." };
        return Err(ControlError::invalid(format!("settings{dot}{}", fault.setting), fault.what, fault.mend));
    }
    let (secret, open) = all.into_iter().partition(|(name, _)| is_secret_setting(entry, name));
    Ok(Settings { open, secret })
}

/// Whether a setting of a destination of this kind is sealed, and never read back.
pub fn is_secret_setting(entry: &Entry, name: &str) -> bool {
    match entry.setting(name) {
        Some(setting) => setting.secret,
        None => {
            let name = name.to_ascii_lowercase();
            SECRET_WORDS.iter().any(|word| name.contains(word))
        }
    }
}

fn webhook(mut all: Map<String, Value>) -> Result<Settings, ControlError> {
    let mut settings = Settings::default();
    let Some(url) = all.remove("url") else {
        return Err(ControlError::invalid("settings.url", "is missing", "give the address that events are sent to"));
    };
    settings.open.insert("url".to_owned(), Value::String(checked_url(text("settings.url", url)?)?));
    if let Some(country) = all.remove("country") {
        let code = text("settings.country", country)?;
        let country = Country::new(&code).ok_or_else(|| {
            ControlError::invalid(
                "settings.country",
                "is no country",
                "give an ISO 3166-1 alpha-2 code, for example IE",
            )
        })?;
        settings.open.insert("country".to_owned(), Value::String(country.to_string()));
    }
    if let Some(secret) = all.remove("sharedSecret") {
        let secret = text("settings.sharedSecret", secret)?;
        if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
            let mend = format!("give 1 to {SECRET_BYTES_MAX} bytes, or null for none");
            return Err(ControlError::invalid("settings.sharedSecret", "is empty or too long", mend));
        }
        settings.secret.insert("sharedSecret".to_owned(), Value::String(secret));
    }
    match all.keys().next() {
        None => Ok(settings),
        Some(unknown) => Err(ControlError::invalid(
            format!("settings.{unknown}"),
            "is no setting of `webhook`",
            "its settings are: url, country, sharedSecret",
        )),
    }
}

fn text(field: &str, value: Value) -> Result<String, ControlError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(ControlError::invalid(field, "is not a text", "give a JSON string")),
    }
}

/// An absolute http or https address of a host. Everything that two parsers could read in two ways is refused.
fn checked_url(given: String) -> Result<String, ControlError> {
    let refuse = |what: &str, mend: &str| Err(ControlError::invalid("settings.url", what, mend));
    if given.len() > URL_BYTES_MAX {
        return refuse("is too long", "give at most 2,048 bytes");
    }
    if given.bytes().any(|b| b <= b' ' || b >= 0x7f || b == b'\\') {
        return refuse(
            "holds a space, a backslash, or what is not ASCII",
            "encode it: %20, %5C, punycode for the host",
        );
    }
    let Ok(url) = Url::parse(&given) else {
        return refuse("is not an address", "give one like https://example.com/events");
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return refuse("is not an http or https address", "give one like https://example.com/events");
    }
    // `https:example.com` and `https:///example.com` parse, and mean what nobody meant.
    let rest = given.split_once(':').map_or("", |(_, rest)| rest);
    if !rest.starts_with("//") || rest.starts_with("///") {
        return refuse("is not an http or https address", "write `//` and the host after the colon");
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || rest[2..].split(['/', '?', '#']).next().is_some_and(|a| a.contains('@'))
    {
        return refuse("holds a user name or password", "use `sharedSecret` to let the receiver know who sends");
    }
    if url.fragment().is_some() {
        return refuse("holds a fragment", "leave out `#` and what follows");
    }
    if url.port() == Some(0) {
        return refuse("names port 0", "give a port from 1 to 65535, or none");
    }
    Ok(url.into())
}

/// From the two columns.
pub(crate) fn read(view: &View<'_>, id: &str, open: &str, sealed: Option<&[u8]>) -> Result<Settings, ControlError> {
    let open = serde_json::from_str(open)
        .map_err(|_| view.damaged(format!("destination {id}: its settings are not a JSON object")))?;
    Ok(Settings { open, secret: view.unseal(id, sealed)? })
}

/// A destination as a snapshot holds it. Its kind is one that events are sent to.
pub(crate) fn open(
    view: &View<'_>,
    partial: PartialDestination,
    settings: &str,
    sealed: Option<&[u8]>,
) -> Result<Destination, ControlError> {
    let settings = read(view, partial.id.as_str(), settings, sealed)?;
    let damaged = |what: &str| view.damaged(format!("destination {}: {what}", partial.id));
    if partial.kind != WEBHOOK {
        return Err(damaged("its kind is not known"));
    }
    let text = |map: &Map<String, Value>, field: &str| map.get(field).and_then(Value::as_str).map(str::to_owned);
    let webhook = WebhookSettings {
        url: text(&settings.open, "url").ok_or_else(|| damaged("it has no address"))?,
        country: text(&settings.open, "country").and_then(|code| Country::new(&code)),
        shared_secret: text(&settings.secret, "sharedSecret"),
    };
    Ok(partial.with(DestinationKind::Webhook(webhook)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::catalog_entry;
    use domicile_catalog::Kind;
    use serde_json::json;

    fn kind(slug: &str) -> Result<&'static Entry, ControlError> {
        catalog_entry(Kind::Destination, slug)
    }

    fn merged(before: Value, given: Value) -> Result<Settings, ControlError> {
        let map = |value: Value| value.as_object().cloned().unwrap_or_default();
        let before = if before.is_null() { Settings::default() } else { webhook(map(before))? };
        merge(kind(WEBHOOK)?, &before, &map(given))
    }

    #[test]
    fn settings_that_are_given_lie_over_those_that_were() {
        let before = json!({"url": "https://a.example/x", "country": "IE", "sharedSecret": "s"});
        let after = merged(before, json!({"country": "DE", "sharedSecret": null})).expect("good settings");
        assert_eq!(Value::Object(after.open), json!({"url": "https://a.example/x", "country": "DE"}));
        assert!(after.secret.is_empty());
    }

    #[test]
    fn what_only_signs_stays_when_the_host_changes() {
        let before = json!({"url": "https://a.example/x", "sharedSecret": "s"});
        let after = merged(before, json!({"url": "https://b.example/x"})).expect("good settings");
        assert_eq!(after.secret["sharedSecret"], "s");
    }

    #[test]
    fn a_secret_is_never_among_what_may_be_read_back() {
        let after =
            merged(Value::Null, json!({"url": "https://a.example", "sharedSecret": "s3"})).expect("good settings");
        assert!(!Value::Object(after.open).to_string().contains("s3"));
        assert_eq!(after.secret["sharedSecret"], "s3");
    }

    #[test]
    fn addresses_that_could_be_read_in_two_ways_are_refused() {
        for good in
            ["http://127.0.0.1:8080/hook", "https://a.example", "https://[::1]/x?y=z", "https://xn--nxasmq6b.example/"]
        {
            merged(Value::Null, json!({ "url": good })).expect(good);
        }
        let long = format!("https://a.example/{}", "x".repeat(2_048));
        for bad in [
            "",
            "a.example",
            "/hook",
            "ftp://a.example",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https:a.example",
            "https:/a.example",
            "https://user@a.example",
            "https://u:p@a.example",
            "https://@a.example",
            "https://a.example\\@b.example",
            "https://a.example/#x",
            "https://a.example:0",
            "https://a.example:99999",
            "https://a .example",
            "https://a.example/\n",
            "https://аpple.example",
            "javascript:alert(1)",
            "unix:/x",
            long.as_str(),
        ] {
            assert!(merged(Value::Null, json!({ "url": bad })).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn wrong_types_unknown_fields_and_countries_are_refused_by_name() {
        let url = "https://a.example";
        for (bad, field) in [
            (json!({}), "settings.url"),
            (json!({"url": 1}), "settings.url"),
            (json!({"url": null}), "settings.url"),
            (json!({"url": url, "country": "ie"}), "settings.country"),
            (json!({"url": url, "country": "Ireland"}), "settings.country"),
            (json!({"url": url, "country": ["IE"]}), "settings.country"),
            (json!({"url": url, "sharedSecret": ""}), "settings.sharedSecret"),
            (json!({"url": url, "region": "us-west"}), "settings.region"),
        ] {
            let Err(ControlError::Invalid { field: found, .. }) = merged(Value::Null, bad.clone()) else {
                panic!("{bad}")
            };
            assert_eq!(found, field);
        }
    }

    #[test]
    fn the_catalog_says_what_a_kind_takes_and_which_of_it_is_secret() {
        let entry = kind("actions-amplitude").expect("of the catalog");
        let given = |value: Value| value.as_object().cloned().unwrap_or_default();
        let settings =
            merge(entry, &Settings::default(), &given(json!({"apiKey": "k", "secretKey": "s", "endpoint": "europe"})));
        let settings = settings.expect("good settings");
        assert_eq!(Value::Object(settings.open), json!({"endpoint": "europe"}));
        assert_eq!(settings.secret.keys().collect::<Vec<_>>(), ["apiKey", "secretKey"]);
        let wrong = merge(entry, &Settings::default(), &given(json!({"colour": "red"})));
        assert!(matches!(wrong, Err(ControlError::Invalid { field, .. }) if field == "settings.colour"));
        let near = kind("actions-amplitud").expect_err("no such kind").to_string();
        assert!(near.contains("actions-amplitude"), "{near}");
    }
}
