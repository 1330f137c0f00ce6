//! `domicile catalog`: what can be connected, where its partner has endpoints, and what that is in each region.
//!
//! Needs no cell and no network: the catalog is in the program, the regions are in the topology.

use crate::exit::{Exit, Failure};
use crate::up::{chosen, read_topology};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use domicile_catalog::{Catalog, Detail, Entry, Kind, Place, Territory};
use domicile_region::Region;
use domicile_world::World;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

#[derive(Args)]
pub struct CatalogArgs {
    /// A slug, an id, or a part of a name; everything when absent
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Only entries of this kind
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(kind_named))]
    kind: Option<Kind>,
    /// Only what this region makes of them
    #[arg(long, value_name = "R")]
    region: Option<String>,
    /// The regions; the two demo regions without it
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
    /// Print a list of entries as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: CatalogArgs) -> Result<Exit, Failure> {
    let world = World::real();
    let topology = read_topology(args.topology.as_deref(), &world)?;
    let view = View {
        regions: chosen(&topology, args.region.as_deref())?,
        today: domicile_event::Stamp::of(world.clock.now().0).day().to_owned(),
    };
    let entries = meant(Catalog::get(), args.name.as_deref(), args.kind)?;
    let text = if args.json {
        format!("{:#}\n", Value::Array(entries.iter().map(|entry| view.json(entry)).collect()))
    } else if args.name.is_some() && entries.len() <= DETAILS_MAX {
        entries.iter().map(|entry| view.details(entry)).collect::<Vec<_>>().join("\n")
    } else {
        view.table(&entries)
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // `| head` has read enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::unreached(error)),
        _ => Ok(Exit::Done),
    }
}

/// A name that more entries than this have in them gets the table.
const DETAILS_MAX: usize = 3;

/// Longer slugs push their line to the right: a slug is there to be typed.
const SLUG_CHARS_MAX: usize = 36;

const NAME_CHARS_MAX: usize = 28;

fn kind_named(name: String) -> Result<Kind, &'static str> {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or("no kind")
}

/// The entries of this name and kind; never none when a name is given.
fn meant<'a>(catalog: &'a Catalog, name: Option<&str>, kind: Option<Kind>) -> Result<Vec<&'a Entry>, Failure> {
    let mut entries = name.map_or_else(|| catalog.entries().iter().collect(), |name| catalog.search(name));
    entries.retain(|entry| kind.is_none_or(|kind| entry.kind() == kind));
    match name {
        Some(name) if entries.is_empty() => Err(Failure::usage(unknown(catalog, name, kind))),
        _ => Ok(entries),
    }
}

fn unknown(catalog: &Catalog, name: &str, kind: Option<Kind>) -> String {
    // Debug form: what was typed may hold anything, and must not reach the terminal as it is.
    let shown: String = name.chars().take(60).collect();
    let dots = if shown.len() < name.len() { "…" } else { "" };
    let near = catalog.near(name, kind);
    let mend = match near.as_slice() {
        [] => "`domicile catalog` lists all of them".to_owned(),
        near => format!("did you mean {}?", near.join(", ")),
    };
    format!("the catalog has no {} {shown:?}{dots}\n  mend: {mend}", kind.map_or("entry", Kind::as_str))
}

/// The entries as these regions see them today.
struct View {
    regions: Vec<Region>,
    today: String,
}

impl View {
    fn place(&self, entry: &Entry, region: &Region) -> Place {
        entry.availability(region, &self.today).place
    }

    fn json(&self, entry: &Entry) -> Value {
        let places = self.regions.iter().map(|region| {
            let seen = entry.availability(region, &self.today);
            let reason = seen.reason.as_ref().map(|reason| json!({ "what": reason.what, "mend": reason.mend }));
            let inside: Vec<_> = seen.endpoints_in_region.iter().map(|endpoint| endpoint.as_str()).collect();
            let place = json!({
                "place": seen.place.as_str(), "endpoints": inside, "reason": reason, "cautions": seen.cautions,
            });
            (region.id.to_string(), place)
        });
        let usable = self.regions.iter().filter(|region| self.place(entry, region) != Place::NotHere);
        let hosts = entry.hosts.iter().map(|host| {
            json!({
                "host": host.host, "in": host.territory.as_str(),
                "country": host.country.map(|country| country.to_string()),
            })
        });
        let notes = entry.notes.iter().map(|note| {
            json!({ "field": note.field, "was": note.was, "note": note.note, "from": note.from, "date": note.date })
        });
        json!({
            "kind": entry.kind(), "slug": entry.slug, "name": entry.name,
            "regions": usable.map(|region| region.id.as_str()).collect::<Vec<_>>(),
            "endpoints": entry.endpoints.iter().map(Territory::as_str).collect::<Vec<_>>(),
            "available": entry.is_ready(),
            "why": entry.why_not_ready(),
            "id": entry.id(), "status": entry.status, "categories": entry.categories, "hidden": entry.hidden,
            "places": places.collect::<Map<_, _>>(),
            "hosts": hosts.collect::<Vec<_>>(),
            "provenance": { "from": entry.from, "date": entry.date, "notes": notes.collect::<Vec<_>>() },
        })
    }

    /// Grouped by kind, with the counts at the end.
    fn table(&self, entries: &[&Entry]) -> String {
        let slug = width(entries.iter().map(|entry| entry.slug.as_str()), "destinations").min(SLUG_CHARS_MAX);
        let name = width(entries.iter().map(|entry| entry.name.as_str()), "name").min(NAME_CHARS_MAX);
        let columns: Vec<_> = self.regions.iter().map(|region| width(["by transfer"], region.id.as_str())).collect();
        let (mut text, mut counts) = (String::new(), String::new());
        for kind in Kind::ALL {
            let entries: Vec<_> = entries.iter().filter(|entry| entry.kind() == kind).collect();
            if entries.is_empty() {
                continue;
            }
            let heading = format!("{kind}s");
            line(
                &mut text,
                &format!("{heading:slug$}  {:name$}  {:12}", "name", "endpoints"),
                |region, at| format!("  {:1$}", region.id.as_str(), columns[at]),
                &self.regions,
            );
            for entry in &entries {
                let endpoints = joined(&entry.endpoints);
                let start = format!("{:slug$}  {:name$}  {endpoints:12}", entry.slug, cut(&entry.name));
                let mark =
                    |region: &Region, at: usize| format!("  {:1$}", self.place(entry, region).as_str(), columns[at]);
                line(&mut text, &start, mark, &self.regions);
            }
            text.push('\n');
            let ready = entries.iter().filter(|entry| entry.is_ready()).count();
            let _ =
                writeln!(counts, "{heading}: {}, {ready} of them can be switched on in this version", entries.len());
            for region in &self.regions {
                let in_place = |place| entries.iter().filter(|entry| self.place(entry, region) == place).count();
                let marks = [Place::InRegion, Place::ByTransfer, Place::NotHere];
                let marks = marks.map(|place| format!("{} {}", in_place(place), place.as_str()));
                let _ = writeln!(counts, "  {}: {}", region.id, marks.join(", "));
            }
        }
        text + &counts
    }

    fn details(&self, entry: &Entry) -> String {
        let mut text = format!("{} {}: {}\n", entry.kind(), entry.slug, entry.name);
        let mut field = |name: &str, value: &str| {
            let _ = writeln!(text, "  {name:11} {value}");
        };
        field("id", entry.id());
        field("status", entry.status.as_str());
        field("categories", &entry.categories.join(", "));
        if !entry.previous_names.is_empty() {
            field("before", &entry.previous_names.join(", "));
        }
        field("endpoints", &joined(&entry.endpoints));
        for host in &entry.hosts {
            let country = host.country.map(|country| format!(", {country}")).unwrap_or_default();
            field("", &format!("{} ({}{country})", host.host, host.territory));
        }
        for region in &self.regions {
            let seen = entry.availability(region, &self.today);
            let by = seen.transfer.map(|it| format!(" to {}, which holds until {}", it.to, it.expires));
            field(region.id.as_str(), &format!("{}{}", seen.place.as_str(), by.unwrap_or_default()));
            if let Some(reason) = &seen.reason {
                field("", &reason.what);
                field("", &format!("mend: {}", reason.mend));
            }
            for caution in &seen.cautions {
                field("", caution);
            }
        }
        if let Detail::Destination(destination) = &entry.detail {
            field("calls", &destination.methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", "));
            if destination.actions_framework {
                field("actions", &destination.action_count.to_string());
            }
        }
        match entry.settings.as_deref() {
            None if entry.kind() == Kind::Source => {}
            None => field("settings", "not known; any JSON object is taken"),
            Some([]) => field("settings", "none"),
            Some(settings) => {
                for (at, setting) in settings.iter().enumerate() {
                    let needed = if setting.required { ", required" } else { "" };
                    let secret = if setting.secret { ", secret" } else { "" };
                    let name = if at == 0 { "settings" } else { "" };
                    field(name, &format!("{} ({}{needed}{secret})", setting.name, setting.setting_type.as_str()));
                }
            }
        }
        match entry.why_not_ready() {
            None => field("now", "can be switched on"),
            Some(why) => field("now", &format!("can't be switched on: {why}")),
        }
        field("from", &format!("{}, {}", entry.from, entry.date));
        for note in &entry.notes {
            let was = note.was.as_ref().map(|was| format!(" (was {was:?})")).unwrap_or_default();
            field("note", &format!("{}{was}: {} ({}, {})", note.field, note.note, note.from, note.date));
        }
        text
    }
}

fn line(text: &mut String, start: &str, cell: impl Fn(&Region, usize) -> String, regions: &[Region]) {
    let cells: String = regions.iter().enumerate().map(|(at, region)| cell(region, at)).collect();
    let _ = writeln!(text, "{}", format!("{start}{cells}").trim_end());
}

fn joined(territories: &[Territory]) -> String {
    territories.iter().map(Territory::as_str).collect::<Vec<_>>().join(", ")
}

fn width<'a>(texts: impl IntoIterator<Item = &'a str>, heading: &'a str) -> usize {
    texts.into_iter().chain([heading]).map(|text| text.chars().count()).max().unwrap_or(0)
}

fn cut(name: &str) -> String {
    match name.char_indices().nth(NAME_CHARS_MAX) {
        None => name.to_owned(),
        Some(_) => name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_region::Topology;

    fn view() -> View {
        View { regions: Topology::built_in().regions, today: "2026-11-24".to_owned() }
    }

    fn found(name: &str, kind: Option<Kind>) -> Result<Vec<String>, String> {
        let entries = meant(Catalog::get(), Some(name), kind).map_err(|failure| {
            assert_eq!(failure.code(), 2);
            failure.to_string()
        })?;
        Ok(entries.iter().map(|entry| format!("{} {}", entry.kind(), entry.slug)).collect())
    }

    #[test]
    fn a_name_is_a_slug_an_id_or_a_part_of_one() {
        let one = |name: &str| Ok(vec![name.to_owned()]);
        assert_eq!(found("webhook", None), one("destination webhook"));
        assert_eq!(found("5f7dd6d21ad74f3842b1fc47", None), one("destination actions-amplitude"));
        assert_eq!(found("Intercom Web", None), one("destination actions-intercom-web"));
        assert_eq!(found("amazon-s3", Some(Kind::Warehouse)), one("warehouse amazon-s3"));
    }

    #[test]
    fn a_misspelled_name_is_told_what_was_meant() {
        let wanted = "domicile: the catalog has no entry \"webhok\"\n  mend: did you mean webhook, actions-webhook?";
        assert_eq!(found("webhok", None), Err(wanted.to_owned()));
        let wanted = "domicile: the catalog has no source \"webhook\"\n  mend: `domicile catalog` lists all of them";
        assert_eq!(found("webhook", Some(Kind::Source)), Err(wanted.to_owned()));
    }

    #[test]
    fn a_hostile_name_reaches_the_terminal_escaped_and_cut() {
        for name in
            ["", " ", "\u{1b}[2Jx\u{7}", "\u{202e}gpj", "a\nb", "'; DROP TABLE entries; --", "%s%n", "../../etc"]
        {
            let text = found(name, None).expect_err(name);
            let said = text.lines().next().unwrap_or_default();
            assert!(text.lines().count() == 2 && !text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?}");
        }
        let text = found(&"é".repeat(1 << 20), None).expect_err("too long");
        assert!(text.len() < 300, "{} bytes", text.len());
    }

    #[test]
    fn the_table_has_a_line_for_each_entry_and_ends_with_the_counts() {
        let entries: Vec<_> = Catalog::get().entries().iter().collect();
        let table = view().table(&entries);
        // Each kind has a heading, a blank line behind it, its count, and a count for each region.
        assert_eq!(table.lines().count(), entries.len() + 3 * (2 + 1 + 2));
        let end = "warehouses: 12, 0 of them can be switched on in this version\n  us-west: 12 in region, 0 by transfer, 0 not here\n  eu-west: 12 in region, 0 by transfer, 0 not here\n";
        assert!(table.ends_with(end), "{table}");
        let line = table.lines().find(|line| line.starts_with("airship ")).expect("its line");
        assert_eq!(line.split_whitespace().collect::<Vec<_>>().join(" "), "airship Airship US in region not here");
    }

    #[test]
    fn the_details_say_what_stands_in_the_way_in_each_region_and_whence_the_facts_are() {
        let [airship] = *meant(Catalog::get(), Some("airship"), Some(Kind::Source)).expect("it is there") else {
            panic!("one source")
        };
        let text = view().details(airship);
        for part in
            ["us-west     in region", "eu-west     not here", "taken in outside the region", "mend: let", "2025-11-07"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn json_has_the_promised_fields_for_every_entry() {
        let view = view();
        for entry in Catalog::get().entries() {
            let json = view.json(entry);
            let texts = ["kind", "slug", "name", "id", "status"].map(|field| json[field].is_string());
            let lists = ["regions", "endpoints", "categories"].map(|field| json[field].is_array());
            assert!(texts.into_iter().chain(lists).all(|holds| holds), "{json}");
            assert_eq!(json["available"].as_bool(), Some(json["why"].is_null()), "{json}");
        }
        let json = |kind, slug| Catalog::get().find(kind, slug).map(|entry| view.json(entry)).expect("it is there");
        let airship = json(Kind::Source, "airship");
        assert_eq!((&airship["regions"], &airship["endpoints"]), (&json!(["us-west"]), &json!(["US"])));
        assert_eq!(json(Kind::Destination, "slack")["regions"], json!(["us-west", "eu-west"]));
        assert_eq!(json(Kind::Destination, "webhook")["available"], true);
    }
}
