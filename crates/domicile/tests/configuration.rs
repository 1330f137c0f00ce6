//! Configuration as code as an operator meets it: files in, faults with their places and exit codes out.

use crate::{Up, domicile};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SEGMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/imports/segment.json");
const RUDDERSTACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/imports/rudderstack.json");

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/workspace.yml");

/// A running `up` and a folder for files.
struct Bed {
    dir: tempfile::TempDir,
    _up: Up,
}

impl Bed {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let up = Up::start(&dir.path().join("data"));
        Self { dir, _up: up }
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.dir.path().join("workspace.yml");
        fs::write(&path, text).expect("writes");
        path
    }

    /// Runs a command about `file`, with these variables.
    fn run(&self, command: &str, file: &Path, more: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
        let out = Command::new(env!("CARGO_BIN_EXE_domicile"))
            .args([command, "-f", file.to_str().expect("a path"), "--data"])
            .arg(self.dir.path().join("data"))
            .args(more)
            .envs(variables.iter().copied())
            .stdin(std::process::Stdio::null())
            .output()
            .expect("the program starts");
        said(&out)
    }

    fn export(&self, more: &[&str]) -> String {
        let data = self.dir.path().join("data").display().to_string();
        let mut args = vec!["export", "--data", &data, "--region", "eu-west"];
        args.extend(more);
        let (code, text, error) = said(&domicile(&args));
        assert_eq!((code, error.as_str()), (0, ""));
        text
    }
}

fn said(out: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

const HEAD: &str = "workspace: { region: eu-west }\n";

const HOOK: &str = "\
workspace: { slug: acme-eu, region: eu-west }
sources:
  web:
    type: website
    name: Demo website
    destinations:
      Hook:
        type: webhook
        settings: { url: 'https://a.example/hook', country: IE, sharedSecret: '${env:HOOK_SECRET}' }
";

#[test]
fn a_file_goes_round_and_says_what_it_would_change() {
    let bed = Bed::start();
    // What was exported changes nothing. A cell is found by its address too.
    let demo = fs::read(bed.dir.path().join("data/demo.json")).expect("reads");
    let demo: Value = serde_json::from_slice(&demo).expect("JSON");
    let at = |field: &str| demo["regions"]["eu-west"][field].as_str().expect("a text").to_owned();
    let (code, elsewhere, _) = said(&domicile(&["export", "--cell", &at("api"), "--token", &at("token")]));
    assert!(code == 0 && elsewhere.contains("sources:"), "{elsewhere}");
    let exported = bed.export(&[]);
    assert!(exported.contains("sources:") && exported.starts_with("# A workspace's configuration"), "{exported}");
    let (code, text, _) = bed.run("plan", &bed.file(&exported), &[], &[]);
    assert_eq!((code, text.as_str()), (0, "nothing to change\n"));

    // A change is shown, done, and then no change any more.
    let file = bed.file(HOOK);
    let (code, _, error) = bed.run("plan", &file, &[], &[]);
    assert_eq!(code, 2);
    assert!(error.contains("workspace.yml:9:79  the environment has no variable `HOOK_SECRET`"), "{error}");
    let secret = [("HOOK_SECRET", "correct-horse")];
    let (code, text, error) = bed.run("plan", &file, &[], &secret);
    assert_eq!((code, error.as_str()), (1, ""), "{text}");
    for line in [
        "+ destination sources.web.destinations.Hook",
        "    settings.sharedSecret: (set)",
        "    ! data goes to a.example, which is declared to be in IE",
        "not in the file, and kept (--prune deletes them):\n  source sources.server",
        "1 to create, 0 to change",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let (code, _, error) = bed.run("apply", &file, &[], &secret);
    assert_eq!(code, 2);
    assert!(error.contains("nobody to ask"), "{error}");
    let (code, text, error) = bed.run("apply", &file, &["--yes"], &secret);
    assert_eq!((code, error.as_str()), (0, ""), "{text}");
    assert!(text.ends_with("applied\n"), "{text}");
    let (code, text, _) = bed.run("apply", &file, &["--yes"], &secret);
    assert_eq!(code, 0);
    assert!(text.ends_with("nothing to change\n"), "{text}");

    // Another secret is a change; it is in no answer.
    let (code, text, _) = bed.run("plan", &file, &["--json"], &[("HOOK_SECRET", "battery-staple")]);
    assert_eq!(code, 1);
    let plan: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(plan["plan"]["steps"][0]["secrets"][0]["changed"], true);
    let everything = text + &bed.export(&[]);
    assert!(!everything.contains("correct-horse") && !everything.contains("battery-staple"), "{everything}");
    assert!(everything.contains("sharedSecret: ${env:WEB_HOOK_SHARED_SECRET}"), "{everything}");

    // What is not in the file goes only with --prune.
    let (code, text, _) = bed.run("apply", &file, &["--yes", "--prune", "--json"], &secret);
    assert_eq!(code, 0);
    let done: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(done["applied"], true);
    assert_eq!(done["plan"]["steps"][0]["path"], "sources.server");
    assert!(!bed.export(&[]).contains("server"));
}

#[test]
fn every_fault_has_its_place_and_nothing_is_done() {
    let bed = Bed::start();
    let before = bed.export(&["--write-keys"]);
    let body = |text: &str| format!("{HEAD}{text}");
    let source = |text: &str| format!("{HEAD}sources:\n  web:\n    type: website\n    {text}\n");
    let hook = |text: &str| source(&format!("destinations:\n      Hook:\n        type: webhook\n        {text}"));
    let deep = format!("{HEAD}a: {}{}", "[".repeat(5_000), "]".repeat(5_000));
    let huge = format!("{HEAD}# {}\nsauces: {{}}", "x".repeat(10 << 20));
    let wide =
        format!("{HEAD}sources:\n{}", (0..5_000).map(|n| format!("  s{n}: {{ typ: website }}\n")).collect::<String>());
    for (text, begin) in [
        // No YAML, or not the YAML that is taken.
        (String::new(), "1:1  the file is empty"),
        ("just a text".to_owned(), "1:1  the file is a text"),
        (body("sources:\n\tweb: {}\n"), "3:2  this is not YAML: tabs"),
        (body("sources: [\n"), "2:10  this is not YAML"),
        (body("sources: {}\nsources: {}\n"), "3:1  `sources` is here a second time (first in line 2)"),
        (body("a: &a [x]\nb: [*a, *a]\n"), "3:5  an alias (`*name`) is not taken here"),
        (body("labels: !!map {}\n"), "2:"),
        (body("---\nsources: {}\n"), "2:1  a second document begins here"),
        (body("? [a]\n: b\n"), "2:3  a key that is not a text"),
        (deep, "2:"),
        // Whose file it is.
        ("sources: {}\n".to_owned(), "1:1  workspace: is missing"),
        ("workspace: {}\n".to_owned(), "1:1  workspace.region: is missing"),
        (
            "workspace: { region: us-west }\n".to_owned(),
            "1:22  workspace.region: is `us-west`, and this workspace is in `eu-west`",
        ),
        (
            "workspace: { region: eu-west, slug: acme-us }\n".to_owned(),
            "1:37  workspace.slug: is `acme-us`, and this workspace is `acme-eu`",
        ),
        (
            "\u{feff}workspace: { region: eu-west, regoin: x }\n".to_owned(),
            "1:31  workspace.regoin: is no field of the workspace",
        ),
        // Names and forms.
        (body("sauces: {}\n"), "2:1  sauces: is no field of the document"),
        (huge, "3:1  sauces: is no field of the document"),
        (wide, "3:3  sources.s0.type: is missing"),
        (body("sources: [web]\n"), "2:1  sources: is not of the form"),
        (body("sources:\n  web: website\n"), "3:8  sources.web: is not of the form"),
        (body("sources:\n  web: {}\n"), "3:3  sources.web.type: is missing"),
        (body("sources:\n  web: { type: toaster }\n"), "3:16  sources.web.type: is no source of the catalog"),
        (body("sources:\n  Web: { type: website }\n"), "3:3  sources.Web: is not a slug"),
        (body("sources:\n  wеb: { type: website }\n"), "3:3  sources.wеb: is not a slug"),
        (source("enabld: true"), "5:5  sources.web.enabld: is no field of source `web`"),
        (source("enabled: yes"), "5:14  sources.web.enabled: is not of the form"),
        (source("name: 2027"), "5:11  sources.web.name: is not of the form"),
        (source("name: \"a\\u202eb\""), "5:11  sources.web.name: holds U+202E"),
        (
            source("ingestionRegion: oregon"),
            "5:22  sources.web.ingestionRegion: is no ingest point of region `eu-west`",
        ),
        (
            source("rateLimit: { perSecond: fast, burst: 1 }"),
            "5:29  sources.web.rateLimit.perSecond: is not of the form",
        ),
        (source("labels: [team:none]"), "5:5  sources.web.labels: has `team:none`, which is no label of the workspace"),
        (source("trackingPlan: None"), "5:19  sources.web.trackingPlan: names no tracking plan"),
        (source("writeKeys: ['usw_0123456789']"), "5:17  sources.web.writeKeys.0: is a write key of region `us-west`"),
        (hook("settings: {}"), "8:9  sources.web.destinations.Hook.settings.url: is missing"),
        (
            hook("settings: { url: 'ftp://a.example' }"),
            "8:26  sources.web.destinations.Hook.settings.url: is not an http",
        ),
        (
            hook("settings: { url: 'https://a.example', sharedSecret: abc }"),
            "8:61  sources.web.destinations.Hook.settings.sharedSecret: is a secret and stands in the file",
        ),
        (
            hook("settings: { sharedSecret: '${env:NO_SUCH_VARIABLE}' }"),
            "8:35  the environment has no variable `NO_SUCH_VARIABLE`",
        ),
        (hook("settings: { sharedSecret: '${file:none.txt}' }"), "8:35  `"),
        (hook("settings: { sharedSecret: '${file:/etc/hostname}' }"), "8:35  `/etc/hostname` is outside of"),
        (hook("settings: { url: '${env:PATH}' }"), "8:26  `${env:` stands in a field that plans and exports show"),
        (source("name: '${env:PATH}'"), "5:11  `${env:` stands in a field that plans and exports show"),
        (source("name: '${file:workspace.yml}'"), "5:11  `${file:` stands in a field that plans and exports show"),
        (
            hook(
                "settings: { url: 'https://a.example' }\n        filters: { F: { if: 'event =', actions: [{ type: DROP }] } }",
            ),
            "9:29  sources.web.destinations.Hook.filters.F.if: ",
        ),
        (body("functions:\n  F: { type: SORCE, code: x }\n"), "3:14  functions.F.type: is not of the form"),
    ] {
        let file = bed.file(&text);
        let start = format!("domicile: {}:{begin}", file.display());
        for (command, more) in [("plan", &[][..]), ("apply", &["--yes"])] {
            let mut more = more.to_vec();
            more.extend(["--region", "eu-west"]);
            let (code, out, error) = bed.run(command, &file, &more, &[]);
            let shown: String = text.chars().take(200).collect();
            assert_eq!((code, out.as_str()), (2, ""), "{shown}\n{error}");
            assert!(error.starts_with(&start), "{shown}\n{start}\n{error}");
            assert!(error.contains("\n  mend: ") && error.len() < 100_000, "{error}");
        }
    }
    // Not text at all.
    let file = bed.dir.path().join("workspace.yml");
    fs::write(&file, b"workspace:\n  name: \xff\xfe\n").expect("writes");
    let (code, _, error) = bed.run("plan", &file, &["--region", "eu-west"], &[]);
    assert!(code == 2 && error.contains("workspace.yml:2: this is not UTF-8"), "{error}");
    let (code, _, error) = bed.run("plan", &bed.dir.path().join("none.yml"), &["--region", "eu-west"], &[]);
    assert!(code == 2 && error.contains("none.yml: No such file"), "{error}");
    assert_eq!(
        bed.export(&["--write-keys"]).lines().skip(3).collect::<Vec<_>>(),
        before.lines().skip(3).collect::<Vec<_>>()
    );
}

#[test]
fn other_systems_configurations_come_in_with_their_write_keys() {
    let bed = Bed::start();
    for (file, system, left_out, key) in [
        (
            SEGMENT,
            "segment",
            "  destination Amplitude of source shop is taken over switched off: its connector",
            "p9Xk2LwQv7Rt4MnB8ZcY1HdF6GsJ3TaE",
        ),
        (
            RUDDERSTACK,
            "rudderstack",
            "  destination Analytics (GA4) of source shop-web: ",
            "2aBcDeFgHiJkLmNoPqRsTuVwXyZ",
        ),
    ] {
        // The demo workspace has a source `web` already.
        let text = fs::read_to_string(file).expect("reads").replace("\"slug\": \"web\"", "\"slug\": \"shop\"");
        let file = bed.dir.path().join("import.json");
        fs::write(&file, text).expect("writes");
        let from = ["--from", system, "--region", "eu-west"];
        let (code, out, error) = bed.run("apply", &file, &[&from[..], &["--yes"]].concat(), &[]);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(error.contains(left_out) && error.contains("nothing was applied\n  mend: "), "{error}");

        let take = [&from[..], &["--yes", "--skip-unknown"]].concat();
        let (code, out, error) = bed.run("apply", &file, &take, &[]);
        assert_eq!((code, error.as_str()), (0, ""), "{out}");
        assert!(out.contains(left_out) && out.ends_with("applied\n"), "{out}");
        assert!(bed.export(&["--write-keys"]).contains(key));
        assert!(!bed.export(&[]).contains(key));
        let (code, out, error) = bed.run("plan", &file, &from, &[]);
        assert_eq!((code, error.as_str()), (0, ""), "{out}");
        assert!(!out.contains("imported-secret"));

        // A region that the file states has to be the cell's.
        let text = fs::read_to_string(&file).expect("reads");
        let stated = match system {
            "segment" => {
                text.replace("\"name\": \"Example Shop\"", "\"name\": \"Example Shop\", \"region\": \"us-west\"")
            }
            _ => text.replace("\"workspaceId\": \"1wXyZ\"", "\"workspaceId\": \"1wXyZ\", \"region\": \"us-west\""),
        };
        fs::write(&file, stated).expect("writes");
        let (code, _, error) = bed.run("apply", &file, &take, &[]);
        assert_eq!(code, 2);
        assert!(error.contains("workspace.region: is `us-west`, and this workspace is in `eu-west`"), "{error}");
    }
}

#[test]
fn the_example_applies_and_comes_out_as_it_went_in() {
    let bed = Bed::start();
    let secrets = [("ORDER_SERVICE_SECRET", "a"), ("REPORTS_PASSWORD", "b"), ("EMAIL_HASH_KEY", "c")];
    let example = Path::new(EXAMPLE);
    let (code, out, error) = bed.run("apply", example, &["--yes"], &secrets);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    let (code, out, _) = bed.run("plan", example, &[], &secrets);
    assert_eq!(code, 0, "{out}");
    let exported =
        [("SHOP_ORDER_SERVICE_SHARED_SECRET", "a"), ("REPORTS_PASSWORD", "b"), ("HASH_E_MAIL_ADDRESSES_KEY", "c")];
    let (code, out, error) = bed.run("plan", &bed.file(&bed.export(&[])), &[], &exported);
    assert_eq!((code, out.as_str(), error.as_str()), (0, "nothing to change\n", ""));
}

#[test]
fn what_the_region_does_not_offer_is_left_out_of_an_import_and_told() {
    let bed = Bed::start();
    let text = fs::read_to_string(SEGMENT).expect("reads").replace("\"slug\": \"web\"", "\"slug\": \"shop\"");
    let file = bed.dir.path().join("import.json");
    fs::write(&file, text.replace("\"slug\": \"amplitude\"", "\"slug\": \"gist\"")).expect("writes");
    let take = ["--from", "segment", "--region", "eu-west", "--yes", "--skip-unknown"];
    let (code, out, error) = bed.run("apply", &file, &take, &[]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert!(out.contains("  sources.shop.destinations.Amplitude: can't be used in this region: "), "{out}");
    assert!(!bed.export(&[]).contains("gist"));
    let (code, _, error) = bed.run("apply", &file, &take[..5], &[]);
    assert!(code == 2 && error.contains("nothing was applied"), "{error}");
}
