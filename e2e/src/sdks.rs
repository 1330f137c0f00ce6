//! Real SDKs, each against an ingest point in its region, one far from it, and the other region.

use crate::archive::await_archived;
use crate::client::Client;
use crate::here;
use crate::kept::{Expected, Kept};
use crate::tally::Tally;
use crate::up::{Demo, Home};
use std::path::Path;
use std::process::Command;

const POINTS: [(&str, &str); 3] = [("us-west", "oregon"), ("us-west", "singapore"), ("eu-west", "dublin")];

/// How a client is started; host, key and run follow, then `last`.
struct Sdk {
    name: &'static str,
    program: String,
    first: Vec<String>,
    last: Vec<String>,
}

pub fn run(domicile: &Path, tools: &Path) -> Tally {
    let mut tally = Tally::default();
    Home::test(&mut tally, domicile, "sdks", &[], |tally, home| send_and_compare(tally, home, tools));
    tally
}

fn send_and_compare(tally: &mut Tally, home: &Home, tools: &Path) -> Result<(), String> {
    let up = home.start_ready()?;
    let demo = home.demo()?;
    let mut expected = Vec::new();
    for sdk in sdks(tools) {
        for (region, point) in POINTS {
            let name = format!("{} to {region}/{point}", sdk.name);
            let outcome = send(&sdk, &demo, region, point, &name).map(|sent| expected.push(sent));
            tally.check(format!("{name}: delivers everything"), outcome);
        }
    }
    let mut kept = Kept::of(&home.data);
    tally.check("everything comes to the archive", await_archived(home, up, || kept.read(&expected)));
    for one in &expected {
        kept.check(tally, one);
    }
    kept.check_nothing_else(tally, &expected);
    Ok(())
}

fn send(sdk: &Sdk, demo: &Demo, region: &'static str, point: &str, name: &str) -> Result<Expected, String> {
    let source = demo.source(region, "server")?;
    let run = name.replace([' ', '/'], "-");
    let mut command = Command::new(&sdk.program);
    command.args(&sdk.first).args([demo.ingest(region, point)?, source.key, &run]).args(&sdk.last);
    let sent = Client::start(command)?.finish()?.sent;
    if sent.is_empty() {
        return Err("sent nothing".to_owned());
    }
    Ok(Expected { name: name.to_owned(), region, source_id: source.id.to_owned(), sent, ip: None })
}

fn sdks(tools: &Path) -> Vec<Sdk> {
    let clients = here("sdks");
    let client = |path: &str| clients.join(path).display().to_string();
    let tool = |path: &str| tools.join(path).display().to_string();
    let sdk = |name, program: String, first: Vec<String>, last: Vec<String>| Sdk { name, program, first, last };
    let odd = || vec![client("odd.json")];
    vec![
        sdk("node", "node".to_owned(), vec![client("node/client.mjs")], vec![]),
        sdk("node-rudder", "node".to_owned(), vec![client("node-rudder/client.mjs")], vec![]),
        sdk("python", tool("python/bin/python"), vec![client("python/client.py")], vec![]),
        sdk("python-gzip", tool("python/bin/python"), vec![client("python/client.py")], vec!["--gzip".to_owned()]),
        sdk("java", "java".to_owned(), vec!["-cp".to_owned(), tool("java/*"), client("java/Client.java")], odd()),
        sdk("go-form", tool("go/client"), vec![], odd()),
    ]
}
