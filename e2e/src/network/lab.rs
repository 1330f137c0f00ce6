//! Hosts in network namespaces, each with one link to a bridge in a namespace of its own.
//!
//! ```text
//!   us ──┐            ┌── eu                  a host: eth0, lo, /etc/hosts, /etc/resolv.conf
//!        ├── bridge ──┤                       its processes: a /tmp and a /dev/shm of its own
//!  dns ──┘            └── partner …           no link leads to this machine
//! ```
//!
//! - Neighbours and forwarding tables are written, nothing floods and nothing is learnt, so that a frame goes to the host that it is meant
//!   for and every frame is counted for one pair of hosts.
//! - A process is started inside a host; a thread of this program can enter one, and the sockets that it opens there stay there.
//! - Names carry this process's id: two runs do not meet. A lab whose process is gone is torn down by the next one.

use super::bridge::Bridge;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// The folders of all labs' locks, and of what `ip netns` puts over `/etc` in a host.
const LOCKS: &str = "/run/domicile-lab";
const ETC: &str = "/etc/netns";
/// Not below `/tmp`: the hosts have another one.
const FOLDERS: &str = "/var/tmp";
/// How an own process begins: its host's `/tmp` and `/dev/shm` instead of the machine's, then itself.
const PRIVATE: &str = r#"mount --bind "$1/tmp" /tmp && mount --bind "$1/shm" /dev/shm && shift && exec "$@""#;

/// One machine of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    pub name: &'static str,
    /// `10.99.GROUP.HOST`
    pub group: u8,
    pub host: u8,
}

impl Host {
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 99, self.group, self.host)
    }

    pub fn mac(&self) -> [u8; 6] {
        [0x02, 0xd0, 0, 0, self.group, self.host]
    }

    fn mac_text(&self) -> String {
        self.mac().map(|byte| format!("{byte:02x}")).join(":")
    }

    /// Its end of the link at the bridge.
    pub fn port(&self) -> String {
        format!("g{}h{}", self.group, self.host)
    }
}

pub struct Lab {
    id: u32,
    pub hosts: Vec<Host>,
    pub folder: PathBuf,
    pub bridge: Bridge,
    /// Held as long as the lab lives.
    _lock: File,
}

impl Lab {
    /// Why this machine can have no lab; `None` when it can.
    pub fn impossible() -> Option<String> {
        if !cfg!(target_os = "linux") {
            return Some("network namespaces are Linux's".to_owned());
        }
        if !Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0") {
            return Some("making network namespaces needs root".to_owned());
        }
        for (program, argument, package) in
            [("ip", "-V", "iproute2"), ("nft", "--version", "nftables"), ("tcpdump", "--version", "tcpdump")]
        {
            if let Err(why) = run(program, &[argument], "") {
                return Some(format!("{why} (package {package})"));
            }
        }
        let probe = format!("dlab-probe-{}", std::process::id());
        let tried = run("ip", &["netns", "add", &probe], "")
            .and_then(|_| run("ip", &["netns", "exec", &probe, "sh", "-c", "mount --bind /tmp /tmp"], ""))
            .and_then(|_| run("ip", &["netns", "exec", &probe, "nft", "add", "table", "bridge", "probe"], ""))
            .and_then(|_| run("ip", &["-n", &probe, "link", "add", "probe0", "type", "bridge"], ""));
        let _ = run("ip", &["netns", "del", &probe], "");
        tried.err().map(|why| format!("this machine makes no network namespaces with a bridge: {why}"))
    }

    /// Builds the lab; what a run before it left behind is torn down first.
    pub fn up(hosts: &[Host]) -> Result<Self, String> {
        let id = std::process::id();
        let _lock = claim(id)?;
        let folder = Path::new(FOLDERS).join(format!("domicile-network-{id}"));
        let bridge = Bridge::new(format!("{}bridge", prefix(id)), hosts);
        let lab = Self { id, hosts: hosts.to_vec(), folder, bridge, _lock };
        // From here on dropping it removes all that its names stand for.
        lab.build()?;
        Ok(lab)
    }

    fn build(&self) -> Result<(), String> {
        let at = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        self.bridge.make()?;
        let resolver = self.hosts.iter().find(|host| host.name == "dns").map_or(Ipv4Addr::LOCALHOST, Host::address);
        for host in &self.hosts {
            let namespace = self.namespace(host);
            for name in ["tmp", "shm", "data"] {
                let folder = self.home(host.name).join(name);
                fs::create_dir_all(&folder).map_err(|error| at(&folder, error))?;
            }
            let etc = Path::new(ETC).join(&namespace);
            fs::create_dir_all(&etc).map_err(|error| at(&etc, error))?;
            let mut files = vec![
                ("hosts", "127.0.0.1 localhost\n".to_owned()),
                ("resolv.conf", format!("nameserver {resolver}\noptions timeout:1 attempts:2\n")),
            ];
            if Path::new("/etc/nsswitch.conf").exists() {
                // Others resolve over a Unix socket that all hosts share: a way around the bridge.
                files.push(("nsswitch.conf", "hosts: files dns\n".to_owned()));
            }
            for (name, text) in files {
                fs::write(etc.join(name), text).map_err(|error| at(&etc.join(name), error))?;
            }
            run("ip", &["netns", "add", &namespace], "")?;
            self.inside(host, || fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")).and_then(
                |written| {
                    match written {
                        // A kernel without IPv6 has nothing to switch off.
                        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(format!("{namespace}: {error}")),
                        _ => Ok(()),
                    }
                },
            )?;
            self.bridge.plug(host, &namespace, &host.mac_text())?;
            let mut links = format!(
                "link set lo up\nlink set eth0 address {}\naddr add {}/16 dev eth0\nlink set eth0 up\n",
                host.mac_text(),
                host.address()
            );
            for other in self.hosts.iter().filter(|other| other.name != host.name) {
                let (address, mac) = (other.address(), other.mac_text());
                let _ = writeln!(links, "neigh replace {address} lladdr {mac} dev eth0 nud permanent");
            }
            run("ip", &["-n", &namespace, "-batch", "-"], &links)?;
        }
        self.bridge.start()
    }

    pub fn host(&self, name: &str) -> Result<&Host, String> {
        self.hosts.iter().find(|host| host.name == name).ok_or_else(|| format!("the lab has no host {name}"))
    }

    pub fn address(&self, name: &str) -> Result<Ipv4Addr, String> {
        self.host(name).map(Host::address)
    }

    /// What a host keeps on disk: `tmp`, `shm`, `data`.
    pub fn home(&self, name: &str) -> PathBuf {
        self.folder.join("hosts").join(name)
    }

    fn namespace(&self, host: &Host) -> String {
        format!("{}{}", prefix(self.id), host.name)
    }

    /// A program as a process of a host.
    pub fn process(&self, host: &str, program: &Command) -> Result<Command, String> {
        let namespace = self.namespace(self.host(host)?);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &namespace, "sh", "-c", PRIVATE, "lab"]).arg(self.home(host));
        command.arg(program.get_program()).args(program.get_args()).current_dir(self.home(host));
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Ok(command)
    }

    /// Does it on a thread that is inside of a host. What it opens stays there.
    pub fn on<T: Send>(&self, host: &str, act: impl FnOnce() -> T + Send) -> Result<T, String> {
        self.inside(self.host(host)?, act)
    }

    fn inside<T: Send>(&self, host: &Host, act: impl FnOnce() -> T + Send) -> Result<T, String> {
        let namespace = self.namespace(host);
        thread::scope(|scope| {
            let thread = scope.spawn(move || enter(&namespace).map(|()| act()));
            thread.join().unwrap_or_else(|_| Err(format!("what was done on {} panicked", host.name)))
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        tear_down(self.id);
        let _ = fs::remove_file(Path::new(LOCKS).join(self.id.to_string()));
    }
}

/// Runs it to its end: what it says on stdout.
///
/// # Errors
/// One that could not be started or did not end with 0, with what it said on stderr.
pub fn run(program: &str, arguments: &[&str], stdin: &str) -> Result<String, String> {
    let failed = |why: &dyn std::fmt::Display| format!("`{program} {}`: {why}", arguments.join(" "));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    if let Some(mut pipe) = child.stdin.take() {
        // One that does not read to the end says why on stderr.
        let _ = pipe.write_all(stdin.as_bytes());
    }
    let done = child.wait_with_output().map_err(|error| failed(&error))?;
    match done.status.success() {
        true => Ok(String::from_utf8_lossy(&done.stdout).into_owned()),
        false => Err(failed(&String::from_utf8_lossy(&done.stderr).trim())),
    }
}

fn prefix(id: u32) -> String {
    format!("dlab{id}-")
}

/// Tears down the labs whose processes are gone, and locks the name of this one.
fn claim(id: u32) -> Result<File, String> {
    let at = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
    let folder = Path::new(LOCKS);
    fs::create_dir_all(folder).map_err(|error| at(folder, error))?;
    let open = |name: &str| {
        let path = folder.join(name);
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(|error| at(&path, error))
    };
    // Only one looks around at a time: else it would take a lab that just begins for one that was left.
    let all = open("all")?;
    all.lock().map_err(|error| at(&folder.join("all"), error))?;
    for entry in fs::read_dir(folder).map_err(|error| at(folder, error))?.flatten() {
        let Some(left) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if open(&left.to_string())?.try_lock().is_ok() {
            tear_down(left);
            let _ = fs::remove_dir_all(Path::new(FOLDERS).join(format!("domicile-network-{left}")));
            let _ = fs::remove_file(entry.path());
        }
    }
    let lock = open(&id.to_string())?;
    lock.lock().map_err(|error| at(&folder.join(id.to_string()), error))?;
    Ok(lock)
}

/// Ends the processes of a lab and removes its namespaces, and with them links, rules and counters.
fn tear_down(id: u32) {
    let names = run("ip", &["netns", "list"], "").unwrap_or_default();
    let names = names.lines().filter_map(|line| line.split(' ').next());
    for namespace in names.filter(|name| name.starts_with(&prefix(id))) {
        // What can't be ended or removed is left for the next lab's start.
        for process in run("ip", &["netns", "pids", namespace], "").unwrap_or_default().split_whitespace() {
            let _ = run("kill", &["-KILL", process], "");
        }
        let _ = run("ip", &["netns", "del", namespace], "");
        let _ = fs::remove_dir_all(Path::new(ETC).join(namespace));
    }
}

#[cfg(target_os = "linux")]
fn enter(namespace: &str) -> Result<(), String> {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    use std::os::fd::AsFd;
    let path = Path::new("/run/netns").join(namespace);
    let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(not(target_os = "linux"))]
fn enter(_: &str) -> Result<(), String> {
    Err("network namespaces are Linux's".to_owned())
}
