//! What of a change decides where data goes, for people.

use super::shape::Kind;
use domicile_catalog::{Catalog, Kind as CatalogKind};
use domicile_region::{Country, Region, Rule};
use serde_json::{Map, Value};
use url::Url;

/// Settings that hold a host, beside those that hold an address of one.
const HOSTS: [&str; 5] = ["hostname", "host", "endpoint", "server", "account"];

/// The sentences for a thing that becomes `after`, from `before` if it was there. `region`: with what the workspace's own
/// transfers let out. `today`: `YYYY-MM-DD`.
pub(crate) fn notes(
    kind: Kind,
    before: Option<&Map<String, Value>>,
    after: &Map<String, Value>,
    region: &Region,
    today: &str,
) -> Vec<String> {
    match kind {
        Kind::Source => source(before, after, region),
        Kind::Destination => connection(CatalogKind::Destination, before, after, region, today),
        Kind::Warehouse => connection(CatalogKind::Warehouse, before, after, region, today),
        _ => Vec::new(),
    }
}

fn source(before: Option<&Map<String, Value>>, after: &Map<String, Value>, region: &Region) -> Vec<String> {
    let mut notes = Vec::new();
    let was = |field: &str| before.and_then(|before| before.get(field));
    let point = after.get("ingestionRegion");
    let named = point.and_then(Value::as_str);
    if let Some(found) = region.ingest.iter().find(|found| Some(found.name.as_str()) == named)
        && was("ingestionRegion") != point
        && (before.is_some() || found.remote)
    {
        let stands = format!("events are taken in at `{}`, in {}", found.name, found.country);
        notes.push(match found.remote {
            true => format!("{stands}, outside {}: it keeps them until the region has them", region.country),
            false => stands,
        });
    }
    if was("strict") == Some(&Value::Bool(true)) && after.get("strict") != Some(&Value::Bool(true)) {
        notes.push(format!("strict is switched off: every ingest point of `{}` takes this source's events", region.id));
    }
    notes
}

/// A destination or a warehouse: something that data goes to.
fn connection(
    kind: CatalogKind,
    before: Option<&Map<String, Value>>,
    after: &Map<String, Value>,
    region: &Region,
    today: &str,
) -> Vec<String> {
    let mut notes = Vec::new();
    let (is, was) = (where_to(after), before.map(where_to));
    let switched_on = before.is_some_and(|before| before.get("enabled") != Some(&Value::Bool(true)))
        && after.get("enabled") == Some(&Value::Bool(true));
    if was.as_ref() == Some(&is) && !switched_on {
        return notes;
    }
    let catalog = after.get("type").and_then(Value::as_str).unwrap_or_default();
    let host = is.host.as_deref().unwrap_or(catalog);
    match is.country {
        Some(country) => notes.push(format!("data goes to {host}, which is declared to be in {country}")),
        None => notes.push(format!("data goes to {host}")),
    }
    match is.country.map(|country| (country, region.border.rule(country, Some(catalog), today))) {
        Some((country, None)) => notes.push(format!(
            "needs a transfer: the border of `{}` lets nothing go to {country}; nothing is sent until there is one",
            region.id
        )),
        Some((country, Some(Rule::Transfer(transfer)))) => notes.push(format!(
            "goes to {country} by a transfer (basis {}, approved by {}, until {})",
            transfer.basis, transfer.approved_by, transfer.expires
        )),
        Some((_, Some(Rule::Allow))) => {}
        None => {
            let Some(entry) = Catalog::get().find(kind, catalog) else { return notes };
            let here = entry.availability(region, today);
            if let Some(reason) = here.reason {
                notes.push(format!("{}; {}", reason.what, reason.mend));
            }
            notes.extend(here.cautions);
        }
    }
    notes
}

#[derive(PartialEq)]
struct WhereTo {
    host: Option<String>,
    country: Option<Country>,
}

fn where_to(fields: &Map<String, Value>) -> WhereTo {
    let settings = fields.get("settings").and_then(Value::as_object);
    let texts = settings.into_iter().flatten().filter_map(|(name, value)| Some((name, value.as_str()?)));
    let host = texts.filter_map(|(name, text)| match Url::parse(text) {
        Ok(url) if url.has_host() => url.host_str().map(str::to_owned),
        _ => HOSTS.contains(&name.as_str()).then(|| text.to_owned()),
    });
    let country = settings.and_then(|settings| settings.get("country")?.as_str());
    WhereTo { host: host.into_iter().next(), country: country.and_then(Country::new) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_region::Topology;
    use serde_json::json;

    fn said(region: &str, kind: Kind, before: Value, after: Value) -> Vec<String> {
        let topology = Topology::built_in();
        let region = topology.regions.iter().find(|found| found.id.as_str() == region).expect("a region");
        notes(kind, before.as_object(), after.as_object().expect("an object"), region, "2026-11-24")
    }

    #[test]
    fn a_host_that_is_new_is_told_and_one_that_stays_is_not() {
        let hook = |url: &str, country: &str| json!({"type": "webhook", "enabled": true, "settings": {"url": url, "country": country}});
        let at = |url| hook(url, "IE");
        let told = said("eu-west", Kind::Destination, Value::Null, at("https://a.example/x"));
        assert_eq!(told, ["data goes to a.example, which is declared to be in IE"]);
        assert!(said("eu-west", Kind::Destination, at("https://a.example/x"), at("https://a.example/y")).is_empty());
        let told = said("eu-west", Kind::Destination, at("https://a.example/x"), at("https://b.example/x"));
        assert_eq!(told, ["data goes to b.example, which is declared to be in IE"]);
        let told = said("eu-west", Kind::Destination, at("https://a.example"), hook("https://a.example", "US"));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].starts_with("needs a transfer: the border of `eu-west` lets nothing go to US"), "{told:?}");
        assert_eq!(
            said("us-west", Kind::Destination, at("https://a.example"), hook("https://a.example", "US")).len(),
            1
        );
    }

    #[test]
    fn what_is_switched_on_is_told_as_if_it_were_new() {
        let hook = |on: bool| json!({"type": "webhook", "enabled": on, "settings": {"url": "https://a.example"}});
        assert!(!said("eu-west", Kind::Destination, hook(false), hook(true)).is_empty());
        assert!(said("eu-west", Kind::Destination, hook(true), hook(false)).is_empty());
    }

    #[test]
    fn a_source_that_is_taken_in_elsewhere_or_everywhere_is_told() {
        let source = |point: &str, strict: bool| json!({"ingestionRegion": point, "strict": strict});
        for (before, after, expected) in [
            (Value::Null, source("oregon", false), vec![]),
            (
                Value::Null,
                source("singapore", false),
                vec!["events are taken in at `singapore`, in SG, outside US: it keeps them until the region has them"],
            ),
            (source("singapore", true), source("oregon", true), vec!["events are taken in at `oregon`, in US"]),
            (
                source("oregon", true),
                source("oregon", false),
                vec!["strict is switched off: every ingest point of `us-west` takes this source's events"],
            ),
            (source("oregon", false), source("oregon", true), vec![]),
        ] {
            assert_eq!(said("us-west", Kind::Source, before, after), expected);
        }
    }
}
