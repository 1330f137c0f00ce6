//! Configuration as code: a workspace as a document, on each engine.

use crate::bed::{BY, Bed, each};
use crate::single::OneStep as _;
use domicile_control::{
    Action, ApplyConfiguration, ConfigurationError, ConfigurationFault, ControlError, ExportedConfiguration, FaultKind,
    Plan,
};
use domicile_region::RegionId;
use domicile_workspace::{Workspace, WorkspaceId};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::sync::Arc;

/// A document with a thing of every kind, for any workspace of the bed's region.
fn whole(bed: &Bed) -> Value {
    json!({
        "workspace": { "region": bed.store.region().as_str() },
        "labels": { "team:web": { "description": "The web team" }, "team:data": {} },
        "sources": {
            "web": {
                "type": "website", "name": "Web site", "ingestionRegion": "geneva", "strict": true,
                "rateLimit": { "perSecond": 100, "burst": 200 }, "labels": ["environment:prod", "team:web"],
                "trackingPlan": "Shop", "warehouses": ["Reports"],
                "schemaSettings": { "track": { "allowUnplannedEvents": false }, "forwardingViolationsTo": "server" },
                "destinations": {
                    "Hook": {
                        "type": "webhook",
                        "settings": { "url": "https://a.example/hook", "country": "CH", "sharedSecret": "correct-horse" },
                        "filters": {
                            "No tests": { "if": "event = 'Test'", "actions": [{ "type": "DROP" }] },
                            "A tenth": { "if": "all", "actions": [{ "type": "SAMPLE", "percent": 0.1 }], "enabled": false }
                        }
                    },
                    "Hook (2)": { "type": "webhook", "name": "Hook", "enabled": false, "settings": { "url": "https://b.example/" } }
                }
            },
            "server": { "type": "server", "warehouses": [] }
        },
        "warehouses": {
            "Reports": { "type": "postgres", "settings": {
                "hostname": "db.example", "port": 5432, "database": "d", "username": "u", "password": "battery-staple", "country": "CH"
            } }
        },
        "functions": { "Double": {
            "type": "DESTINATION", "code": "async function onTrack(event) { return `${event.name}` }",
            "settings": [{ "name": "apiKey", "label": "API key", "type": "STRING", "sensitive": true, "required": true, "description": "" }]
        } },
        "trackingPlans": { "Shop": { "type": "LIVE", "description": "What the shop sends", "rules": [
            { "type": "TRACK", "key": "Order Completed", "version": 1, "jsonSchema": { "type": "object" } },
            { "type": "COMMON", "version": 1, "jsonSchema": { "type": "object" } }
        ] } },
        "transformations": { "Hash mails": {
            "source": "web", "if": "event = 'Signed Up'",
            "hashPropertiesConfiguration": { "algorithm": "sha256", "key": "stapler", "paths": ["properties.email"] }
        } }
    })
}

const SECRETS: [&str; 3] = ["correct-horse", "battery-staple", "stapler"];

enum Undo {
    Planned(Plan),
    Failed(ConfigurationError),
}

impl From<ControlError> for Undo {
    fn from(error: ControlError) -> Self {
        Self::Failed(error.into())
    }
}

struct Asked {
    prune: bool,
    if_version: Option<u64>,
    referenced: Option<HashSet<String>>,
    dry: bool,
}

const APPLY: Asked = Asked { prune: false, if_version: None, referenced: None, dry: false };
const PRUNE: Asked = Asked { prune: true, ..APPLY };
const PLAN: Asked = Asked { dry: true, ..APPLY };

fn ask(bed: &Bed, workspace: &WorkspaceId, document: &Value, asked: &Asked) -> Result<Plan, ConfigurationError> {
    let document = document.as_object().expect("an object");
    let region_of_key = |key: &str| key.starts_with("aus_").then(|| RegionId::new("au-east"));
    let made = bed.store.change(&BY, |change| {
        let apply = ApplyConfiguration {
            document,
            prune: asked.prune,
            if_version: asked.if_version,
            referenced: asked.referenced.as_ref(),
            region_of_key: &region_of_key,
        };
        match change.apply_configuration(workspace, &apply) {
            Ok(plan) if asked.dry => Err(Undo::Planned(plan)),
            Ok(plan) => Ok(plan),
            Err(error) => Err(Undo::Failed(error)),
        }
    });
    match made {
        Ok(plan) | Err(Undo::Planned(plan)) => Ok(plan),
        Err(Undo::Failed(error)) => Err(error),
    }
}

fn apply(bed: &Bed, document: &Value) -> Plan {
    ask(bed, &bed.workspace.id, document, &APPLY).unwrap_or_else(|error| panic!("{error:?}"))
}

fn faults(bed: &Bed, document: &Value, asked: &Asked) -> Vec<ConfigurationFault> {
    match ask(bed, &bed.workspace.id, document, asked) {
        Err(ConfigurationError::Faults(faults)) => faults,
        Err(error) => panic!("{error}"),
        Ok(plan) => panic!("taken: {plan:?}"),
    }
}

fn export(bed: &Bed, workspace: &WorkspaceId) -> ExportedConfiguration {
    bed.store.view(|view| view.export_configuration(workspace, false)).expect("exports")
}

/// The document with what stands for its secrets, and for any workspace.
fn portable(exported: &ExportedConfiguration) -> Value {
    let mut document = Value::Object(exported.document.clone());
    for path in &exported.secrets {
        let secret = match path.last().expect("a name").as_str() {
            "sharedSecret" => "correct-horse",
            "password" => "battery-staple",
            _ => "stapler",
        };
        let parent = path[..path.len() - 1].iter().fold(&mut document, |at, name| &mut at[name]);
        parent[path.last().expect("a name")] = json!(secret);
    }
    document["workspace"].as_object_mut().expect("an object").remove("slug");
    document
}

fn second(bed: &Bed) -> Arc<Workspace> {
    bed.store.create_workspace(&BY, "second", "Second").expect("makes a workspace")
}

fn steps(plan: &Plan) -> Vec<String> {
    let word = |action| match action {
        Action::Create => "create",
        Action::Change => "change",
        Action::Delete => "delete",
    };
    plan.steps.iter().map(|step| format!("{} {}", word(step.action), step.path)).collect()
}

#[test]
fn what_is_exported_makes_an_empty_workspace_the_same() {
    each(|bed| {
        apply(&bed, &whole(&bed));
        let exported = export(&bed, &bed.workspace.id);
        let other = second(&bed);
        ask(&bed, &other.id, &portable(&exported), &APPLY).unwrap_or_else(|error| panic!("{error:?}"));
        let again = export(&bed, &other.id);
        assert_eq!(portable(&again), portable(&exported));
        assert_eq!(again.secrets, exported.secrets);
        assert_eq!(exported.secrets.len(), 3);
        // And what was exported says nothing new to whom it came from.
        assert_eq!(ask(&bed, &bed.workspace.id, &portable(&exported), &PLAN).expect("plans").steps, []);
    });
}

#[test]
fn applying_twice_changes_nothing() {
    each(|bed| {
        let document = whole(&bed);
        apply(&bed, &document);
        let (version, trail) = (bed.version(), bed.store.audit(&bed.workspace.id, 0, 999).expect("reads").len());
        let plan = apply(&bed, &document);
        assert_eq!((plan.steps, plan.not_in_file), (vec![], vec![]));
        assert_eq!(bed.version(), version);
        assert_eq!(bed.store.audit(&bed.workspace.id, 0, 999).expect("reads").len(), trail);
        let workspace = &bed.workspace.id;
        assert_eq!(bed.store.view(|view| view.workspace_version(workspace)).expect("reads"), plan.version);
    });
}

#[test]
fn a_plan_shows_what_apply_does_and_changes_nothing() {
    each(|bed| {
        let document = whole(&bed);
        let before = bed.version();
        let planned = ask(&bed, &bed.workspace.id, &document, &PLAN).expect("plans");
        assert_eq!(bed.version(), before);
        assert_eq!(export(&bed, &bed.workspace.id).document["sources"], json!({}));
        let applied = apply(&bed, &document);
        assert_eq!(steps(&planned), steps(&applied));
        assert_eq!(planned.steps.len(), 13, "{:#?}", steps(&planned));
    });
}

#[test]
fn each_changed_field_is_shown_with_what_it_was() {
    each(|bed| {
        let mut document = whole(&bed);
        apply(&bed, &document);
        let web = &mut document["sources"]["web"];
        web["strict"] = json!(false);
        web["ingestionRegion"] = Value::Null;
        web["rateLimit"]["burst"] = json!(300);
        web["trackingPlan"] = Value::Null;
        web["labels"] = json!(["team:data"]);
        web["schemaSettings"] = json!({ "track": { "allowEventOnViolations": true } });
        web["destinations"]["Hook"]["settings"] =
            json!({ "url": "https://c.example/hook", "sharedSecret": "correct-horse" });
        document["warehouses"]["Reports"]["settings"]["password"] = json!("another");
        let plan = apply(&bed, &document);
        let shown: Vec<Value> = plan
            .steps
            .iter()
            .flat_map(|step| {
                let fields = step.fields.iter().map(|f| json!([step.path, f.field, f.before, f.after]));
                let secrets = step.secrets.iter().map(|s| json!([step.path, s.field, s.changed]));
                fields.chain(secrets).collect::<Vec<_>>()
            })
            .collect();
        let hook = "sources.web.destinations.Hook";
        let schema = "sources.web.schemaSettings";
        assert_eq!(
            Value::Array(shown),
            json!([
                ["warehouses.Reports", "settings.password", true],
                ["sources.web", "ingestionRegion", "geneva", "zurich"],
                ["sources.web", "strict", true, false],
                ["sources.web", "rateLimit.burst", 200, 300],
                ["sources.web", "labels", ["environment:prod", "team:web"], ["team:data"]],
                ["sources.web", "trackingPlan", "Shop", null],
                [schema, "track.allowEventOnViolations", null, true],
                [schema, "track.allowUnplannedEvents", false, null],
                [schema, "forwardingViolationsTo", "server", null],
                [hook, "settings.url", "https://a.example/hook", "https://c.example/hook"],
                [hook, "settings.country", "CH", null],
                [hook, "settings.sharedSecret", false],
            ])
        );
        let residency: Vec<&str> = plan.steps.iter().flat_map(|step| &step.residency).map(String::as_str).collect();
        assert!(residency.iter().any(|note| note.starts_with("strict is switched off")), "{residency:?}");
        assert!(residency.contains(&"data goes to c.example"), "{residency:?}");
        assert_eq!(apply(&bed, &document).steps, []);
    });
}

#[test]
fn secrets_are_in_no_plan_export_fault_or_audit_entry() {
    each(|bed| {
        let mut document = whole(&bed);
        let mut said = format!("{:?}", ask(&bed, &bed.workspace.id, &document, &PLAN));
        said += &serde_json::to_string(&apply(&bed, &document)).expect("JSON");
        said += &Value::Object(export(&bed, &bed.workspace.id).document).to_string();
        document["sources"]["web"]["destinations"]["Hook"]["settings"]["url"] = json!("ftp://correct-horse");
        said += &format!("{:?}", faults(&bed, &document, &APPLY));
        said += &format!("{:?}", bed.store.audit(&bed.workspace.id, 0, 999).expect("reads"));
        for secret in SECRETS {
            assert!(!said.contains(secret), "{secret}");
        }
    });
}

#[test]
fn a_secret_that_is_left_out_stays_and_one_in_the_file_itself_is_refused() {
    each(|bed| {
        let mut document = whole(&bed);
        apply(&bed, &document);
        for (pointer, secret) in [
            ("/sources/web/destinations/Hook/settings", "sharedSecret"),
            ("/warehouses/Reports/settings", "password"),
            ("/transformations/Hash mails/hashPropertiesConfiguration", "key"),
        ] {
            document.pointer_mut(pointer).and_then(Value::as_object_mut).expect("is there").remove(secret);
        }
        assert_eq!(apply(&bed, &document).steps, []);

        let from_outside =
            |paths: &[&str]| Asked { referenced: Some(paths.iter().map(|path| (*path).to_owned()).collect()), ..APPLY };
        let all = [
            "sources.web.destinations.Hook.settings.sharedSecret",
            "warehouses.Reports.settings.password",
            "transformations.Hash mails.hashPropertiesConfiguration.key",
        ];
        let document = whole(&bed);
        let mut told: Vec<String> =
            faults(&bed, &document, &from_outside(&[])).into_iter().map(|fault| fault.field).collect();
        told.sort_unstable();
        let mut expected = all;
        expected.sort_unstable();
        assert_eq!(told, expected);
        ask(&bed, &bed.workspace.id, &document, &from_outside(&all)).expect("they come from outside");
    });
}

#[test]
fn a_document_that_does_not_say_that_a_setting_is_sensitive_leaves_it_so() {
    each(|bed| {
        let mut document = whole(&bed);
        apply(&bed, &document);
        let sensitive = || export(&bed, &bed.workspace.id).document["functions"]["Double"]["settings"][0].clone();
        let setting = document["functions"]["Double"]["settings"][0].as_object_mut().expect("an object");
        setting.remove("sensitive");
        assert_eq!(apply(&bed, &document).steps, []);
        assert_eq!(sensitive()["sensitive"], true);
        document["functions"]["Double"]["settings"][0]["sensitive"] = json!(false);
        apply(&bed, &document);
        assert_eq!(sensitive()["sensitive"], false, "said, it is done, and the values go");
    });
}

#[test]
fn one_bad_thing_in_the_middle_and_nothing_is_done() {
    each(|bed| {
        let before = bed.version();
        let mut document = whole(&bed);
        document["sources"]["web"]["destinations"]["Hook (2)"]["settings"]["url"] = json!("ftp://b.example");
        document["sources"]["server"]["ingestionRegion"] = json!("dublin");
        let told: Vec<String> = faults(&bed, &document, &APPLY).into_iter().map(|fault| fault.field).collect();
        assert_eq!(told, ["sources.server.ingestionRegion", "sources.web.destinations.Hook (2).settings.url"]);
        assert_eq!(bed.version(), before);
        assert_eq!(export(&bed, &bed.workspace.id).document["labels"], json!({}));
        assert_eq!(bed.store.current().load().sources.size(), 0);
    });
}

#[test]
fn a_workspace_that_changed_meanwhile_is_left_alone() {
    each(|bed| {
        let document = whole(&bed);
        let planned = ask(&bed, &bed.workspace.id, &document, &PLAN).expect("plans");
        // What happens in another workspace is no matter.
        let other = second(&bed);
        bed.store.create_source(&BY, &other.id, &crate::bed::new_source("x")).expect("makes a source");
        let guarded = |version| Asked { if_version: Some(version), ..APPLY };
        let applied = ask(&bed, &bed.workspace.id, &document, &guarded(planned.version)).expect("applies");
        assert_eq!(applied.version, planned.version);
        match ask(&bed, &bed.workspace.id, &document, &guarded(planned.version)) {
            Err(ConfigurationError::Control(ControlError::Stale { version, .. })) => assert!(version > planned.version),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn what_the_document_does_not_list_is_told_and_goes_only_when_asked_for() {
    each(|bed| {
        apply(&bed, &whole(&bed));
        let region = bed.store.region().to_string();
        // No section, no look.
        let bare = json!({ "workspace": { "region": region } });
        let plan = ask(&bed, &bed.workspace.id, &bare, &PRUNE).expect("applies");
        assert_eq!((plan.steps, plan.not_in_file), (vec![], vec![]));

        let mut document = whole(&bed);
        let web = document["sources"]["web"].as_object_mut().expect("an object");
        web["destinations"] = json!({ "Hook": web["destinations"]["Hook"] });
        web["destinations"]["Hook"]["filters"] = json!({});
        document["transformations"] = json!({});
        document["labels"] = json!({ "team:web": { "description": "The web team" } });
        let plan = apply(&bed, &document);
        let mut listed: Vec<&str> = plan.not_in_file.iter().map(|thing| thing.path.as_str()).collect();
        listed.sort_unstable();
        let expected = [
            "labels.team:data",
            "sources.web.destinations.Hook (2)",
            "sources.web.destinations.Hook.filters.A tenth",
            "sources.web.destinations.Hook.filters.No tests",
            "transformations.Hash mails",
        ];
        assert_eq!((listed, plan.steps), (expected.to_vec(), vec![]));

        let plan = ask(&bed, &bed.workspace.id, &document, &PRUNE).expect("applies");
        let mut deleted = steps(&plan);
        deleted.sort_unstable();
        assert_eq!(deleted, expected.map(|path| format!("delete {path}")));

        let empty = json!({
            "workspace": { "region": region },
            "labels": {}, "sources": {}, "warehouses": {}, "functions": {}, "trackingPlans": {}, "transformations": {},
        });
        ask(&bed, &bed.workspace.id, &empty, &PRUNE).expect("applies");
        let exported = Value::Object(export(&bed, &bed.workspace.id).document);
        assert_eq!(exported["sources"], json!({}));
        assert_eq!(exported["trackingPlans"], json!({}));
    });
}

#[test]
fn the_region_never_changes_and_the_file_of_one_workspace_is_not_anothers() {
    each(|bed| {
        let here = bed.store.region().to_string();
        for (workspace, field, what) in [
            (json!({ "region": "au-east" }), "workspace.region", "is `au-east`, and this workspace is in"),
            (json!({ "region": here, "slug": "other" }), "workspace.slug", "is `other`, and this workspace is `acme`"),
            (json!({}), "workspace.region", "is missing"),
            (json!({ "region": 7 }), "workspace.region", "is not of the form"),
            (json!([]), "workspace", "is not of the form"),
            (Value::Null, "workspace", "is missing"),
        ] {
            let mut document = json!({ "workspace": workspace, "sources": { "web": { "type": "website" } } });
            if workspace.is_null() {
                document.as_object_mut().expect("an object").remove("workspace");
            }
            let told = faults(&bed, &document, &APPLY);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].field == field && told[0].what.starts_with(what), "{told:?}");
        }
        assert_eq!(bed.store.current().load().sources.size(), 0);
        let renamed = json!({ "workspace": { "region": here, "slug": "acme", "name": "Acme AG" } });
        apply(&bed, &renamed);
        assert_eq!(export(&bed, &bed.workspace.id).document["workspace"]["name"], "Acme AG");
    });
}

#[test]
fn write_keys_from_elsewhere_are_kept_and_belong_to_one_source() {
    each(|bed| {
        let region = bed.store.region().to_string();
        let with = |source: &str, keys: Value| {
            let mut document = json!({ "workspace": { "region": region }, "sources": {} });
            document["sources"][source] = json!({ "type": "website", "writeKeys": keys });
            document
        };
        apply(&bed, &with("web", json!(["fromElsewhere1", "fromElsewhere2"])));
        let keys = |bed: &Bed| -> Vec<String> {
            let snapshot = bed.store.current().load();
            snapshot.sources.values().flat_map(|source| source.write_keys.iter().map(|key| key.key.clone())).collect()
        };
        assert_eq!(keys(&bed), ["fromElsewhere1", "fromElsewhere2"]);
        // Fewer of them: the others stay unless they are pruned.
        assert_eq!(apply(&bed, &with("web", json!(["fromElsewhere2"]))).steps, []);
        let plan = ask(&bed, &bed.workspace.id, &with("web", json!(["fromElsewhere2"])), &PRUNE).expect("applies");
        assert_eq!(steps(&plan), ["change sources.web"]);
        assert_eq!(keys(&bed), ["fromElsewhere2"]);

        // One that was switched off is not exported, and is on again when the document has it.
        let id = bed.store.current().load().sources.values().next().expect("a source").id.clone();
        bed.store.add_write_key(&BY, &bed.workspace.id, &id).expect("makes a key");
        bed.store.enable_write_key(&BY, &bed.workspace.id, &id, "fromElsewhere2", false).expect("switches it off");
        let workspace = &bed.workspace.id;
        let exported = bed.store.view(|view| view.export_configuration(workspace, true)).expect("exports").document;
        assert_eq!(exported["sources"]["web"]["writeKeys"].as_array().map(Vec::len), Some(1));
        assert!(!Value::Object(exported).to_string().contains("fromElsewhere2"));
        assert_eq!(steps(&apply(&bed, &with("web", json!(["fromElsewhere2"])))), ["change sources.web"]);
        let snapshot = bed.store.current().load();
        assert!(snapshot.source(&id).expect("is there").write_keys.iter().all(|key| key.enabled));

        for (source, key, conflict, what) in [
            ("other", "fromElsewhere2", true, "the write key `fromElse…` is that of another source of this cell"),
            ("other", "aus_0123", true, "is a write key of region `au-east`"),
            ("other", "a b", false, "holds what can be no write key"),
            ("other", "", false, "holds what can be no write key"),
        ] {
            let told = faults(&bed, &with(source, json!([key])), &APPLY);
            assert_eq!(
                (told.len(), told[0].kind == FaultKind::Conflict, told[0].what.as_str()),
                (1, conflict, what),
                "{told:?}"
            );
        }
        let other = second(&bed);
        match ask(&bed, &other.id, &with("web", json!(["fromElsewhere2"])), &APPLY) {
            Err(ConfigurationError::Faults(told)) => assert_eq!(told[0].kind, FaultKind::Conflict, "{told:?}"),
            taken => panic!("{taken:?}"),
        }
    });
}

#[test]
fn a_new_source_takes_as_many_keys_as_a_source_may_have() {
    each(|bed| {
        let region = bed.store.region().to_string();
        let keys: Vec<String> = (0..101).map(|n| format!("fromElsewhere{n}")).collect();
        let with = |keys: &[String]| json!({ "workspace": { "region": region }, "sources": { "web": { "type": "website", "writeKeys": keys } } });
        assert_eq!(faults(&bed, &with(&keys), &APPLY)[0].kind, FaultKind::Conflict);
        apply(&bed, &with(&keys[..100]));
        let snapshot = bed.store.current().load();
        let source = snapshot.sources.values().next().expect("a source");
        assert_eq!(source.write_keys.iter().map(|key| key.key.clone()).collect::<Vec<_>>(), keys[..100]);
    });
}

#[test]
fn a_source_that_was_deleted_by_mistake_comes_back_from_its_export_with_its_keys() {
    each(|bed| {
        let (id, region) = (&bed.workspace.id, bed.store.region().to_string());
        let made = bed.store.create_source(&BY, id, &crate::bed::new_source("web")).expect("makes one");
        let unlisted = bed.store.add_write_key(&BY, id, &made.id).expect("adds a key").write_keys[1].key.clone();
        let key = made.write_keys[0].key.clone();
        let with = |slug: &str, kind: &str| {
            let mut document = json!({ "workspace": { "region": region }, "sources": {} });
            document["sources"][slug] = json!({ "type": kind, "writeKeys": [key, "fromElsewhere"] });
            document
        };
        bed.store.delete_source(&BY, id, &made.id).expect("deletes it");
        let told = faults(&bed, &with("other", "website"), &APPLY);
        assert!(told[0].what.ends_with("was a deleted source's"), "another slug: {told:?}");
        assert_eq!(faults(&bed, &with("web", "server"), &APPLY)[0].kind, FaultKind::Conflict, "another type");
        let other = second(&bed);
        match ask(&bed, &other.id, &with("web", "website"), &APPLY) {
            Err(ConfigurationError::Faults(told)) => assert_eq!(told[0].kind, FaultKind::Conflict, "{told:?}"),
            taken => panic!("{taken:?}"),
        }
        assert!(bed.store.current().load().source_of_key(&key).is_none());

        assert_eq!(steps(&apply(&bed, &with("web", "website"))), ["create sources.web"]);
        assert_eq!(apply(&bed, &with("web", "website")).steps, []);
        let bed = bed.reopen();
        let snapshot = bed.store.current().load();
        let back = snapshot.source_of_key(&key).map(|(source, _)| source).expect("takes events");
        assert_eq!((&back.id, back.number, back.write_keys.len()), (&made.id, made.number, 2));
        assert!(snapshot.source_of_key("fromElsewhere").is_some());
        assert!(snapshot.source_of_key(&unlisted).is_none(), "the document does not have it");
    });
}

#[test]
fn every_fault_is_told_with_the_path_of_what_is_wrong() {
    let bed = Bed::sqlite();
    let region = bed.store.region().to_string();
    let source = |more: Value| {
        let mut source = json!({ "type": "website" });
        source.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        json!({ "web": source })
    };
    let hook = |more: Value| {
        let mut hook = json!({ "type": "webhook", "settings": { "url": "https://a.example" } });
        hook.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        source(json!({ "destinations": { "Hook": hook } }))
    };
    let at = "sources.web.destinations.Hook";
    for (section, value, field) in [
        ("source", json!({}), "source"),
        ("sources", json!([]), "sources"),
        ("sources", json!({ "web": 1 }), "sources.web"),
        ("sources", json!({ "web": {} }), "sources.web.type"),
        ("sources", json!({ "web": null }), "sources.web.type"),
        ("sources", json!({ "web": { "type": 7 } }), "sources.web.type"),
        ("sources", json!({ "web": { "type": "toaster" } }), "sources.web.type"),
        ("sources", json!({ "We b": { "type": "website" } }), "sources.We b"),
        ("sources", json!({ "wеb": { "type": "website" } }), "sources.wеb"),
        ("sources", source(json!({ "enabld": true })), "sources.web.enabld"),
        ("sources", source(json!({ "enabled": "yes" })), "sources.web.enabled"),
        ("sources", source(json!({ "name": "a\u{202e}b" })), "sources.web.name"),
        ("sources", source(json!({ "name": "a\0b" })), "sources.web.name"),
        ("sources", source(json!({ "ingestionRegion": "dublin" })), "sources.web.ingestionRegion"),
        ("sources", source(json!({ "rateLimit": { "perSecond": 0, "burst": 1 } })), "sources.web.rateLimit.perSecond"),
        ("sources", source(json!({ "rateLimit": { "perSecond": 1 } })), "sources.web.rateLimit.burst"),
        (
            "sources",
            source(json!({ "rateLimit": { "perSecond": 1, "burst": 5_000_000_000_u64 } })),
            "sources.web.rateLimit",
        ),
        ("sources", source(json!({ "labels": "team:web" })), "sources.web.labels"),
        ("sources", source(json!({ "labels": [7] })), "sources.web.labels.0"),
        ("sources", source(json!({ "labels": ["no:such"] })), "sources.web.labels"),
        ("sources", source(json!({ "trackingPlan": "none" })), "sources.web.trackingPlan"),
        ("sources", source(json!({ "warehouses": ["none"] })), "sources.web.warehouses"),
        (
            "sources",
            source(json!({ "schemaSettings": { "track": { "allow": 1 } } })),
            "sources.web.schemaSettings.track.allow",
        ),
        (
            "sources",
            source(json!({ "schemaSettings": { "forwardingViolationsTo": "web" } })),
            "sources.web.schemaSettings.forwardingViolationsTo",
        ),
        ("sources", hook(json!({ "type": "fax" })), &format!("{at}.type")),
        ("sources", hook(json!({ "settings": {} })), &format!("{at}.settings.url")),
        (
            "sources",
            hook(json!({ "settings": { "url": "https://a.example", "region": "x" } })),
            &format!("{at}.settings.region"),
        ),
        (
            "sources",
            hook(json!({ "settings": { "url": "https://a.example", "country": "Ireland" } })),
            &format!("{at}.settings.country"),
        ),
        (
            "sources",
            hook(json!({ "filters": { "F": { "if": "event =", "actions": [{ "type": "DROP" }] } } })),
            &format!("{at}.filters.F.if"),
        ),
        (
            "sources",
            hook(json!({ "filters": { "F": { "if": "all", "actions": [{ "type": "DROPP" }] } } })),
            &format!("{at}.filters.F.actions.0.type"),
        ),
        ("sources", hook(json!({ "filters": { "F": { "if": "all" } } })), &format!("{at}.filters.F.actions")),
        (
            "sources",
            hook(json!({ "subscriptions": { "S": { "action": "x", "trigger": "type = 'track'" } } })),
            &format!("{at}.subscriptions.S.action"),
        ),
        ("labels", json!({ "team": {} }), "labels.team"),
        ("labels", json!({ "te am:x": {} }), "labels.te am:x"),
        ("warehouses", json!({ "W": { "type": "postgres" } }), "warehouses.W.settings.hostname"),
        ("warehouses", json!({ "W": { "type": "abacus" } }), "warehouses.W.type"),
        ("functions", json!({ "F": { "type": "SOURCE", "code": " " } }), "functions.F.code"),
        ("functions", json!({ "F": { "type": "SORCE", "code": "x" } }), "functions.F.type"),
        (
            "trackingPlans",
            json!({ "P": { "type": "LIVE", "rules": [{ "type": "TRACK", "version": 1, "jsonSchema": {} }] } }),
            "trackingPlans.P.rules.0.key",
        ),
        (
            "trackingPlans",
            json!({ "P": { "type": "LIVE", "rules": [{ "type": "TRACK", "key": "x", "version": 1 }] } }),
            "trackingPlans.P.rules.0.jsonSchema",
        ),
        ("transformations", json!({ "T": { "source": "none", "if": "all" } }), "transformations.T.source"),
    ] {
        let mut document = json!({ "workspace": { "region": region } });
        document[section] = value.clone();
        let told = faults(&bed, &document, &APPLY);
        assert_eq!(told.first().map(|fault| fault.field.as_str()), Some(field), "{value}: {told:?}");
        assert!(told.iter().all(|fault| !fault.what.is_empty() && !fault.mend.is_empty()), "{told:?}");
    }
    assert_eq!(bed.store.current().load().sources.size(), 0);
}

#[test]
fn an_empty_list_of_warehouses_connects_none_and_no_list_leaves_them() {
    each(|bed| {
        let mut document = whole(&bed);
        apply(&bed, &document);
        let connected = |bed: &Bed| export(bed, &bed.workspace.id).document["sources"]["web"]["warehouses"].clone();
        document["sources"]["web"].as_object_mut().expect("an object").remove("warehouses");
        assert_eq!(apply(&bed, &document).steps, []);
        assert_eq!(connected(&bed), json!(["Reports"]));
        document["sources"]["web"]["warehouses"] = json!([]);
        assert_eq!(steps(&apply(&bed, &document)), ["change sources.web"]);
        assert_eq!(connected(&bed), json!([]));
    });
}

#[test]
fn a_type_never_changes() {
    let bed = Bed::sqlite();
    let mut document = whole(&bed);
    apply(&bed, &document);
    document["sources"]["web"]["type"] = json!("server");
    let told = faults(&bed, &document, &APPLY);
    assert_eq!(told[0].field, "sources.web.type");
    assert!(told[0].what.contains("never changes"), "{told:?}");
}

#[test]
fn a_flood_of_faults_is_told_in_part() {
    let bed = Bed::sqlite();
    let many: Map<String, Value> = (0..10_000).map(|n| (format!("s{n}"), json!({}))).collect();
    let document = json!({ "workspace": { "region": bed.store.region().as_str() }, "sources": many });
    assert_eq!(faults(&bed, &document, &APPLY).len(), 100);
    // Each by a rule of the store, and not by its form.
    let many: Map<String, Value> = (0..10_000).map(|n| (format!("S {n}"), json!({ "type": "server" }))).collect();
    let document = json!({ "workspace": { "region": bed.store.region().as_str() }, "sources": many });
    assert_eq!(faults(&bed, &document, &APPLY).len(), 100);
}

#[test]
fn what_is_beyond_measure_is_refused_before_it_is_begun() {
    let bed = Bed::sqlite();
    let many: Map<String, Value> = (0..100_001).map(|n| (format!("k:v{n}"), json!({}))).collect();
    let document = json!({ "workspace": { "region": bed.store.region().as_str() }, "labels": many });
    let told = faults(&bed, &document, &APPLY);
    assert_eq!((told.len(), told[0].what.as_str()), (1, "the document has 100001 things"));
    let long = "x".repeat(1 << 20);
    let document = json!({ "workspace": { "region": bed.store.region().as_str() }, long: {} });
    let told = faults(&bed, &document, &APPLY);
    assert!(format!("{told:?}").len() < 10_000);
}

#[test]
fn thousands_of_sources_are_one_change() {
    let bed = Bed::sqlite();
    let source = |n: usize| {
        let hook = json!({ "type": "webhook", "settings": { "url": format!("https://a.example/{n}") } });
        (format!("s{n}"), json!({ "type": "server", "labels": ["environment:prod"], "destinations": { "Hook": hook } }))
    };
    let many: Map<String, Value> = (0..2_000).map(source).collect();
    let mut document = json!({ "workspace": { "region": bed.store.region().as_str() }, "sources": many });
    let before = bed.version();
    assert_eq!(apply(&bed, &document).steps.len(), 4_000);
    assert_eq!(bed.version(), before + 1);
    assert_eq!(apply(&bed, &document).steps, []);
    document["sources"]["s7"]["enabled"] = json!(false);
    assert_eq!(steps(&apply(&bed, &document)), ["change sources.s7"]);
}
