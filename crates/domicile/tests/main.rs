//! The program as an operator meets it when something is wrong: the exit code, what is said, and that nothing is changed.

mod border;
mod configuration;
mod drill;
mod policy;
mod verify;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

fn domicile(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_domicile")).args(args).output().expect("the program starts")
}

/// A base port with free ones behind it, as far as a look can tell; never the same for two tests.
fn free_base() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let needs = [0, 100, 101, 102, 103, 104, 200, 201];
    // Another run of the tests on this machine begins elsewhere.
    let start = 20_000 + u16::try_from(std::process::id() % 30).unwrap_or(0) * 300;
    loop {
        let base = start + TAKEN.fetch_add(1, Ordering::Relaxed) * 300;
        assert!(base < 60_000, "no free ports");
        if needs.iter().all(|more| is_free(base + more)) {
            return base;
        }
    }
}

struct Up {
    child: Child,
    _base: u16,
}

impl Up {
    fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    fn start_with(data: &Path, more: &[&str]) -> Self {
        let base = free_base();
        let mut command = Command::new(env!("CARGO_BIN_EXE_domicile"));
        command.args(["up", "--port-base", &base.to_string(), "--data"]).arg(data).args(more).stderr(Stdio::null());
        Self { child: ready(command, "domicile is ready"), _base: base }
    }

    /// Stops in order.
    fn stop(mut self) {
        let stopped = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(stopped.success());
        assert!(self.child.wait().expect("it ends").success(), "a stop in order is no failure");
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program and waits until it says this line.
fn ready(mut command: Command, line: &str) -> Child {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
    let stdout = child.stdout.take().expect("its output");
    let ready = BufReader::new(stdout).lines().any(|said| said.is_ok_and(|said| said == line));
    assert!(ready, "it says: {line}");
    child
}

/// Runs `up` on `data`, which must end by itself; gives its exit code and what it said.
fn fails(data: &Path, more: &[&str]) -> (i32, String) {
    let base = free_base().to_string();
    let shown = data.display().to_string();
    let mut args = vec!["up", "--port-base", &base, "--data", &shown];
    args.extend(more);
    let out = domicile(&args);
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stderr).into_owned())
}

/// Every file of a folder with its content.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            out.extend(contents(&path));
        } else if path.file_name().is_some_and(|name| name != "lock") {
            out.push((path.clone(), fs::read(&path).expect("reads")));
        }
    }
    out.sort();
    out
}

#[test]
fn a_topology_that_is_not_sound_is_told_with_place_and_mend_and_ends_with_2() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("topology.yml");
    let text = "regions:\n  ch:\n    country: CH\n    locations: [zurich-a]\n    ingest:\n      paris: { country: FR }\n    colour: red\n";
    fs::write(&file, text).expect("writes");
    let (code, said) = fails(&dir.path().join("data"), &["--topology", &file.display().to_string()]);
    assert_eq!(code, 2, "{said}");
    for part in ["topology.yml:7:5", "unknown field `colour`", "mend:", "topology.yml:6:"] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    let (code, said) = fails(&dir.path().join("data"), &["--topology", "/no/such/file.yml"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("/no/such/file.yml"), "{said}");
}

#[test]
fn a_region_that_the_topology_lacks_is_told_with_those_that_it_has() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("topology.yml");
    fs::write(
        &file,
        "regions:\n  ch:\n    country: CH\n    locations: [zurich-a]\n    ingest:\n      zurich: { country: CH }\n",
    )
    .expect("writes");
    let (code, said) =
        fails(&dir.path().join("data"), &["--topology", &file.display().to_string(), "--region", "ch-2"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("no region `ch-2`; it has ch"), "{said}");
}

#[test]
fn a_database_of_countries_that_is_none_is_told_with_file_and_mend_and_ends_with_2() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("topology.yml");
    let regions =
        "regions:\n  ch:\n    country: CH\n    locations: [zurich-a]\n    ingest:\n      zurich: { country: CH }\n";
    fs::write(&file, format!("{regions}ip_countries: countries.mmdb\n")).expect("writes");
    let start = || fails(&dir.path().join("data"), &["--topology", &file.display().to_string()]);
    let database = dir.path().join("countries.mmdb");
    for bytes in [None, Some("no database")] {
        if let Some(bytes) = bytes {
            fs::write(&database, bytes).expect("writes");
        }
        let (code, said) = start();
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(&database.display().to_string()) && said.contains("mend: "), "{said}");
    }
    assert!(!dir.path().join("data").exists(), "nothing is begun");
}

#[test]
fn a_data_folder_that_can_not_be_written_ends_with_3_and_says_how_to_mend_it() {
    let dir = tempfile::tempdir().expect("a folder");
    // A file where the folder belongs: also root can't write into it.
    let file = dir.path().join("data");
    fs::write(&file, "").expect("writes");
    let (code, said) = fails(&file, &[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("/data") && said.contains("--data DIR"), "{said}");
}

#[test]
fn a_folder_of_scripts_that_is_not_there_is_told_at_the_start() {
    let dir = tempfile::tempdir().expect("a folder");
    let (code, said) = fails(&dir.path().join("data"), &["--scripts", "/no/such/folder"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("/no/such/folder: no such folder") && said.contains("dist/umd"), "{said}");
    assert!(!dir.path().join("data").exists(), "nothing is begun");
}

#[test]
fn wrong_usage_ends_with_2() {
    for args in
        [&["up", "--colour", "red"][..], &["fly"], &["send", "--to", "http://127.0.0.1:1"], &["up", "--region", "x"]]
    {
        assert_eq!(domicile(args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn commands_that_find_no_cell_end_with_3_and_say_which_folder_they_looked_in() {
    let out = domicile(&["balance", "--data", "/no/such/folder"]);
    assert_eq!(out.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&out.stderr).contains("/no/such/folder/demo.json"));
}

/// Method: cells that were stopped in order, then one file of the last one damaged at a time. The start must stop with 3, name
/// the file, and change nothing, also not in the first cell; with the file put back it starts.
#[test]
fn damage_stops_the_start_names_the_file_and_takes_nothing_away() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let up = Up::start(&data);
    let demo: serde_json::Value =
        serde_json::from_slice(&fs::read(data.join("demo.json")).expect("reads")).expect("is JSON");
    let eu = &demo["regions"]["eu-west"];
    let key = eu["workspaces"]["acme-eu"]["sources"]["server"]["writeKey"].as_str().expect("a key");
    let sent = domicile(&["send", "--to", eu["ingest"]["dublin"].as_str().expect("an address"), "--key", key]);
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    up.stop();

    let cell = data.join("cells/eu-west");
    let segment = |folder: &str| {
        let mut files = contents(&cell.join(folder));
        files.retain(|(path, _)| path.extension().is_some_and(|end| end == "log"));
        files.remove(0).0
    };
    let files = ["keys/region.key", "accepted/closed", "control.db"].map(|name| cell.join(name));
    for file in [segment("accepted"), segment("events")].into_iter().chain(files) {
        let whole = fs::read(&file).expect("reads");
        let mut bad = whole.clone();
        // The middle of a file that is looked through; of the database it is the head that is looked at.
        let at = if file.ends_with("control.db") { 3 } else { bad.len() / 2 };
        bad[at] ^= 1;
        fs::write(&file, &bad).expect("writes");
        let damaged = contents(&data);
        let (code, said) = fails(&data, &[]);
        assert_eq!(code, 3, "{}: {said}", file.display());
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(said.contains(&name), "{name} is missing in: {said}");
        assert!(contents(&data) == damaged, "{}: something was changed", file.display());
        fs::write(&file, &whole).expect("puts back");
    }
    Up::start(&data).stop();
}

#[test]
fn a_second_up_on_the_same_data_folder_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let up = Up::start(dir.path());
    let (code, said) = fails(dir.path(), &[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("another `domicile up` runs on this data folder"), "{said}");
    up.stop();
}
