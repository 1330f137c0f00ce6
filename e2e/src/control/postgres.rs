//! PostgreSQL as the control store of a cell: what was answered survives kill -9, and a database that goes away stops no event.
//!
//! - `DOMICILE_TEST_POSTGRES` is the address of a server that is there for this run only, `DOMICILE_TEST_POSTGRES_START` the words
//!   (a JSON list) that start it; the last of them is its folder.

use super::api::{Api, eventually};
use crate::archive::Archive;
use crate::here;
use crate::http::Connection;
use crate::tally::Tally;
use crate::up::{Demo, Home, wait_for};
use serde_json::{Value, json};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const REGION: &str = "ch-central";
const POINT: &str = "zurich";

/// A change is known to ingest within this.
const KNOWN_MAX: Duration = Duration::from_secs(2);
const HEALED_MAX: Duration = Duration::from_secs(15);
const STOP_MAX: Duration = Duration::from_secs(20);

pub fn run(tally: &mut Tally, domicile: &Path) {
    let mut server = match Server::given() {
        Ok(server) => server,
        Err(why) => return tally.check("a PostgreSQL for this run", Err(why)),
    };
    let (topology, url) = (here("src/ingest/regions.yml").display().to_string(), server.url.clone());
    let more = [("--topology", &*topology), ("--region", REGION), ("--control-store", &*url)];
    Home::test(tally, domicile, "postgres", &more, |tally, home| steps(tally, home, &mut server));
}

fn steps(tally: &mut Tally, home: &Home, server: &mut Server) -> Result<(), String> {
    let up = home.start_ready()?;
    let demo = home.demo()?;
    let mut api = Api::of(&demo, REGION)?;
    let asked = json!({ "slug": "kept", "enabled": true, "metadataId": "http-api" });
    let (id, key) = source(&api.post("/sources", asked)?.data(201)?)?;
    let first = eventually(KNOWN_MAX, || send(&demo, &key, "postgres-1"));
    tally.check("a source made through the API takes events within 2 s", first);
    let file = home.data.join("cells").join(REGION).join("control.db");
    let outcome = if file.exists() { Err(format!("{} is there", file.display())) } else { Ok(()) };
    tally.check("no control database lies in the data folder", outcome);

    up.kill()?;
    let mut up = home.start_ready()?;
    let read = api.get(&format!("/sources/{id}"))?.data(200).and_then(|data| source(&data));
    let outcome =
        read.and_then(|read| if read == (id.clone(), key.clone()) { Ok(()) } else { Err(format!("is {read:?}")) });
    tally.check("after kill -9 the source is there, with its key", outcome);
    tally.check("and takes events from the first moment", send(&demo, &key, "postgres-2"));

    server.stop()?;
    let taken = (3..20).try_for_each(|n| send(&demo, &key, &format!("postgres-{n}")));
    tally.check("with PostgreSQL gone, events of known keys are answered 200", taken);
    let wrong = point(&demo, "no-such-key", "postgres-unknown")?;
    tally.check(
        "and those of unknown keys are refused",
        if wrong == 400 { Ok(()) } else { Err(format!("was answered {wrong}")) },
    );
    for (promise, method, path, body) in [
        ("a change", "PATCH", format!("/sources/{id}"), Some(json!({ "name": "Lost" }))),
        (
            "a creation",
            "POST",
            "/sources".to_owned(),
            Some(json!({ "slug": "lost", "enabled": true, "metadataId": "http-api" })),
        ),
        ("a list", "GET", "/sources".to_owned(), None),
    ] {
        let outcome = api.ask(method, &path, body, &[]).and_then(|told| told.refuses(&[503]));
        tally.check(format!("with PostgreSQL gone, {promise} is answered 503"), outcome);
    }
    tally.check("and the cell goes on", if up.is_running() { Ok(()) } else { Err("it has ended") });

    server.start()?;
    let healed = eventually(HEALED_MAX, || api.get(&format!("/sources/{id}"))?.data(200).map(drop));
    tally.check("when PostgreSQL is back, the API is too, by itself", healed);
    let name = api.get(&format!("/sources/{id}"))?.data(200)?.pointer("/source/name").cloned();
    let lost = api.get("/sources")?.data(200)?.to_string().contains("\"lost\"");
    let outcome = match (name == Some(json!("Lost")), lost) {
        (false, false) => Ok(()),
        _ => Err("something that was answered 503 was done"),
    };
    tally.check("nothing that was answered 503 was done", outcome);
    let asked = json!({ "slug": "after", "enabled": true, "metadataId": "http-api" });
    let (_, second) = source(&api.post("/sources", asked)?.data(201)?)?;
    let outcome = eventually(KNOWN_MAX, || send(&demo, &second, "postgres-after"));
    tally.check("and a new source takes events within 2 s", outcome);

    server.stop()?;
    up.kill()?;
    tally.check("without PostgreSQL a start ends, and says what it could not reach", start_without(home));
    server.start()?;

    let up = home.start_ready()?;
    up.stop()?;
    let mut kept = Vec::new();
    for file in Archive::of(&home.data, REGION).new_files()? {
        file.lines(|line| {
            let event: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
            kept.extend(event["messageId"].as_str().map(str::to_owned));
            Ok(())
        })?;
    }
    kept.sort();
    let mut sent: Vec<_> = (1..20).map(|n| format!("postgres-{n}")).chain(["postgres-after".to_owned()]).collect();
    sent.sort();
    let outcome = if kept == sent { Ok(()) } else { Err(format!("sent {sent:?}, kept {kept:?}")) };
    tally.check("every event that was answered 200 is archived once", outcome);
    Ok(())
}

/// It ends with 3, and names the server.
fn start_without(home: &Home) -> Result<(), String> {
    let ended = home.start().map_err(|error| error.to_string())?.ended(Duration::from_secs(60))?;
    match (ended.code, ended.said.contains("127.0.0.1")) {
        (Some(3), true) => Ok(()),
        _ => Err(format!("ended with {:?}: {}", ended.code, ended.said)),
    }
}

fn source(data: &Value) -> Result<(String, String), String> {
    let text =
        |at: &str| data.pointer(at).and_then(Value::as_str).map(str::to_owned).ok_or(format!("no {at} in {data}"));
    Ok((text("/source/id")?, text("/source/writeKeys/0")?))
}

fn send(demo: &Demo, key: &str, message_id: &str) -> Result<(), String> {
    match point(demo, key, message_id)? {
        200 => Ok(()),
        status => Err(format!("{message_id} was answered {status}")),
    }
}

fn point(demo: &Demo, key: &str, message_id: &str) -> Result<u16, String> {
    let url = demo.ingest(REGION, POINT)?;
    let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("{key}:").as_bytes()));
    let body = json!({ "type": "track", "messageId": message_id, "userId": "ada", "event": "Seen" }).to_string();
    let headers = [("Authorization", basic.as_str()), ("Content-Type", "application/json")];
    let answer =
        Connection::to(url).and_then(|mut point| point.request("POST", "/v1/track", &headers, body.as_bytes()));
    answer.map(|answer| answer.status).map_err(|error| format!("{url}: {error}"))
}

/// The server of this run, and the process when it was started here.
struct Server {
    url: String,
    words: Vec<String>,
    folder: PathBuf,
    child: Option<Child>,
}

impl Server {
    fn given() -> Result<Self, String> {
        let variable =
            |name| env::var(name).map_err(|_| format!("{name} is not set: run `cargo xtask test --suite control`"));
        let words = variable("DOMICILE_TEST_POSTGRES_START")?;
        let words: Vec<String> = serde_json::from_str(&words).map_err(|error| format!("its words: {error}"))?;
        let folder = words.last().map(PathBuf::from).ok_or("no words that start it")?;
        Ok(Self { url: variable("DOMICILE_TEST_POSTGRES")?, words, folder, child: None })
    }

    /// As an operator stops it: clients are sent away at once.
    fn stop(&mut self) -> Result<(), String> {
        let file = self.folder.join("postmaster.pid");
        let id = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let id = id.lines().next().unwrap_or_default().to_owned();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        if !sent.is_ok_and(|status| status.success()) {
            return Err("PostgreSQL was not there to be stopped".to_owned());
        }
        eventually(STOP_MAX, || if file.exists() { Err("it still runs".to_owned()) } else { Ok(()) })?;
        if let Some(mut child) = self.child.take() {
            wait_for(&mut child, STOP_MAX);
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), String> {
        let (program, arguments) = self.words.split_first().ok_or("no words that start it")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().map_err(|error| format!("{program}: {error}"))?);
        let file = self.folder.join("postmaster.pid");
        eventually(STOP_MAX, || {
            let ready = fs::read_to_string(&file)
                .is_ok_and(|text| text.lines().last().is_some_and(|line| line.trim() == "ready"));
            if ready { Ok(()) } else { Err("PostgreSQL is not ready".to_owned()) }
        })
    }
}

/// A server that was started here ends here.
impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            // It may be gone already, which is what is wanted.
            let _ = self.stop();
        }
    }
}
