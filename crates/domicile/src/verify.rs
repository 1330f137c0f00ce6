//! `domicile verify`: checks a ledger and its archive with nothing but their files and a public key.

use crate::client::{CellArgs, Client, encode_path};
use crate::exit::{Exit, Failure};
use bytes::Bytes;
use clap::Args;
use domicile_ledger::verify::{Files, Folder, Question, Report, Step, verify};
use domicile_ledger::{Receipt, VKey};
use domicile_world::World;
use http::{Method, StatusCode};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Runtime;

#[derive(Args)]
pub struct VerifyArgs {
    /// The ledger: its folder, or the address of one. Without it, every ledger of the data folder (--data)
    #[arg(long, value_name = "DIR-or-URL")]
    ledger: Option<String>,
    /// The archive that the ledger speaks of
    #[arg(long, value_name = "DIR-or-URL", requires = "ledger")]
    archive: Option<String>,
    /// The region's public key, from its operator; without it the folder's own `vkey` is believed
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A checkpoint that was kept: the ledger has to begin with what it signs
    #[arg(long, value_name = "FILE")]
    earlier: Option<PathBuf>,
    /// A witness's public key; its signature has to hold. May be given several times
    #[arg(long, value_name = "FILE")]
    witness: Vec<PathBuf>,
    /// Check this receipt instead of a ledger
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ledger", "earlier", "witness"])]
    receipt: Option<PathBuf>,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cell: CellArgs,
}

/// A ledger that grows may name a file only a moment after it is in the archive.
const SETTLE: Duration = Duration::from_secs(1);
const SETTLES: u32 = 15;

pub fn run(args: VerifyArgs) -> Result<Exit, Failure> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    if let Some(file) = &args.receipt {
        return receipt(file, key.as_ref(), args.json);
    }
    let witnesses = args.witness.iter().map(|file| read_key(file)).collect::<Result<Vec<_>, _>>()?;
    let earlier = args.earlier.as_deref().map(read).transpose()?;
    let question = Question { key, witnesses_min: witnesses.len(), witnesses, earlier };
    let world = World::real();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::unreached)?;
    let mut found = Vec::new();
    for (ledger, archive) in places(&args)? {
        let files = |place: &str| files(&world, place, &args.cell, &runtime);
        let (ledger_files, archive_files) = (files(&ledger)?, archive.as_deref().map(files).transpose()?);
        let report = checked(&*ledger_files, archive_files.as_deref(), &question, (args.json, &world, &runtime))
            .map_err(|error| Failure::Unreached(format!("{ledger}: {error}")))?;
        found.push((ledger, report));
    }
    let holds = found.iter().all(|(_, report)| report.holds());
    let text = if args.json {
        let all: Vec<Value> = found.iter().map(|(ledger, report)| as_json(ledger, report)).collect();
        format!("{:#}\n", Value::Array(all))
    } else {
        found.iter().map(|(ledger, report)| told(ledger, report, question.key.is_some())).collect()
    };
    crate::exit::print(&text)?;
    Ok(if holds { Exit::Done } else { Exit::No })
}

/// The ledgers meant, each with its archive.
fn places(args: &VerifyArgs) -> Result<Vec<(String, Option<String>)>, Failure> {
    if let Some(ledger) = &args.ledger {
        return Ok(vec![(ledger.clone(), args.archive.clone())]);
    }
    let cells = args.cell.data().join("cells");
    let unread = |error: io::Error| {
        Failure::Unreached(format!(
            "{}: {error}\n  mend: name a ledger by --ledger, or the data folder of a local `domicile up` by --data",
            cells.display()
        ))
    };
    let mut places = Vec::new();
    for cell in std::fs::read_dir(&cells).map_err(unread)? {
        let cell = cell.map_err(unread)?.path();
        let ledger = cell.join("ledger");
        let is_meant = args.cell.region().is_none_or(|region| cell.file_name().is_some_and(|name| name == region));
        if is_meant && ledger.is_dir() {
            places.push((ledger.display().to_string(), Some(cell.join("archive").display().to_string())));
        }
    }
    places.sort();
    if places.is_empty() {
        return Err(Failure::Unreached(format!("{}: no such cell here has a ledger", cells.display())));
    }
    Ok(places)
}

/// Checks until the ledger has settled: of a cell that works, an entry may be some moments behind what it is about.
pub fn checked(
    ledger: &dyn Files,
    archive: Option<&dyn Files>,
    question: &Question,
    (quiet, world, runtime): (bool, &World, &Runtime),
) -> io::Result<Report> {
    let bar = ProgressBar::new(0);
    if quiet {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}  {elapsed}") {
        bar.set_style(style);
    }
    let step = |step: Step| {
        let (what, done, all) = match step {
            Step::Entries(done, all) => ("entries", done, all),
            Step::Objects(done, all) => ("files  ", done, all),
        };
        bar.set_message(what);
        bar.set_length(all);
        bar.set_position(done);
    };
    let archive = archive.map(|files| (files, domicile_archive::cursor_is_whole as fn(&[u8]) -> bool));
    let mut report = verify(ledger, archive, question, step)?;
    for _ in 0..SETTLES {
        let moved = ledger.read("checkpoint")? != report.checkpoint;
        // A checkpoint that does not hold is not mended by the next.
        let may_settle = report.head.is_some() && (moved || report.finding_count == report.unnamed);
        if report.holds() || report.closed || !may_settle {
            break;
        }
        // Inside: a sleep is made where a runtime is.
        runtime.block_on(async { world.clock.sleep(SETTLE).await });
        report = verify(ledger, archive, question, step)?;
    }
    bar.finish_and_clear();
    Ok(report)
}

/// A receipt, checked offline.
fn receipt(file: &Path, key: Option<&VKey>, json: bool) -> Result<Exit, Failure> {
    let shown = Receipt::read(&read(file)?).and_then(|receipt| receipt.check(key));
    let (text, exit) = match shown {
        Ok(shown) if json => {
            let accepted = serde_json::to_value(&shown.accepted).unwrap_or_default();
            (json!({ "holds": true, "index": shown.index, "at": shown.at, "accepted": accepted }), Exit::Done)
        }
        Err(error) if json => (json!({ "holds": false, "why": error.to_string() }), Exit::No),
        Ok(shown) => {
            let origin = if key.is_some() {
                ""
            } else {
                "  its own key was believed: this shows integrity, not origin (--key)\n"
            };
            print!(
                "the receipt holds: entry {} of a ledger with {} says at {} that the request was accepted\n{origin}",
                shown.index, shown.head_size, shown.at
            );
            return Ok(Exit::Done);
        }
        Err(error) => {
            println!("the receipt does not hold: {error}");
            return Ok(Exit::No);
        }
    };
    crate::exit::print(&format!("{text:#}\n"))?;
    Ok(exit)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::Unreached(format!("{}: {error}", file.display())))
}

fn read_key(file: &Path) -> Result<VKey, Failure> {
    let text = String::from_utf8(read(file)?).unwrap_or_default();
    VKey::read(text.trim()).ok_or_else(|| {
        Failure::usage(format!(
            "{}: not a public key\n  mend: it is one line, NAME+ID+KEY, as the ledger's file `vkey` has it",
            file.display()
        ))
    })
}

fn files<'r>(
    world: &World,
    place: &str,
    cell: &CellArgs,
    runtime: &'r Runtime,
) -> Result<Box<dyn Files + 'r>, Failure> {
    if place.starts_with("http://") || place.starts_with("https://") {
        return Ok(Box::new(Remote::new(cell.client(place)?, runtime)));
    }
    Ok(Box::new(Folder { disk: std::sync::Arc::clone(&world.disk), path: place.into() }))
}

/// Files behind an address. They can't be listed, so that what is too much there is not seen.
pub struct Remote<'r> {
    client: RefCell<Client>,
    runtime: &'r Runtime,
}

impl<'r> Remote<'r> {
    pub fn new(client: Client, runtime: &'r Runtime) -> Self {
        Self { client: RefCell::new(client), runtime }
    }
}

impl Files for Remote<'_> {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let path = format!("/{}", encode_path(path));
        let mut client = self.client.borrow_mut();
        let answer = self.runtime.block_on(client.send(Method::GET, &path, Bytes::new()));
        let answer = answer.map_err(|failure| io::Error::other(failure.to_string()))?;
        match answer.status {
            StatusCode::OK => Ok(Some(answer.body.to_vec())),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(io::Error::other(format!("{path}: {status}"))),
        }
    }

    fn list(&self) -> io::Result<Option<Vec<String>>> {
        Ok(None)
    }
}

fn told(ledger: &str, report: &Report, key_given: bool) -> String {
    let name = report.vkey.as_ref().map_or(ledger, |vkey| vkey.name.as_str());
    let mut text = format!("{name}  {}\n", if report.holds() { "holds" } else { "DOES NOT HOLD" });
    for finding in &report.findings {
        text.push_str(&format!("  {}: {}\n", finding.place, finding.what));
    }
    if report.finding_count > report.findings.len() as u64 {
        text.push_str(&format!("  … and {} more\n", report.finding_count - report.findings.len() as u64));
    }
    if let Some(head) = report.head {
        let kinds: Vec<_> = report.kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        text.push_str(&format!("  {} entries, root {}: {}\n", head.size, head.root, kinds.join(", ")));
    }
    let sum =
        |count: fn(&domicile_ledger::verify::SourceSums) -> u64| report.sums.sources.values().map(count).sum::<u64>();
    text.push_str(&format!(
        "  accepted {} = duplicate {} + invalid {} + blocked {} + filtered {} + kept {}; stored {}\n",
        sum(|s| s.accepted),
        sum(|s| s.decided.duplicate),
        sum(|s| s.decided.invalid),
        sum(|s| s.decided.blocked),
        sum(|s| s.decided.filtered),
        sum(|s| s.decided.kept),
        sum(|s| s.stored),
    ));
    for (country, (requests, delivered, bytes)) in &report.sums.sent {
        text.push_str(&format!("  sent to {country}: {requests} requests, {delivered} events taken, {bytes} bytes\n"));
    }
    if report.objects > 0 {
        text.push_str(&format!("  archive: {} files, {} bytes, as entered\n", report.objects, report.object_bytes));
    }
    for witness in &report.witnessed {
        text.push_str(&format!("  witnessed by {} at {}\n", witness.name, witness.time));
    }
    if !report.closed {
        text.push_str("  the cell was not stopped in order, or runs: what comes after the last entry is not in it\n");
    }
    if !key_given {
        text.push_str("  the folder's own key was believed: this shows integrity, not origin (--key FILE)\n");
    }
    text
}

fn as_json(ledger: &str, report: &Report) -> Value {
    let findings: Vec<_> =
        report.findings.iter().map(|finding| json!({ "place": finding.place, "what": finding.what })).collect();
    let sources: serde_json::Map<String, Value> = report
        .sums
        .sources
        .iter()
        .map(|(source, sums)| {
            let decided = serde_json::to_value(sums.decided).unwrap_or_default();
            (source.clone(), json!({ "accepted": sums.accepted, "decided": decided, "stored": sums.stored }))
        })
        .collect();
    let sent: serde_json::Map<String, Value> = report
        .sums
        .sent
        .iter()
        .map(|(country, (requests, delivered, bytes))| {
            (country.clone(), json!({ "requests": requests, "delivered": delivered, "bytes": bytes }))
        })
        .collect();
    json!({
        "ledger": ledger,
        "name": report.vkey.as_ref().map(|vkey| &vkey.name),
        "holds": report.holds(),
        "closed": report.closed,
        "entries": report.head.map(|head| head.size),
        "root": report.head.map(|head| head.root.to_string()),
        "kinds": report.kinds,
        "sources": sources,
        "sent": sent,
        "refused": report.sums.refused,
        "archive": { "files": report.objects, "bytes": report.object_bytes },
        "witnessed": report.witnessed.iter().map(|w| json!({ "name": w.name, "time": w.time })).collect::<Vec<_>>(),
        "findings": findings,
        "findingCount": report.finding_count,
    })
}
