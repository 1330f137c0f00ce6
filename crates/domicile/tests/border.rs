//! The border as a process of its own: who may have its socket, a cell without a route out, and a border that is killed.

use crate::{Up, domicile, free_base, ready};
use domicile_testkit::{Manner, Partner};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const TOPOLOGY: &str = "\
regions:
  eu-west:
    country: IE
    locations: [dublin-a]
    ingest:
      dublin: { country: IE }
    border:
      allow: [EEA]
networks: { 127.0.0.0/8: local }
";

/// How long the slowest step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A network with nobody in it but itself; its processes have no route out.
struct Alone(Child);

impl Alone {
    /// `None`: this machine does not let us make one.
    fn new() -> Option<Self> {
        let holder = Command::new("unshare")
            .args(["-n", "sh", "-c", "ip link set lo up && echo up && exec sleep 1000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut holder = Self(holder.ok()?);
        let mut said = String::new();
        let stdout = holder.0.stdout.take()?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut said).ok()?;
        (said == "up\n").then_some(holder)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A cell, its border process and what both are made of.
struct Bed {
    dir: tempfile::TempDir,
    base: u16,
    /// Where the cell is; the border process is always outside.
    alone: Option<Alone>,
}

/// A process that is killed when dropped.
struct Running(Child);

impl Running {
    fn kill(mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it was there");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Bed {
    fn new(alone: Option<Alone>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("topology.yml"), TOPOLOGY).expect("writes");
        Self { dir, base: free_base(), alone }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// The program, where the cell is.
    fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_domicile");
        let Some(Alone(holder)) = &self.alone else { return Command::new(program) };
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", holder.id())).arg(program);
        command
    }

    fn up(&self, more: &[&str]) -> Up {
        let mut command = self.command();
        command.args(["up", "--port-base", &self.base.to_string(), "--region", "eu-west", "--topology"]);
        command.args([&self.path("topology.yml"), "--data", &self.path("data")]).args(more);
        command.stderr(File::create(self.path("up.log")).expect("a log"));
        Up { child: ready(command, "domicile is ready"), _base: self.base }
    }

    fn border(&self) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_domicile"));
        command.args(["border", "--region", "eu-west", "--topology", &self.path("topology.yml")]);
        command.args(["--listen", &self.path("border.sock")]).stderr(Stdio::null());
        Running(ready(command, "domicile border is ready"))
    }

    /// Runs a command on the cell.
    fn run(&self, args: &[&str]) -> Output {
        let out = self.command().args(args).stdin(Stdio::null()).output().expect("the program starts");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        out
    }

    /// Makes two destinations: one that is allowed, and one that is not.
    fn make_destinations(&self, partner: &Partner) {
        let hook = |name: &str, country: &str| {
            format!(
                "      {name}:\n        type: webhook\n        settings: {{ url: \"{}\", country: {country} }}\n",
                partner.url("/")
            )
        };
        let text = "workspace: { region: eu-west }\nsources:\n  server:\n    type: server\n    destinations:\n";
        let file = self.path("workspace.yml");
        fs::write(&file, [text, &hook("Allowed", "IE"), &hook("Refused", "US")].concat()).expect("writes");
        self.run(&["apply", "-f", &file, "--yes", "--data", &self.path("data")]);
    }

    fn send(&self, count: usize, rate: usize) -> Running {
        let demo: Value = serde_json::from_str(&self.read("data/demo.json")).expect("JSON");
        let eu = &demo["regions"]["eu-west"];
        let key = eu["workspaces"]["acme-eu"]["sources"]["server"]["writeKey"].as_str().expect("a key");
        let (to, count, rate) = (eu["ingest"]["dublin"].as_str().expect("a URL"), count.to_string(), rate.to_string());
        let mut command = self.command();
        command.args(["send", "--to", to, "--key", key, "--count", &count, "--rate", &rate]);
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"))
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(name)).expect("reads")).into_owned()
    }

    /// Waits until the log of `up` has this.
    async fn logged(&self, words: &str) {
        let seen = async {
            while !self.read("up.log").contains(words) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("no `{words}`: {}", self.read("up.log")));
    }

    /// What the ledger's entries say, as text.
    fn ledger(&self) -> String {
        let entries = PathBuf::from(self.path("data/cells/eu-west/ledger/tile/entries"));
        crate::contents(&entries).iter().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

/// Waits until so many different events have come; `None` when the time is up.
async fn received(partner: &Partner, events: usize) -> Option<()> {
    let all = async {
        let mut requests = events;
        loop {
            let got = partner.wait_for(requests).await;
            let different: BTreeSet<_> = got.iter().filter_map(|one| one.header("idempotency-key")).collect();
            if different.len() >= events {
                return;
            }
            requests = got.len() + 1;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cell_without_a_route_out_delivers_by_its_border_process_and_by_nothing_else() {
    let Some(alone) = Alone::new() else {
        println!("skipped: network namespaces can't be made here (needs root, `unshare`, `nsenter` and `ip`)");
        return;
    };
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let bed = Bed::new(Some(alone));
    // The control: the same cell with the network that it has.
    let up = bed.up(&[]);
    bed.make_destinations(&partner);
    bed.send(40, 1_000).0.wait().expect("it ends");
    bed.logged("the destination fails").await;
    assert!(partner.received().is_empty());
    up.stop();

    // The border process may come later: what goes out waits for it.
    let up = bed.up(&["--border", &bed.path("border.sock")]);
    bed.logged("\"border_unreachable\"").await;
    let border = bed.border();
    received(&partner, 40).await.expect("all events come");
    bed.logged("country_refused").await;
    bed.run(&["balance", "--data", &bed.path("data")]);
    up.stop();
    drop(border);
    let ledger = bed.ledger();
    for code in ["border_unreachable", "country_refused"] {
        assert!(ledger.contains(code), "the ledger has no {code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_border_process_that_is_killed_amid_deliveries_loses_nothing() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let bed = Bed::new(None);
    let mut border = bed.border();
    let up = bed.up(&["--border", &bed.path("border.sock")]);
    bed.make_destinations(&partner);
    let mut sending = bed.send(600, 200);
    for part in 1..=4 {
        received(&partner, part * 100).await.expect("events come");
        // kill -9; the socket that it leaves behind is no hindrance.
        border.kill();
        border = bed.border();
    }
    assert!(sending.0.wait().expect("it ends").success());
    received(&partner, 600).await.expect("all events come");
    let balance = bed.run(&["balance", "--data", &bed.path("data")]);
    assert!(balance.status.success());
    // What the border process did is counted in the cell.
    let metrics = {
        use std::io::{Read, Write};
        let mut cell = std::net::TcpStream::connect(("127.0.0.1", bed.base + 100)).expect("the cell");
        cell.write_all(b"GET /metrics HTTP/1.0\r\nhost: cell\r\n\r\n").expect("is sent");
        let mut text = String::new();
        cell.read_to_string(&mut text).expect("an answer");
        text
    };
    for line in ["domicile_border_permits_total{", "code=\"country_refused\""] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
    assert!(metrics.contains("result=\"dead\"} 0") || !metrics.contains("result=\"dead\""), "{metrics}");
    up.stop();
}

#[test]
fn a_socket_that_others_could_put_another_in_place_of_is_refused() {
    let bed = Bed::new(None);
    let listen = |path: &str| {
        let out =
            domicile(&["border", "--region", "eu-west", "--topology", &bed.path("topology.yml"), "--listen", path]);
        (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    for (mode, expected) in [(0o777, "mode 0777"), (0o1777, "mode 1777"), (0o770, "mode 0770")] {
        let folder = bed.dir.path().join(format!("{mode:o}"));
        fs::create_dir(&folder).expect("a folder");
        fs::set_permissions(&folder, Permissions::from_mode(mode)).expect("is mine");
        let (code, said) = listen(&folder.join("border.sock").display().to_string());
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(expected) && said.contains("mend: "), "{said}");
        assert_eq!(fs::read_dir(&folder).expect("lists").count(), 0, "nothing was put there");
    }
    fs::write(bed.path("file"), "mine").expect("writes");
    let (code, said) = listen(&bed.path("file"));
    assert!(code == 2 && said.contains("no socket"), "{said}");
    assert_eq!(bed.read("file"), "mine");
    let (code, said) = listen("/no/such/folder/border.sock");
    assert!(code == 3 && said.contains("/no/such/folder"), "{said}");

    let border = bed.border();
    let mode = fs::metadata(bed.path("border.sock")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let (code, said) = listen(&bed.path("border.sock"));
    assert!(code == 3 && said.contains("another `domicile border`"), "{said}");
    drop(border);
}
