//! Pages of long lists, things and their links.

use crate::bed::{BY, Bed, each, new_source};
use crate::single::OneStep as _;
use domicile_control::{AuditFilter, ControlError, Listed, NewDestination, Page, Resource, Thing};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// `1 2 3 | <> 9`: the rows' slugs, whether there are pages before and after, the total.
fn told(listed: &Listed<domicile_control::SourceRecord>) -> String {
    let slugs: Vec<_> = listed.rows.iter().map(|row| row.slug.as_str()).collect();
    let ways = format!("{}{}", if listed.has_before { "<" } else { "" }, if listed.has_after { ">" } else { "" });
    format!("{} | {ways} {}", slugs.join(" "), listed.total)
}

#[test]
fn pages_go_both_ways_and_rows_that_come_and_go_move_no_other() {
    each(|bed| {
        let id = &bed.workspace.id;
        let other = bed.store.create_workspace(&BY, "other", "Other").expect("makes another");
        for n in 0..7 {
            bed.store.create_source(&BY, id, &new_source(&format!("s{n}"))).expect("makes one");
            bed.store.create_source(&BY, &other.id, &new_source(&format!("o{n}"))).expect("makes another's");
        }
        let page = |page: Page| bed.store.view(|view| view.sources(id, &page)).expect("reads");
        let first = page(Page::first(3));
        assert_eq!(told(&first), "s0 s1 s2 | > 7");
        assert!(first.rows.iter().all(|row| row.write_keys.len() == 1));
        let end = first.last.expect("has rows");
        // The row that the next page begins after goes, and so does one on it; one more comes.
        bed.store.delete_source(&BY, id, &first.rows[2].id).expect("deletes s2");
        let second = page(Page::after(end, 3));
        bed.store.delete_source(&BY, id, &second.rows[1].id).expect("deletes s4");
        bed.store.create_source(&BY, id, &new_source("s7")).expect("makes s7");
        assert_eq!(told(&second), "s3 s4 s5 | <> 6");
        assert_eq!(told(&page(Page::after(second.last.expect("has rows"), 3))), "s6 s7 | < 6");
        assert_eq!(told(&page(Page::before(second.last.expect("has rows"), 2))), "s1 s3 | <> 6");
        assert_eq!(told(&page(Page::before(end, 9))), "s0 s1 | > 6");
        assert_eq!(told(&page(Page::last(2))), "s6 s7 | < 6");
        assert_eq!(told(&page(Page::first(9))), "s0 s1 s3 s5 s6 s7 |  6");
        assert_eq!(told(&page(Page::after(i64::MAX, 2))), " | < 6");
        assert_eq!(told(&page(Page::before(i64::MIN, 2))), " | > 6");
        assert_eq!(told(&page(Page::first(0))), "s0 | > 6", "a page has at least one row");
        let nobody = domicile_workspace::WorkspaceId::new("nobody\0");
        let none = bed.store.view(|view| view.sources(&nobody, &Page::first(9)));
        assert!(matches!(none, Err(ControlError::NotFound(Resource::Workspace))));
    });
}

#[test]
fn every_list_has_pages() {
    each(|bed| {
        let id = &bed.workspace.id;
        let source = bed.store.create_source(&BY, id, &new_source("web")).expect("makes a source");
        for n in 0..3 {
            let settings = json!({ "url": format!("https://a.example/{n}"), "sharedSecret": "s" });
            let new = NewDestination {
                source: source.id.clone(),
                catalog: "webhook".to_owned(),
                name: None,
                enabled: true,
                settings: settings.as_object().cloned().expect("an object"),
            };
            bed.store.create_destination(&BY, id, &new).expect("makes a destination");
        }
        bed.store
            .view(|view| {
                for from in [None, Some(&source.id)] {
                    let listed = view.destinations(id, from, &Page::first(2))?;
                    assert_eq!((listed.rows.len(), listed.total, listed.has_after), (2, 3, true));
                    assert_eq!(listed.rows[0].secrets, ["sharedSecret"]);
                    assert!(!format!("{listed:?}").contains("\"s\""), "a secret is not read back");
                }
                assert_eq!(view.workspaces(None, &Page::first(9))?.rows[0].id, *id);
                let account = view.workspace(id)?.account;
                assert_eq!(view.workspaces(Some(&account), &Page::first(9))?.total, 1);
                let of_source = AuditFilter { resource_id: Some(source.id.to_string()), ..AuditFilter::default() };
                assert_eq!(view.audit(id, &of_source, &Page::last(1))?.rows[0].kind, "Source Created");
                let made = AuditFilter { kind: Some("Integration Created".to_owned()), ..AuditFilter::default() };
                assert_eq!(view.audit(id, &made, &Page::first(9))?.total, 3);
                let later = AuditFilter { from: Some(view.now().plus(1_000)), ..AuditFilter::default() };
                assert_eq!(view.audit(id, &later, &Page::first(9))?.rows, []);
                Ok::<_, ControlError>(())
            })
            .expect("reads");
    });
}

/// A thing that exists only here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Warehouse {
    name: String,
    host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

impl Thing for Warehouse {
    const KIND: &'static str = "warehouse";
    const AUDIT: &'static str = "Warehouse";
    const RESOURCE: Resource = Resource::Warehouse;

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), ControlError> {
        if self.host.is_empty() {
            let (field, what, mend) = ("host".to_owned(), "is empty".to_owned(), "give one".to_owned());
            return Err(ControlError::Invalid { field, what, mend });
        }
        Ok(())
    }

    fn take_secrets(&mut self) -> Map<String, Value> {
        self.password.take().map(|password| ("password".to_owned(), password.into())).into_iter().collect()
    }

    fn put_secrets(&mut self, secrets: Map<String, Value>) {
        self.password = secrets.get("password").and_then(Value::as_str).map(str::to_owned);
    }
}

fn warehouse(name: &str) -> Warehouse {
    Warehouse { name: name.to_owned(), host: "db.example".to_owned(), password: Some("correct-horse".to_owned()) }
}

#[test]
fn a_thing_is_kept_changed_and_deleted_and_the_trail_tells() {
    each(|bed| {
        let id = &bed.workspace.id;
        let other = bed.store.create_workspace(&BY, "other", "Other").expect("makes another");
        let made = bed.store.change(&BY, |change| change.create_thing(id, None, warehouse("w"))).expect("makes one");
        let bed = bed.reopen();
        let id = &bed.workspace.id;
        let read = |workspace| bed.store.view(|view| view.thing::<Warehouse>(workspace, &made.id));
        assert_eq!(read(id).expect("reads"), made);
        assert!(matches!(read(&other.id), Err(ControlError::NotFound(Resource::Warehouse))));
        let update = |version, host: &str| {
            bed.store.change(&BY, |change| {
                change.update_thing::<Warehouse>(id, &made.id, version, |value| {
                    value.host = host.to_owned();
                    Ok(())
                })
            })
        };
        let moved = update(Some(made.version), "b.example").expect("changes it");
        assert_eq!((moved.value.host.as_str(), moved.value.password.as_deref()), ("b.example", Some("correct-horse")));
        assert!(matches!(update(Some(made.version), "c.example"), Err(ControlError::Stale { .. })));
        assert!(matches!(update(None, ""), Err(ControlError::Invalid { .. })));
        assert_eq!(update(None, "b.example").expect("changes nothing").version, moved.version);
        bed.store.change(&BY, |change| change.delete_thing::<Warehouse>(id, &made.id, None)).expect("deletes it");
        assert!(matches!(read(id), Err(ControlError::NotFound(_))));
        let trail = bed.store.audit(id, 0, 99).expect("reads");
        let trail = &trail[1..];
        let kinds: Vec<_> = trail.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(kinds, ["Warehouse Created", "Warehouse Modified", "Warehouse Deleted"]);
        assert_eq!(trail[1].after.as_ref().expect("is there")["secrets"], json!(["password"]));
        nowhere_in_clear(&bed, "correct-horse");
    });
}

#[test]
fn things_have_pages_parents_and_links() {
    each(|bed| {
        let id = &bed.workspace.id;
        bed.store
            .change(&BY, |change| {
                let ids = (0..5).map(|n| {
                    let parent = if n < 3 { "p" } else { "q" };
                    Ok(change.create_thing(id, Some(parent), warehouse(&format!("w{n}")))?.id)
                });
                let ids: Vec<String> = ids.collect::<Result<_, ControlError>>()?;
                let listed = change.things::<Warehouse>(id, Some("p"), &Page::first(2))?;
                assert_eq!((listed.rows.len(), listed.total, listed.has_after), (2, 3, true));
                assert_eq!(change.count_things::<Warehouse>(id, None)?, 5);

                let body = json!({ "enabled": true });
                assert!(change.link(id, "label", ("l", &ids[0]), Some(&body))?);
                assert!(!change.link(id, "label", ("l", &ids[0]), Some(&body))?, "it is there");
                for to in &ids[1..] {
                    assert!(change.link(id, "label", ("l", to), None)?);
                }
                assert!(change.unlink(id, "label", ("l", &ids[1]))?);
                assert!(!change.unlink(id, "label", ("l", &ids[1]))?);
                assert_eq!(change.linked(id, "label", ("l", &ids[0]))?.expect("is there").body, Some(body));
                assert_eq!(change.links_from(id, "label", "l", &Page::first(2))?.total, 4);
                assert_eq!(change.links_to(id, "label", &ids[2], &Page::first(2))?.rows[0].a, "l");
                change.delete_thing::<Warehouse>(id, &ids[2], None)?;
                assert_eq!(change.links_to(id, "label", &ids[2], &Page::first(2))?.total, 0, "it took its links along");
                assert_eq!(change.delete_things_of::<Warehouse>(id, "p")?, 2);
                assert_eq!(change.count_things::<Warehouse>(id, None)?, 2);
                assert!(change.link(id, "label", ("l", &ids[1]), None)?, "a link can be made again");
                Ok::<_, ControlError>(())
            })
            .expect("changes");
    });
}

#[test]
fn no_column_holds_a_secret_in_clear() {
    each(|bed| {
        let id = &bed.workspace.id;
        let source = bed.store.create_source(&BY, id, &new_source("web")).expect("makes a source");
        let settings = json!({ "url": "https://a.example", "sharedSecret": "correct-horse" });
        let new = NewDestination {
            source: source.id.clone(),
            catalog: "webhook".to_owned(),
            name: None,
            enabled: true,
            settings: settings.as_object().cloned().expect("an object"),
        };
        bed.store.create_destination(&BY, id, &new).expect("makes a destination");
        let token = bed.store.create_token(&BY, id, "ci").expect("makes a token").token;
        let once = domicile_control::Once { key: "k".to_owned(), request: [1; 32] };
        bed.store
            .change(&BY, |change| change.once(&once, |_| Ok::<_, ControlError>((201, token.clone().into_bytes()))))
            .expect("keeps an answer");
        bed.store.change(&BY, |change| change.create_thing(id, None, warehouse("w"))).expect("makes a thing");
        nowhere_in_clear(&bed, "correct-horse");
        nowhere_in_clear(&bed, &token);
    });
}

/// Looks through every column of every table; on SQLite through the bytes of the files too.
fn nowhere_in_clear(bed: &Bed, secret: &str) {
    let columns = if bed.home.is_sqlite() {
        "SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    } else {
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    };
    let columns = bed.home.shell(columns).expect("reads the columns");
    assert!(columns.len() > 100, "{columns:?}");
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    for column in columns {
        let (table, column) = column.split_once('.').expect("a table and a column");
        let text = if bed.home.is_sqlite() {
            format!("instr(CAST({column} AS TEXT), '{secret}') > 0 OR instr(lower(hex({column})), '{hex}') > 0")
        } else {
            format!("position('{secret}' in {column}::text) > 0 OR position('{hex}' in {column}::text) > 0")
        };
        let found = bed.home.shell(&format!("SELECT count(*) FROM {table} WHERE {text}")).expect("looks");
        assert_eq!(found, ["0"], "{table}.{column}");
    }
    if bed.home.is_sqlite() {
        for file in [bed.home.path(), bed.home.path().with_extension("db-wal")] {
            let bytes = std::fs::read(file).expect("reads");
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
}
