//! The browser SDK in headless Chromium. The page knows a key and where to ask for settings; where its events go is the
//! source's ingestion region, and follows it.

use crate::archive::await_archived;
use crate::certificate::Files;
use crate::client::{Client, Sent};
use crate::here;
use crate::kept::{Expected, Kept};
use crate::tally::Tally;
use crate::up::{Demo, Home};
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// Whence the standalone build is loaded.
const STANDALONE: [(&str, &str); 2] = [("us-west", "singapore"), ("eu-west", "dublin")];

/// Chromium stands on this machine.
const PAGE_IP: Option<&str> = Some("127.0.0.1");

/// The browser SDK's build as its package has it.
const BUILD: &str = "browser/node_modules/@segment/analytics-next/dist/umd";

pub fn run(domicile: &Path) -> Tally {
    let mut tally = Tally::default();
    let scripts = here(BUILD).display().to_string();
    Home::test(&mut tally, domicile, "browser", &[("--scripts", &scripts)], send_and_compare);
    let files = Files::fresh("browser-files").and_then(|files| {
        files.make()?;
        Ok((by_address(&files.folder)?, files))
    });
    match files {
        Ok((scripts, files)) => {
            let arguments = [("--scripts", &*scripts), ("--tls-cert", &*files.certificate), ("--tls-key", &*files.key)];
            Home::test(&mut tally, domicile, "browser-https", &arguments, send_over_https);
        }
        Err(error) => tally.check("certificate and scripts", Err(error)),
    }
    tally
}

/// The other way to lay out the folder of `--scripts`: each file under its address. The mark for the write key is gone, as in a
/// script that was built elsewhere.
fn by_address(folder: &Path) -> io::Result<String> {
    let (from, to) = (here(BUILD), folder.join("scripts"));
    let bundles = to.join("analytics-next/bundles");
    fs::create_dir_all(&bundles)?;
    for entry in fs::read_dir(&from)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains(".bundle.") {
            fs::copy(entry.path(), bundles.join(entry.file_name()))?;
        }
    }
    let script = fs::read_to_string(from.join("standalone.js"))?;
    if !script.contains(r#""__WRITE_KEY__""#) {
        return Err(io::Error::other("standalone.js has no mark for the write key"));
    }
    fs::write(to.join("analytics.min.js"), script.replace(r#""__WRITE_KEY__""#, "void 0"))?;
    Ok(to.display().to_string())
}

fn send_and_compare(tally: &mut Tally, home: &Home) -> Result<(), String> {
    let up = home.start_ready()?;
    let demo = home.demo()?;
    let mut expected = Vec::new();
    for strategy in ["standard", "batching"] {
        for (region, point) in [("us-west", "oregon"), ("eu-west", "dublin")] {
            let name = format!("browser, {strategy}, to {region}/{point}");
            // Settings come from the cell for one region and from the ingest point for the other: both must serve them.
            let settings = if region == "us-west" { demo.cell(region)? } else { demo.ingest(region, point)? };
            let outcome = send(&demo, region, point, strategy, settings, &name).map(|sent| expected.push(sent));
            tally.check(format!("{name}: delivers everything, talks to nobody else"), outcome);
        }
    }
    for (region, point) in STANDALONE {
        let name = format!("browser, standalone build, from {region}/{point}");
        let outcome = standalone(&demo, region, point, "http/1.1", &name).map(|sent| expected.push(sent));
        tally.check(format!("{name}: is served under a prefix, finds its key, talks to nobody else"), outcome);
    }
    follow(tally, &demo, &mut expected);
    let refused = match demo.change_source("eu-west", "web", r#"{"ingestionRegion":"oregon"}"#)?.status {
        422 => Ok(()),
        status => Err(format!("answered {status}")),
    };
    tally.check("a source of eu-west cannot choose oregon", refused);

    let mut kept = Kept::of(&home.data);
    tally.check("everything comes to the archive", await_archived(home, up, || kept.read(&expected)));
    for one in &expected {
        kept.check(tally, one);
    }
    kept.check_nothing_else(tally, &expected);
    Ok(())
}

fn send_over_https(tally: &mut Tally, home: &Home) -> Result<(), String> {
    let up = home.start_ready()?;
    let demo = home.demo()?;
    let mut expected = Vec::new();
    for (region, point) in STANDALONE {
        let name = format!("browser, https, from {region}/{point}");
        let outcome = standalone(&demo, region, point, "h2", &name).map(|sent| expected.push(sent));
        let promise = "the page says nothing but the script's address, and all of it is HTTP/2";
        tally.check(format!("{name}: {promise}"), outcome);
    }
    let mut kept = Kept::of(&home.data);
    tally.check("https: everything comes to the archive", await_archived(home, up, || kept.read(&expected)));
    for one in &expected {
        kept.check(tally, one);
    }
    kept.check_nothing_else(tally, &expected);
    Ok(())
}

fn send(
    demo: &Demo,
    region: &'static str,
    point: &str,
    strategy: &str,
    settings: &str,
    name: &str,
) -> Result<Expected, String> {
    let key = demo.source(region, "web")?.key;
    let report = Client::start(page(settings, key, &run_of(name), strategy, false))?.finish()?;
    only_talks_to(&report.hosts, settings, demo.ingest(region, point)?)?;
    expect(demo, region, name, report.sent)
}

/// The page's snippet loads the SDK itself from an ingest point, under a path prefix as a proxy would add it. Its events go
/// to the source's own ingestion region.
fn standalone(demo: &Demo, region: &'static str, point: &str, protocol: &str, name: &str) -> Result<Expected, String> {
    let (key, cdn) = (demo.source(region, "web")?.key, demo.ingest(region, point)?);
    let prefixed = format!("{cdn}/segment");
    let report = Client::start(page(&prefixed, key, &run_of(name), "standalone", false))?.finish()?;
    let own = if region == "us-west" { "oregon" } else { "dublin" };
    only_talks_to(&report.hosts, cdn, demo.ingest(region, own)?)?;
    if report.protocols != [protocol] {
        return Err(format!("the page spoke {:?}, not {protocol}", report.protocols));
    }
    expect(demo, region, name, report.sent)
}

/// One page, loaded twice: in between, the source's owner chooses another ingest point of the same region.
fn follow(tally: &mut Tally, demo: &Demo, expected: &mut Vec<Expected>) {
    let mut steps = || {
        let region = "us-west";
        let (settings, key) = (demo.cell(region)?, demo.source(region, "web")?.key);
        let mut client = Client::start(page(settings, key, "browser-moves", "standard", true))?;
        let before = client.page_load()?;
        only_talks_to(&before.hosts, settings, demo.ingest(region, "oregon")?)?;
        expected.push(expect(demo, region, "browser, before its source moved", before.sent)?);

        match demo.change_source(region, "web", r#"{"ingestionRegion":"dublin"}"#)?.status {
            200 => {}
            status => return Err(format!("the change of the ingestion region was answered {status}")),
        }
        client.go_on()?;
        let after = client.finish()?;
        only_talks_to(&after.hosts, settings, demo.ingest(region, "dublin")?)?;
        expected.push(expect(demo, region, "browser, after its source moved", after.sent)?);
        Ok(())
    };
    tally
        .check("a page follows its source to another ingest point at its next load, without a change of code", steps());
}

fn expect(demo: &Demo, region: &'static str, name: &str, sent: Vec<Sent>) -> Result<Expected, String> {
    if sent.is_empty() {
        return Err("sent nothing".to_owned());
    }
    Ok(Expected {
        name: name.to_owned(),
        region,
        source_id: demo.source(region, "web")?.id.to_owned(),
        sent,
        ip: PAGE_IP,
    })
}

fn page(settings: &str, key: &str, run: &str, strategy: &str, reload: bool) -> Command {
    let mut command = Command::new("node");
    command.arg(here("browser/client.mjs")).args([settings, key, run, strategy]);
    if reload {
        command.arg("--reload");
    }
    command
}

fn only_talks_to(hosts: &[String], settings: &str, point: &str) -> Result<(), String> {
    let mut allowed = [settings, point].map(|url| url.split_once("://").map_or(url, |(_, host)| host)).to_vec();
    allowed.sort_unstable();
    allowed.dedup();
    if hosts == allowed { Ok(()) } else { Err(format!("the page talked to {hosts:?}, not to {allowed:?}")) }
}

fn run_of(name: &str) -> String {
    name.replace(", ", "-").replace([' ', '/'], "-")
}
