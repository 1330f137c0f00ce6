//! The way to the cell: a file as the request that it takes, and its refusal as faults with the file's places.

use super::file::{FILE_BYTES_MAX, Told, WorkspaceFile, folder_of};
use super::import::{self, Skipped, System};
use super::reference::Sources;
use crate::client::{Cell, CellArgs, waiting};
use crate::exit::Failure;
use bytes::Bytes;
use clap::Args;
use domicile_world::World;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Tens of thousands of things on a slow machine.
const WHOLE: Duration = Duration::from_secs(600);

/// What `plan` and `apply` are about.
#[derive(Args)]
pub struct FileArgs {
    /// The workspace file, or the file to import
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Delete what the workspace has in the file's sections, and the file has not
    #[arg(long)]
    pub prune: bool,
    /// The file is another system's, to be imported
    #[arg(long, value_name = "SYSTEM")]
    from: Option<System>,
    #[command(flatten)]
    cell: CellArgs,
}

/// A file and the cell that it is for.
pub struct Asking {
    cell: Cell,
    name: String,
    read: Read,
    document: Map<String, Value>,
    prune: bool,
}

enum Read {
    File(WorkspaceFile),
    Import(Vec<Skipped>),
}

pub fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::unreached)
}

/// The one cell that is meant. Of several of a local `up`, that of `region`.
pub fn one_cell(args: &CellArgs, region: Option<&str>) -> Result<Cell, Failure> {
    let mut cells = args.cells()?;
    if cells.len() > 1 {
        let names = cells.iter().map(|cell| cell.name.as_str()).collect::<Vec<_>>().join(", ");
        cells.retain(|cell| Some(cell.name.as_str()) == region);
        if cells.is_empty() {
            return Err(Failure::usage(format!("there are several cells: {names}\n  mend: name one with --region")));
        }
    }
    cells.pop().ok_or_else(|| Failure::usage("there is no cell"))
}

impl FileArgs {
    /// Reads the file, and finds the cell.
    pub fn open(&self, runtime: &Runtime) -> Result<Asking, Failure> {
        let name = self.file.display().to_string();
        let unread = |error: std::io::Error| Failure::usage(format!("{name}: {error}"));
        let bytes = std::fs::metadata(&self.file).map_err(unread)?.len();
        if bytes > FILE_BYTES_MAX as u64 {
            let mend = "a workspace file has at most 16 MiB\n  mend: check that this is the right file";
            return Err(Failure::usage(format!("{name}: the file has {bytes} bytes\n  {mend}")));
        }
        let text = std::fs::read(&self.file).map_err(unread)?;
        let text = String::from_utf8(text).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
            Failure::usage(format!("{name}:{line}: this is not UTF-8\n  mend: save the file as UTF-8"))
        })?;
        let environment = |name: &str| std::env::var(name).ok();
        let (read, document) = match self.from {
            None => {
                let from = Sources { environment: &environment, folder: folder_of(&self.file) };
                let mut file = WorkspaceFile::read(&name, &text, &from).map_err(Failure::usage)?;
                let document = std::mem::take(&mut file.document);
                (Read::File(file), document)
            }
            Some(system) => {
                let imported = import::read(system, &text).map_err(|why| Failure::usage(format!("{name}: {why}")))?;
                let mut document = imported.document;
                import::fill_secrets(&mut document, &environment);
                (Read::Import(imported.skipped), document)
            }
        };
        let region = document.get("workspace").and_then(|workspace| workspace["region"].as_str());
        let cell = one_cell(&self.cell, region)?;
        let mut asking = Asking { cell, name, read, document, prune: self.prune };
        asking.state_region(runtime)?;
        Ok(asking)
    }
}

impl Asking {
    /// What an import leaves out.
    pub fn skipped(&self) -> &[Skipped] {
        match &self.read {
            Read::File(_) => &[],
            Read::Import(skipped) => skipped,
        }
    }

    /// An import that states no region means the cell's. A workspace file has to state it.
    fn state_region(&mut self, runtime: &Runtime) -> Result<(), Failure> {
        let Some(Value::Object(workspace)) = self.document.get_mut("workspace") else { return Ok(()) };
        if matches!(self.read, Read::File(_)) || workspace.contains_key("region") {
            return Ok(());
        }
        let own = runtime.block_on(self.cell.client.find_json("/api/"))?.unwrap_or_default();
        workspace.insert("region".to_owned(), own["data"]["workspace"]["region"].clone());
        Ok(())
    }

    /// What applying the file would change. Of an import, what the region does not offer is left out, and told.
    pub async fn plan(&mut self) -> Result<Value, Failure> {
        loop {
            match self.ask("/api/configuration/plan", &HeaderMap::new()).await? {
                Asked::Plan(plan) => return Ok(plan),
                Asked::Faults(told) if self.leave_out(&told) => {}
                Asked::Faults(told) => return Err(self.faults(&told)),
            }
        }
    }

    /// Applies the file to the workspace as it was in `version`.
    pub async fn apply(&mut self, version: u64) -> Result<Value, Failure> {
        let mut own = [0; 16];
        World::real().random.fill(&mut own);
        // Should the answer be lost and the request be sent again, it is still done once.
        let once = data_encoding::HEXLOWER.encode(&own);
        let mut headers = HeaderMap::new();
        let value = |text: String| HeaderValue::try_from(text).map_err(Failure::usage);
        headers.insert(header::IF_MATCH, value(format!("\"{version}\""))?);
        headers.insert(HeaderName::from_static("idempotency-key"), value(once)?);
        match self.ask("/api/configuration/apply", &headers).await? {
            Asked::Plan(plan) => Ok(plan),
            Asked::Faults(told) => Err(self.faults(&told)),
        }
    }

    /// Takes what can't be made here out of an import. Whether that was all that is wrong.
    fn leave_out(&mut self, told: &[Told]) -> bool {
        let Read::Import(skipped) = &mut self.read else { return false };
        let things: Option<Vec<&str>> = told.iter().map(|told| told.field.strip_suffix(".type")).collect();
        let Some(things) = things.filter(|things| !things.is_empty()) else { return false };
        for (thing, told) in things.into_iter().zip(told) {
            if !import::take_out(&mut self.document, thing) {
                return false;
            }
            skipped.push(Skipped { what: thing.to_owned(), why: format!("{}; {}", told.what, told.mend) });
        }
        true
    }

    async fn ask(&mut self, path: &str, headers: &HeaderMap) -> Result<Asked, Failure> {
        let mut body = json!({ "configuration": self.document, "prune": self.prune });
        if let Read::File(file) = &self.read {
            body["secretPaths"] = file.referenced.iter().map(|path| path.join(".")).collect();
        }
        let bar = waiting("the cell looks at the file");
        let sent = self.cell.client.send_with(Method::POST, path, Bytes::from(body.to_string()), headers, WHOLE).await;
        bar.finish_and_clear();
        let answer = sent?;
        match answer.status {
            StatusCode::OK => {
                let mut answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                Ok(Asked::Plan(answer["data"]["plan"].take()))
            }
            StatusCode::PRECONDITION_FAILED => Err(Failure::unreached(format!(
                "{}: the workspace was changed after the plan was made; nothing was applied\n  mend: look at the new plan, and apply again",
                self.name
            ))),
            StatusCode::NOT_FOUND => Err(Failure::usage(format!(
                "{}: it knows no configuration as code, or the token is not of this cell",
                self.cell.name
            ))),
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT => {
                let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                let told: Vec<Told> = said["errors"].as_array().into_iter().flatten().filter_map(told).collect();
                if told.is_empty() { Err(self.cell.client.refused(path, &answer)) } else { Ok(Asked::Faults(told)) }
            }
            _ => Err(self.cell.client.refused(path, &answer)),
        }
    }

    /// The cell's faults, with the places of the file.
    fn faults(&self, told: &[Told]) -> Failure {
        match &self.read {
            Read::File(file) => Failure::usage(file.placed(told)),
            Read::Import(_) => {
                let line = |Told { field, what, why, mend, .. }: &Told| {
                    format!("{}: {field}: {what}\n  {why}\n  mend: {mend}", self.name)
                };
                Failure::usage(told.iter().map(line).collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

/// What the cell says to a document.
enum Asked {
    Plan(Value),
    Faults(Vec<Told>),
}

/// A fault in the document; `None` for what is wrong with the request otherwise.
fn told(error: &Value) -> Option<Told> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let data = &error["data"];
    Some(Told {
        field: text(&error["field"])?,
        what: text(&data["what"])?,
        why: text(&data["why"])?,
        mend: text(&data["mend"])?,
        name: data["unknownName"].as_bool().unwrap_or(false),
    })
}
